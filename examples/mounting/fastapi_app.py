"""The debug pages in a FastAPI service, below ``/ops``: ``uvicorn mounting.fastapi_app:app``."""

from fastapi import FastAPI

from opentelemetry.instrumentation.concurrency.serve.asgi import application

app = FastAPI()
app.mount("/ops", application)
