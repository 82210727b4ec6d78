"""What can be set, from where, with which default.

Precedence: keyword argument or declarative configuration, then environment, then default; empty is unset. A bad value
is one warning that names it and the expected form, and the default stands; a security setting falls to its closed
state. `setting_values.py` says how a value of each kind is read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from .setting_values import (
    ABSOLUTE_PATH,
    ADDRESS,
    BOOLEAN,
    GLOBS,
    PATH,
    SIGNAL,
    TEXT,
    Kind,
    Refused,
    choice,
    duration,
    integer,
    is_loopback,
    shown,
    split_address,
)

PREFIX: Final = "OTEL_PYTHON_CONCURRENCY_"
_MANY: Final = 1_000_000_000


class SettingSpec(NamedTuple):
    """One setting, from which its variable, its default and its row in the documentation come.

    Attributes:
        name: Of the keyword argument, the key in a file and the field of `Settings`.
        default_text: The default as people write it; empty for none.
        meaning: In one line.
        kind: How a value is read.
        closed: For a security setting: what is set after a bad value, instead of the default. A token that can not be
            read closes the endpoint, not only the token: without it the endpoint would be open.
        is_secret: Whether no warning may show the value.
    """

    name: str
    default_text: str
    meaning: str
    kind: Kind
    closed: tuple[tuple[str, Any], ...] = ()
    is_secret: bool = False

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.name.upper()

    @property
    def unit(self) -> str:
        """The unit of the value in `Settings`: ``s``, or nothing."""
        return self.kind.unit


_AGE: Final = duration(bare_minimum_ms=1000)
_AGE_OR_ZERO: Final = duration(bare_minimum_ms=1000, zero=True)
_NO_ENDPOINT: Final = (("debug_address", ""),)
_NO_AGENT: Final = (("agent_disabled", True),)

SETTING_SPECS: Final[tuple[SettingSpec, ...]] = (
    SettingSpec("disabled", "false", "nothing is patched", BOOLEAN),
    SettingSpec("task_age", "60s", "how long a task must have outlived its creator to be an orphan", _AGE),
    SettingSpec("thread_age", "5m", "the same for a thread", _AGE),
    SettingSpec(
        "scan_interval",
        "5s",
        "between two looks at what is alive; stretched so that scanning stays under 1 % of one core",
        # Threading can wait for 49 days at most on Windows.
        duration(minimum_s=0.001, maximum_s=30 * 86400),
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
    SettingSpec(
        "ignore", "", "comma list of fingerprints, or globs on module.function or file path: never orphans", GLOBS
    ),
    SettingSpec("reports", "auto", "auto, span, log or none", choice("auto", "span", "log", "none")),
    SettingSpec("report_limit", "10", "reports a scan", integer(0, 1000)),
    SettingSpec("report_repeat", "10m", "until the same group is reported again; doubles each time", _AGE),
    SettingSpec("report_source", "false", "source lines in stack texts", BOOLEAN),
    SettingSpec("report_names", "true", "task and thread names in reports", BOOLEAN),
    SettingSpec("proof_interval", "10m", "how often the proof runs; 0 = only on request", _AGE_OR_ZERO),
    SettingSpec("eventloop_delay_disabled", "false", "no event-loop delay", BOOLEAN),
    SettingSpec("debug_address", "", "address of the debug endpoint", ADDRESS, closed=_NO_ENDPOINT),
    SettingSpec("debug_token", "", "token of the debug endpoint", TEXT, closed=_NO_ENDPOINT, is_secret=True),
    SettingSpec("debug_token_file", "", "file that holds the token", PATH, closed=_NO_ENDPOINT),
    SettingSpec("debug_tls_cert", "", "certificate of the debug endpoint", PATH, closed=_NO_ENDPOINT),
    SettingSpec("debug_tls_key", "", "key of the debug endpoint", PATH, closed=_NO_ENDPOINT),
    SettingSpec(
        "debug_insecure",
        "false",
        "allow a public debug address without TLS",
        BOOLEAN,
        closed=(("debug_insecure", False),),
    ),
    SettingSpec("agent_disabled", "false", "no unix socket for the command line", BOOLEAN, closed=_NO_AGENT),
    SettingSpec(
        "agent_dir",
        "/tmp/otel-concurrency-<uid>",  # noqa: S108 (the agent checks the owner)
        "where the unix sockets are",
        ABSOLUTE_PATH,
        closed=_NO_AGENT,
    ),
    SettingSpec(
        "allow_cancel",
        "false",
        "lets the command line cancel tasks of this process",
        BOOLEAN,
        closed=(("allow_cancel", False),),
    ),
    SettingSpec("dump_signal", "", "a signal that writes the grouped profile to stderr, such as USR2", SIGNAL),
)
"""All settings, in the order of the documentation."""

_SPEC_BY_NAME: Final = {spec.name: spec for spec in SETTING_SPECS}


def _default(name: str) -> Any:
    spec = _SPEC_BY_NAME[name]
    return spec.kind.read(spec.default_text, False) if spec.default_text else spec.kind.empty


def _default_agent_dir() -> str:
    if os.name == "nt":
        # Of no use there, since there is no agent on Windows; but any path under /tmp would be wrong.
        return os.path.join(os.environ.get("TEMP", "C:\\"), "otel-concurrency")  # noqa: PTH118 (pathlib imports slowly)
    return f"/tmp/otel-concurrency-{os.getuid()}"  # noqa: S108 (the agent checks the owner)


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default. Durations are seconds; the table `SETTING_SPECS` says what each means."""

    disabled: bool = _default("disabled")
    task_age: float = _default("task_age")
    thread_age: float = _default("thread_age")
    scan_interval: float = _default("scan_interval")
    growth_window: float = _default("growth_window")
    growth_scans: int = _default("growth_scans")
    growth_min: int = _default("growth_min")
    live_limit: int = _default("live_limit")
    resident_limit: int = _default("resident_limit")
    resident_window: float = _default("resident_window")
    blocked_age: float = _default("blocked_age")
    max_sites: int = _default("max_sites")
    metrics: Literal["full", "totals", "none"] = _default("metrics")
    site_granularity: Literal["line", "function"] = _default("site_granularity")
    stack_depth: int = _default("stack_depth")
    stack_sampling: int = _default("stack_sampling")
    stack_text_limit: int = _default("stack_text_limit")
    ignore: tuple[str, ...] = _default("ignore")
    reports: Literal["auto", "span", "log", "none"] = _default("reports")
    report_limit: int = _default("report_limit")
    report_repeat: float = _default("report_repeat")
    report_source: bool = _default("report_source")
    report_names: bool = _default("report_names")
    proof_interval: float = _default("proof_interval")
    eventloop_delay_disabled: bool = _default("eventloop_delay_disabled")
    debug_address: str = _default("debug_address")
    debug_token: str = field(default=_default("debug_token"), repr=False)
    debug_token_file: str = _default("debug_token_file")
    debug_tls_cert: str = _default("debug_tls_cert")
    debug_tls_key: str = _default("debug_tls_key")
    debug_insecure: bool = _default("debug_insecure")
    agent_disabled: bool = _default("agent_disabled")
    agent_dir: str = field(default_factory=_default_agent_dir)
    allow_cancel: bool = _default("allow_cancel")
    dump_signal: str = _default("dump_signal")


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

    # Positional only: a key called ``self`` is one more unknown key.
    def __init__(self, /, **options: Any) -> None:
        self.declarative = {name: Declarative(value) for name, value in options.items()}


class _Given(NamedTuple):
    """A value and where it was found: the name that a warning calls it by, and whether it is from code."""

    name: str
    value: Any
    from_code: bool


def load_settings(
    options: Mapping[str, object], environ: Mapping[str, str], *, warn: Callable[[str], None]
) -> Settings:
    """Return the settings. Never raises, whatever the values are.

    Args:
        options: Keyword arguments, or values marked `Declarative`; the providers are taken out before.
        environ: The environment.
        warn: Takes one sentence for each bad value and each unknown name.
    """
    values: dict[str, Any] = {}
    closed: dict[str, Any] = {}
    for spec in SETTING_SPECS:
        given = _find(spec, options, environ, warn)
        if given is None:
            continue
        try:
            values[spec.name] = spec.kind.read(given.value, given.from_code)
        except Exception as error:  # noqa: BLE001 (a foreign value may raise anything)
            closed.update(spec.closed)
            warn(_complaint(spec, given, error))
    _warn_about_unknown(options, {spec.name for spec in SETTING_SPECS}, "setting", warn)
    ours = [name for name in environ if type(name) is str and name.startswith(PREFIX)]
    _warn_about_unknown(ours, {spec.variable for spec in SETTING_SPECS}, "variable", warn)
    return Settings(**{**values, **closed})


def debug_address_refusal(settings: Settings) -> str | None:
    """Return why the debug endpoint must not be opened with these settings, or None if it may.

    Anybody who reaches an address that is neither loopback nor a unix socket could read what the process does: that
    needs a token and TLS, or ``debug_insecure`` beside the token.
    """
    address = settings.debug_address
    if bool(settings.debug_tls_cert) != bool(settings.debug_tls_key):
        return "DEBUG_TLS_CERT and DEBUG_TLS_KEY go together: set both or neither."
    if not address or address.startswith("unix:/"):
        return None
    split = split_address(address)
    if split is not None and is_loopback(split[0]):
        return None
    if not settings.debug_token and not settings.debug_token_file:
        return f"DEBUG_ADDRESS={address} can be reached from outside: set DEBUG_TOKEN or DEBUG_TOKEN_FILE, and TLS."
    if not settings.debug_tls_cert and not settings.debug_insecure:
        return (
            f"DEBUG_ADDRESS={address} would send the token in clear: set DEBUG_TLS_CERT and DEBUG_TLS_KEY, "
            "or DEBUG_INSECURE=true if something in front encrypts."
        )
    return None


def _find(
    spec: SettingSpec, options: Mapping[str, object], environ: Mapping[str, str], warn: Callable[[str], None]
) -> _Given | None:
    given: Any = options.get(spec.name)
    from_code = type(given) is not Declarative
    value = given if from_code else given.value
    if not from_code and spec.name == "allow_cancel" and _is_true(value):
        # A file may refuse, never allow: it is shared and mounted by others than who runs the process.
        warn("allow_cancel is honoured from the environment or code only; what the file says is ignored.")
        value = None
    if not _is_empty(value):
        return _Given(spec.name, value, from_code)
    value = environ.get(spec.variable)
    return None if _is_empty(value) else _Given(spec.variable, value, False)


def _is_empty(value: Any) -> bool:
    return value is None or (issubclass(type(value), str) and not str.strip(value))


def _is_true(value: Any) -> bool:
    try:
        return bool(BOOLEAN.read(value, False))
    except Refused:
        return False


def _complaint(spec: SettingSpec, given: _Given, error: Exception) -> str:
    what = "<secret>" if spec.is_secret else shown(given.value)
    hint = f" ({given.name}={error})" if type(error) is Refused and error.args else ""
    if spec.closed:
        stands = " and ".join(f"{name}={str(value).lower() or 'unset'}" for name, value in spec.closed)
    else:
        stands = f"the default, {spec.default_text or 'unset'}"
    return f"{given.name}={what} is not usable: expected {spec.kind.expected}{hint}. Using {stands}."


def _warn_about_unknown(names: Iterable[Any], known: set[str], what: str, warn: Callable[[str], None]) -> None:
    for name in names:
        if name not in known:
            close = _close_names(name, known)
            hint = f" Did you mean {' or '.join(close)}?" if close else ""
            warn(f"There is no {what} {shown(name)}; it is ignored.{hint}")


def _close_names(name: Any, known: set[str]) -> list[str]:
    """Return up to three known names that a misspelt one may have meant, nearest first."""
    import difflib

    if type(name) is not str:
        return []
    # Without the prefix, which all variables share: with it everything looks alike.
    by_end = {full.removeprefix(PREFIX).lower(): full for full in sorted(known)}
    end = name[:100].upper().removeprefix(PREFIX).lower().replace("-", "_")
    return [by_end[found] for found in difflib.get_close_matches(end, by_end, n=3, cutoff=0.7)]
