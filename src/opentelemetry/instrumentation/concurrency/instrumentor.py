"""The instrumentor: the class that OpenTelemetry's auto-instrumentation loads."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined,unused-ignore]  # untyped

from opentelemetry import _logs, metrics, trace

from .installation import Installation
from .instrumented import InstrumentedProcess
from .live_process import LiveProcess
from .own_log import own_logger
from .package import _instruments
from .settings import DeclarativeOptions, Settings, load_settings
from .setup_warning import setup_problem
from .version import __version__

if TYPE_CHECKING:
    from .agent.dump_signal import DumpSignal
    from .serve.http import DebugServer

_logger = own_logger()

SCOPE: Final = "opentelemetry.instrumentation.concurrency"
SCHEMA_URL: Final = "https://python-concurrency.example/schemas/0.1.0"
"""Identifies the registry in ``docs/registry``; not served. Most names are defined there and not by OpenTelemetry."""

_installation: Installation | None = None


def current_installation() -> Installation | None:
    """Return the installation of this process, or None."""
    return _installation


class ConcurrencyInstrumentor(BaseInstrumentor):  # type: ignore[misc, unused-ignore]  # an untyped base
    """Records where asyncio tasks and threads are created, and reports those that leak.

    ``instrument(tracer_provider=None, meter_provider=None, logger_provider=None, **settings)`` takes the documented
    settings in lower case, with durations in seconds or as `datetime.timedelta`. It never raises into the application:
    a bad setting causes one warning, and its default applies.
    """

    configuration = DeclarativeOptions

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return no dependencies: the instrumented modules belong to the standard library."""
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
            _warn_of_setup(settings, providers)
        except Exception:  # instrument() must not raise into the application
            _logger.warning("Instrumenting tasks and threads failed; the application is unaffected.", exc_info=True)

    def _uninstrument(self, **_kwargs: Any) -> None:
        global _installation
        installation, _installation = _installation, None
        if installation is None:
            return
        try:
            installation.uninstall()
        except Exception:  # neither must uninstrument()
            _logger.warning("Removing the instrumentation of tasks and threads failed.", exc_info=True)


def _declared(options: Any) -> dict[str, Any]:
    if options is None:
        return {}
    if isinstance(options, Mapping):
        return {str(name): value for name, value in options.items()}
    _logger.warning(
        "declarative: expected a mapping of option names to values, got %.80r; the defaults apply.", options
    )
    return {}


def _warn_of_setup(settings: Settings, providers: dict[str, Any]) -> None:
    if settings.metrics == "none" and settings.reports == "none":
        return
    problem = setup_problem(_in_use(providers))
    if problem:
        _logger.warning("%s", problem)


def _in_use(providers: dict[str, Any]) -> tuple[Any, Any, Any]:
    return (
        providers["tracer_provider"] or trace.get_tracer_provider(),
        providers["logger_provider"] or _logs.get_logger_provider(),
        providers["meter_provider"] or metrics.get_meter_provider(),
    )


def _build(settings: Settings, providers: dict[str, Any]) -> Installation:
    return Installation(
        settings,
        meter=_from_provider(metrics.get_meter, providers["meter_provider"], "meter"),
        tracer=_from_provider(trace.get_tracer, providers["tracer_provider"], "tracer"),
        otel_logger=_from_provider(_logs.get_logger, providers["logger_provider"], "logger"),
        providers=_in_use(providers),
        make_dump_signal=_make_dump_signal,
        make_debug_server=_make_debug_server,
    )


def _make_dump_signal(name: str, live: LiveProcess) -> DumpSignal:
    from .agent.dump_signal import DumpSignal

    return DumpSignal(name, live)


def _make_debug_server(process: InstrumentedProcess) -> DebugServer:
    from .serve.http import DebugServer
    from .serve.live_source import LiveSource

    return DebugServer(process.settings, LiveSource(process))


def _from_provider(get: Any, provider: Any, what: str) -> Any:
    try:
        return get(SCOPE, __version__, provider, schema_url=SCHEMA_URL)
    except Exception:  # a provider may raise anything
        _logger.warning("The %s provider failed; its signal is missing.", what, exc_info=True)
        return None


def _is_never_patched() -> bool:
    """Return whether this process runs no service: this package's command line, pip, or a multiprocessing helper."""
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
