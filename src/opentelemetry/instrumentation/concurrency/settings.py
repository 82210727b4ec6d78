"""What can be set, from where, with which default.

Precedence: keyword argument or declarative configuration, then environment, then default. A bad value is one warning
that names it and the expected form, and the default stands; a security setting falls to its closed state.
"""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from .setting_values import (
    Reader,
    Refused,
    address,
    boolean,
    choice,
    duration,
    globs,
    integer,
    shown,
    signal_name,
    text,
)

PREFIX: Final = "OTEL_PYTHON_CONCURRENCY_"
_MANY: Final = 1_000_000_000


def _default_agent_dir() -> str:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return f"{tempfile.gettempdir() if os.name == 'nt' else '/tmp'}/otel-concurrency-{user}"  # noqa: S108 (checked by the agent)


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default. Durations are seconds; the table `SETTING_SPECS` says what each means."""

    disabled: bool = False
    task_age: float = 60.0
    thread_age: float = 300.0
    scan_interval: float = 5.0
    growth_window: float = 60.0
    growth_scans: int = 5
    growth_min: int = 20
    live_limit: int = 10_000
    resident_limit: int = 20
    resident_window: float = 60.0
    blocked_age: float = 1.0
    max_sites: int = 100
    metrics: Literal["full", "totals", "none"] = "full"
    site_granularity: Literal["line", "function"] = "line"
    stack_depth: int = 32
    stack_sampling: int = 128
    stack_text_limit: int = 2000
    ignore: tuple[str, ...] = ()
    reports: Literal["auto", "span", "log", "none"] = "auto"
    report_limit: int = 10
    report_repeat: float = 600.0
    report_source: bool = False
    report_names: bool = True
    proof_interval: float = 600.0
    eventloop_delay_disabled: bool = False
    debug_address: str = ""
    debug_token: str = field(default="", repr=False)
    debug_token_file: str = ""
    debug_tls_cert: str = ""
    debug_tls_key: str = ""
    debug_insecure: bool = False
    agent_disabled: bool = False
    agent_dir: str = field(default_factory=_default_agent_dir)
    allow_cancel: bool = False
    dump_signal: str = ""


class SettingSpec(NamedTuple):
    """One setting: its name, default as people write it, meaning, reader, and the value after a bad one.

    ``closed`` is None where the default stands after a bad value.
    """

    name: str
    default_text: str
    meaning: str
    read: Reader
    closed: Any = None
    is_secret: bool = False

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.name.upper()


_AGE: Final = duration(bare_minimum_ms=1000)
_AGE_OR_ZERO: Final = duration(bare_minimum_ms=1000, zero=True)

SETTING_SPECS: Final = (
    SettingSpec("disabled", "false", "nothing is patched", boolean),
    SettingSpec("task_age", "60s", "how long a task must have outlived its creator to be an orphan", _AGE),
    SettingSpec("thread_age", "5m", "the same for a thread", _AGE),
    SettingSpec(
        "scan_interval",
        "5s",
        "between two looks at what is alive; stretched so that scanning stays under 1 % of one core",
        duration(),
    ),
    SettingSpec("growth_window", "1m", "window of the growth rule", _AGE),
    SettingSpec("growth_scans", "5", "windows in a row that a growing line must not fall", integer(2, 1000)),
    SettingSpec("growth_min", "20", "least rise of a growing line", integer(1, _MANY)),
    SettingSpec(
        "live_limit", "10000", "a line with more live ones without owner is suspected at once", integer(1, _MANY)
    ),
    SettingSpec(
        "resident_limit",
        "20",
        "live ones up to which a line may be resident; 0: there are no residents",
        integer(0, _MANY),
    ),
    SettingSpec("resident_window", "1m", "first window of a line, whose peak the residents keep to", _AGE),
    SettingSpec(
        "blocked_age", "1s", "an event loop that does not answer for so long is reported; 0 = never", _AGE_OR_ZERO
    ),
    SettingSpec(
        "max_sites", "100", "lines with metric series of their own; the rest is summed in _OTHER", integer(0, 100_000)
    ),
    SettingSpec("metrics", "full", "full, totals (no lines) or none", choice("full", "totals", "none")),
    SettingSpec("site_granularity", "line", "line or function (no line number in metrics)", choice("line", "function")),
    SettingSpec("stack_depth", "32", "frames kept of a creation stack", integer(1, 1000)),
    SettingSpec(
        "stack_sampling",
        "128",
        "the first creation of a line and then one in so many keeps its whole stack; 1 = all, 0 = never",
        integer(0, _MANY),
    ),
    SettingSpec("stack_text_limit", "2000", "bytes of a stack text in telemetry", integer(200, 1_000_000)),
    SettingSpec("ignore", "", "comma list of globs on module.function or file path: never orphans", globs),
    SettingSpec("reports", "auto", "auto, span, log or none", choice("auto", "span", "log", "none")),
    SettingSpec("report_limit", "10", "reports a scan", integer(0, 1000)),
    SettingSpec("report_repeat", "10m", "until the same group is reported again; doubles each time", _AGE),
    SettingSpec("report_source", "false", "source lines in stack texts", boolean),
    SettingSpec("report_names", "true", "task and thread names in reports", boolean),
    SettingSpec("proof_interval", "10m", "how often the proof runs; 0 = only on request", _AGE_OR_ZERO),
    SettingSpec("eventloop_delay_disabled", "false", "no event-loop delay", boolean),
    SettingSpec("debug_address", "", "address of the debug endpoint", address, closed=""),
    SettingSpec("debug_token", "", "token of the debug endpoint", text, closed="", is_secret=True),
    SettingSpec("debug_token_file", "", "file that holds the token", text, closed=""),
    SettingSpec("debug_tls_cert", "", "certificate of the debug endpoint", text, closed=""),
    SettingSpec("debug_tls_key", "", "key of the debug endpoint", text, closed=""),
    SettingSpec("debug_insecure", "false", "allow a public debug address without TLS", boolean, closed=False),
    SettingSpec("agent_disabled", "false", "no unix socket for the command line", boolean, closed=True),
    SettingSpec("agent_dir", "/tmp/otel-concurrency-<uid>", "where the unix sockets are", text),  # noqa: S108
    SettingSpec("allow_cancel", "false", "lets the command line cancel tasks of this process", boolean, closed=False),
    SettingSpec("dump_signal", "", "a signal that writes the grouped profile to stderr, such as USR2", signal_name),
)
"""All settings, in the order of the documentation."""

RESERVED: Final = frozenset(
    {
        "growth_window", "growth_scans", "growth_min", "live_limit", "blocked_age", "proof_interval",
        "debug_address", "debug_token", "debug_token_file", "debug_tls_cert", "debug_tls_key", "debug_insecure",
        "agent_disabled", "agent_dir", "allow_cancel", "dump_signal",
    }
)  # fmt: skip
"""Settings that are read and checked, and whose feature is not in this version yet."""

_SPEC_BY_NAME: Final = {spec.name: spec for spec in SETTING_SPECS}
_CODE_OR_ENVIRONMENT_ONLY: Final = "allow_cancel"


class Declarative(NamedTuple):
    """A value that came from a declarative configuration file, where bare numbers are milliseconds."""

    value: Any


@dataclass(init=False)
class DeclarativeOptions:
    """What OpenTelemetry's configuration file says about us: ``instrumentor.configuration`` is this class.

    The file loader builds it with the file's keys and hands its one field on to ``instrument()``, so that
    unknown keys reach our warning instead of a TypeError, and values are known to come from a file.
    """

    declarative: dict[str, Any] | None = None

    def __init__(self, **options: Any) -> None:
        self.declarative = {name: Declarative(value) for name, value in options.items()}


def load_settings(
    options: Mapping[str, object], environ: Mapping[str, str], *, warn: Callable[[str], None]
) -> Settings:
    """Return the settings. Never raises.

    Args:
        options: Keyword arguments, or values marked `Declarative`.
        environ: The environment.
        warn: Takes one sentence for each bad value and each unknown name.
    """
    values: dict[str, Any] = {}
    for spec in SETTING_SPECS:
        given = options.get(spec.name)
        if given is None:
            raw = environ.get(spec.variable, "").strip()
            if raw:
                _read(spec, raw, spec.variable, False, values, warn)
        elif isinstance(given, Declarative):
            if spec.name == _CODE_OR_ENVIRONMENT_ONLY:
                warn(f"{spec.name} is honoured from the environment or code only, not from a file; it stays false.")
            elif given.value is not None and given.value != "":
                _read(spec, given.value, spec.name, False, values, warn)
        else:
            _read(spec, given, spec.name, True, values, warn)
    _warn_about_unknown(options, _SPEC_BY_NAME, "setting", warn)
    ours = [name for name in environ if name.startswith(PREFIX)]
    _warn_about_unknown(ours, {spec.variable: spec for spec in SETTING_SPECS}, "variable", warn)
    return Settings(**values)


def _read(
    spec: SettingSpec, given: Any, name: str, bare_is_seconds: bool, values: dict[str, Any], warn: Callable[[str], None]
) -> None:
    try:
        values[spec.name] = spec.read(given, bare_is_seconds)
    except Refused as refused:
        if spec.closed is not None:
            values[spec.name] = spec.closed
        stands = spec.default_text if spec.closed is None else str(spec.closed).lower()
        what = "<secret>" if spec.is_secret else shown(given)
        warn(f"{name}={what} is not usable: expected {refused}. Using {stands or 'nothing'} instead.")


def _warn_about_unknown(
    names: Iterable[str], known: Mapping[str, object], what: str, warn: Callable[[str], None]
) -> None:
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            warn(f"There is no {what} {shown(name)}; it is ignored.{hint}")
