"""Loads settings as the instrumentor does, and gives the warnings beside them."""

from opentelemetry.instrumentation.concurrency.settings import PREFIX, DeclarativeOptions, load_settings


def load(options=None, **environ):
    warnings = []
    full = {f"{PREFIX}{name}": value for name, value in environ.items()}
    return load_settings(options or {}, full, warn=warnings.append), warnings


def load_file(file, **environ):
    return load(DeclarativeOptions(**file).declarative, **environ)
