"""The debug pages in a Flask service, below ``/ops``: ``flask --app mounting.flask_app run``."""

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from opentelemetry.instrumentation.concurrency.serve.wsgi import application

app = Flask(__name__)
app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/ops": application})
