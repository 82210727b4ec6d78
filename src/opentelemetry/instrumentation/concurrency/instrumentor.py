"""Install and take out: the class that OpenTelemetry's auto-instrumentation loads."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined,unused-ignore]

from opentelemetry import _logs, metrics, trace

from .installation import Installation
from .package import _instruments
from .settings import DeclarativeOptions, Settings, load_settings
from .version import __version__

_logger = logging.getLogger("opentelemetry.instrumentation.concurrency")

SCOPE: Final = "opentelemetry.instrumentation.concurrency"
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"

_installation: Installation | None = None


def current_installation() -> Installation | None:
    """Return what is installed in this process, or None."""
    return _installation


class ConcurrencyInstrumentor(BaseInstrumentor):  # type: ignore[misc, unused-ignore]
    """Records where asyncio tasks and threads are created, and reports the ones that leak.

    ``instrument(tracer_provider=None, meter_provider=None, logger_provider=None, **settings)`` takes the settings of
    the documentation in lower case, durations in seconds or as `datetime.timedelta`. It never raises into the
    application: a bad setting is one warning and the default.
    """

    configuration = DeclarativeOptions

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: what is instrumented is the standard library."""
        return _instruments

    def _instrument(self, **kwargs: Any) -> None:
        global _installation
        try:
            providers = {
                name: kwargs.pop(name, None) for name in ("tracer_provider", "meter_provider", "logger_provider")
            }
            options = {**_declared(kwargs.pop("declarative", None)), **kwargs}
            settings = load_settings(options, os.environ, warn=_logger.warning)
            if settings.disabled or _is_never_patched() or _installation is not None:
                return
            _installation = _build(settings, providers)
            _installation.install()
        except Exception:
            _logger.warning("Instrumenting tasks and threads failed; the application is not affected.", exc_info=True)

    def _uninstrument(self, **_kwargs: Any) -> None:
        global _installation
        installation, _installation = _installation, None
        if installation is None:
            return
        try:
            installation.uninstall()
        except Exception:
            _logger.warning("Taking the instrumentation of tasks and threads out failed.", exc_info=True)


def _declared(options: Any) -> dict[str, Any]:
    if options is None:
        return {}
    if isinstance(options, Mapping):
        return {str(name): value for name, value in options.items()}
    _logger.warning(
        "declarative=%.80r was given, a mapping of option names to values was expected; the defaults hold.", options
    )
    return {}


def _build(settings: Settings, providers: dict[str, Any]) -> Installation:
    return Installation(
        settings,
        meter=_from_provider(metrics.get_meter, providers["meter_provider"], "meter"),
        tracer=_from_provider(trace.get_tracer, providers["tracer_provider"], "tracer"),
        otel_logger=_from_provider(_logs.get_logger, providers["logger_provider"], "logger"),
    )


def _from_provider(get: Any, provider: Any, what: str) -> Any:
    try:
        return get(SCOPE, __version__, provider, schema_url=SCHEMA_URL)
    except Exception:
        _logger.warning("The %s provider failed; its signal is missing.", what, exc_info=True)
        return None


def _is_never_patched() -> bool:
    """Tell whether this process is one that runs nobody's service: our command line, pip, multiprocessing's own."""
    arguments = getattr(sys, "orig_argv", sys.argv)
    program = Path(arguments[1]).name if len(arguments) > 1 else ""
    if program in ("otel-concurrency", "pip", "pip3"):
        return True
    if "-m" in arguments[:8]:
        module = arguments[arguments.index("-m") + 1 :][:1]
        if module in (["pip"], [SCOPE]):
            return True
    for number, argument in enumerate(arguments[:8]):
        if argument == "-c" and number + 1 < len(arguments):
            code = arguments[number + 1]
            return "multiprocessing.resource_tracker" in code or "multiprocessing.forkserver" in code
    return False
