"""The debug pages in a Starlette service, below ``/ops``: ``uvicorn mounting.starlette_app:app``."""

from starlette.applications import Starlette
from starlette.routing import Mount

from opentelemetry.instrumentation.concurrency.serve.asgi import application

app = Starlette(routes=[Mount("/ops", application)])
