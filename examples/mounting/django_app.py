"""The debug pages in a Django service, below ``/ops``: the content of its ``wsgi.py``."""

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application

from opentelemetry.instrumentation.concurrency.serve.wsgi import application

if not settings.configured:  # a real project has a settings module instead
    settings.configure(ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF=__name__, SECRET_KEY="an example's")
    django.setup()
urlpatterns: list = []
project = get_wsgi_application()


def app(environ, start_response):
    if environ.get("PATH_INFO", "").startswith("/ops/"):
        return application({**environ, "PATH_INFO": environ["PATH_INFO"].removeprefix("/ops")}, start_response)
    return project(environ, start_response)
