"""Settings: their names, sources and defaults.

A keyword argument or declarative configuration takes precedence over the environment, and the environment over the
default; an empty value counts as unset. A bad value causes one warning that names the value and the expected form, and
the default applies; a security setting falls back to its closed state. `setting_values.py` defines how values of each
kind are parsed.
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
    GLOBS_OR_FINGERPRINTS,
    PATH,
    SIGNAL,
    TEXT,
    InvalidSetting,
    Kind,
    choice,
    duration,
    integer,
    is_loopback,
    split_address,
    value_text,
)

PREFIX: Final = "OTEL_PYTHON_CONCURRENCY_"
_MANY: Final = 1_000_000_000


class SettingSpec(NamedTuple):
    """A setting, the source of its variable, its default and its row in the documentation.

    Attributes:
        name: The name of the keyword argument, the key in a file and the field of `Settings`.
        default_text: The default in text form; empty if there is none.
        meaning: A one-line description.
        kind: The parser of its values.
        closed: For a security setting, the values set after a bad value instead of the default. A token that cannot be
            read closes the endpoint, because without a token the endpoint would be open.
        is_secret: Whether warnings must not show the value.
    """

    name: str
    default_text: str
    meaning: str
    kind: Kind
    closed: tuple[tuple[str, Any], ...] = ()
    is_secret: bool = False

    @property
    def variable(self) -> str:
        """The name of the environment variable."""
        return PREFIX + self.name.upper()

    @property
    def unit(self) -> str:
        """The unit of the value in `Settings`: ``s``, or an empty string."""
        return self.kind.unit


_AGE: Final = duration(bare_minimum_ms=1000)
_AGE_OR_ZERO: Final = duration(bare_minimum_ms=1000, zero=True)
_NO_ENDPOINT: Final = (("debug_address", ""),)
_NO_AGENT: Final = (("agent_disabled", True),)

SETTING_SPECS: Final[tuple[SettingSpec, ...]] = (
    SettingSpec("disabled", "false", "nothing is patched", BOOLEAN),
    SettingSpec("task_age", "60s", "how long a task must have outlived its creator to be an orphan", _AGE),
    SettingSpec("thread_age", "5m", "how long a thread must have outlived its creator to be an orphan", _AGE),
    SettingSpec(
        "scan_interval",
        "5s",
        "minimum time between two scans; extended so that scanning uses less than 1 % of one core",
        # On Windows, threading can wait for at most 49 days.
        duration(minimum_s=0.001, maximum_s=30 * 86400),
    ),
    SettingSpec("growth_window", "1m", "window of the growth rule", _AGE),
    SettingSpec(
        "growth_scans", "5", "number of consecutive windows in which a growing site must not fall", integer(2, 1000)
    ),
    SettingSpec("growth_min", "20", "minimum rise of a growing site", integer(1, _MANY)),
    SettingSpec(
        "live_limit", "10000", "a site with more live tasks without an owner is suspected at once", integer(1, _MANY)
    ),
    SettingSpec(
        "resident_limit",
        "20",
        "maximum number of residents of a site; 0 disables the rule",
        integer(0, _MANY),
    ),
    SettingSpec(
        "resident_window",
        "1m",
        "creations within this time are one rise of a site; a site that rises four times within 120 of them leaks",
        _AGE,
    ),
    SettingSpec(
        "blocked_age", "1s", "an event loop that does not answer for this long is reported; 0 = never", _AGE_OR_ZERO
    ),
    SettingSpec(
        "max_sites", "100", "sites with metric series of their own; the rest is summed in _OTHER", integer(0, 100_000)
    ),
    SettingSpec("metrics", "full", "full, totals (no sites) or none", choice("full", "totals", "none")),
    SettingSpec("site_granularity", "line", "line or function (no line number in metrics)", choice("line", "function")),
    SettingSpec("stack_depth", "32", "maximum number of frames in a creation stack", integer(1, 1000)),
    SettingSpec(
        "stack_sampling",
        "128",
        "the first creation of a site and then one in this many records its stack; 1 = all, 0 = none",
        integer(0, _MANY),
    ),
    SettingSpec("stack_text_limit", "2000", "maximum bytes of a stack text in telemetry", integer(200, 1_000_000)),
    SettingSpec(
        "spawners",
        "",
        "comma-separated globs on module.function of functions that are spawners, in addition to those recognized "
        "automatically",
        GLOBS,
    ),
    SettingSpec(
        "application",
        "",
        "comma-separated globs on modules or file paths that are application code, in addition to everything outside "
        "the library directories",
        GLOBS,
    ),
    SettingSpec(
        "recorder",
        "auto",
        "auto (compiled where possible), compiled (warns where impossible) or python",
        choice("auto", "compiled", "python"),
    ),
    SettingSpec(
        "ignore",
        "",
        "comma-separated fingerprints, or globs on module.function (creating or run) or file path: never orphans",
        GLOBS_OR_FINGERPRINTS,
    ),
    SettingSpec("reports", "auto", "auto, span, log or none", choice("auto", "span", "log", "none")),
    SettingSpec("report_limit", "10", "maximum number of reports per scan", integer(0, 1000)),
    SettingSpec("report_repeat", "10m", "time until the same group is reported again; doubles each time", _AGE),
    SettingSpec(
        "report_to_creator", "false", "adds a report's event to the creator's span while it still records", BOOLEAN
    ),
    SettingSpec("report_source", "false", "source lines in stack texts", BOOLEAN),
    SettingSpec("report_names", "true", "task and thread names in reports", BOOLEAN),
    SettingSpec("proof_interval", "10m", "time between two proofs; 0 = only on request", _AGE_OR_ZERO),
    SettingSpec("eventloop_delay_disabled", "false", "no event-loop delay", BOOLEAN),
    SettingSpec(
        "count_unawaited",
        "false",
        "counts coroutines that were never awaited, for `leaks`, the live page and a metric, by function",
        BOOLEAN,
    ),
    SettingSpec("debug_address", "", "address of the debug endpoint", ADDRESS, closed=_NO_ENDPOINT),
    SettingSpec("debug_token", "", "token of the debug endpoint", TEXT, closed=_NO_ENDPOINT, is_secret=True),
    SettingSpec("debug_token_file", "", "file with the token of the debug endpoint", PATH, closed=_NO_ENDPOINT),
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
        "directory of the unix sockets; `$XDG_RUNTIME_DIR` is preferred if it is safe",
        ABSOLUTE_PATH,
        closed=_NO_AGENT,
    ),
    SettingSpec(
        "allow_cancel",
        "false",
        "allows the command line to cancel tasks of this process",
        BOOLEAN,
        closed=(("allow_cancel", False),),
    ),
    SettingSpec("dump_signal", "", "signal on which the grouped profile is written to stderr, such as USR2", SIGNAL),
)
"""All settings, in the order of the documentation."""

_SPEC_BY_NAME: Final = {spec.name: spec for spec in SETTING_SPECS}


def _default(name: str) -> Any:
    spec = _SPEC_BY_NAME[name]
    return spec.kind.read(spec.default_text, False) if spec.default_text else spec.kind.empty


def _default_agent_dir() -> str:
    if os.name == "nt":
        # Unused, because there is no agent on Windows, but a path under /tmp would be wrong.
        return os.path.join(os.environ.get("TEMP", "C:\\"), "otel-concurrency")  # noqa: PTH118 (pathlib imports slowly)
    return f"/tmp/otel-concurrency-{os.getuid()}"  # noqa: S108 (the agent checks the owner)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings with their defaults. Durations are in seconds; `SETTING_SPECS` describes each setting."""

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
    spawners: tuple[str, ...] = _default("spawners")
    application: tuple[str, ...] = _default("application")
    recorder: Literal["auto", "compiled", "python"] = _default("recorder")
    ignore: tuple[str, ...] = _default("ignore")
    reports: Literal["auto", "span", "log", "none"] = _default("reports")
    report_limit: int = _default("report_limit")
    report_repeat: float = _default("report_repeat")
    report_to_creator: bool = _default("report_to_creator")
    report_source: bool = _default("report_source")
    report_names: bool = _default("report_names")
    proof_interval: float = _default("proof_interval")
    eventloop_delay_disabled: bool = _default("eventloop_delay_disabled")
    count_unawaited: bool = _default("count_unawaited")
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
    """A value from a declarative configuration file, in which bare numbers are milliseconds."""

    value: Any


@dataclass(init=False)
class DeclarativeOptions:
    """The options of this package in OpenTelemetry's configuration file, for ``instrumentor.configuration``.

    The file loader constructs it with the file's keys and passes its only field to ``instrument()``. Unknown keys
    therefore cause a warning of this package instead of a TypeError, and values are known to come from a file.
    """

    declarative: dict[str, Any] | None = None

    # Positional only, so that a key named ``self`` is just another unknown key.
    def __init__(self, /, **options: Any) -> None:
        self.declarative = {name: Declarative(value) for name, value in options.items()}


class _Given(NamedTuple):
    """A value and its source: the name used in warnings, and whether it comes from code."""

    name: str
    value: Any
    from_code: bool


def load_settings(
    options: Mapping[str, object], environ: Mapping[str, str], *, warn: Callable[[str], None]
) -> Settings:
    """Return the settings. Never raises, whatever the values.

    Args:
        options: Keyword arguments, or values marked `Declarative`, without the providers.
        environ: The environment.
        warn: Called with one sentence per bad value and per unknown name.
    """
    values: dict[str, Any] = {}
    closed: dict[str, Any] = {}
    for spec in SETTING_SPECS:
        given = _find(spec, options, environ, warn)
        if given is None:
            continue
        try:
            values[spec.name] = spec.kind.read(given.value, given.from_code)
        except Exception as error:  # noqa: BLE001 (a value of a foreign type may raise anything)
            closed.update(spec.closed)
            warn(_complaint(spec, given, error))
    _warn_about_unknown(options, {spec.name for spec in SETTING_SPECS}, "setting", warn)
    ours = [name for name in environ if type(name) is str and name.startswith(PREFIX)]
    _warn_about_unknown(ours, {spec.variable for spec in SETTING_SPECS}, "variable", warn)
    return Settings(**{**values, **closed})


def debug_address_refusal(settings: Settings) -> str | None:
    """Return why the debug endpoint must not be opened with these settings, or None if it may be.

    An address that is neither loopback nor a unix socket exposes the process to the network. It requires a token and
    TLS, or ``debug_insecure`` in addition to the token.
    """
    address = settings.debug_address
    if bool(settings.debug_tls_cert) != bool(settings.debug_tls_key):
        return f"{PREFIX}DEBUG_TLS_CERT and {PREFIX}DEBUG_TLS_KEY belong together: set both or neither."
    if not address or address.startswith("unix:/"):
        return None
    split = split_address(address)
    if split is not None and is_loopback(split[0]):
        return None
    variable = f"{PREFIX}DEBUG_ADDRESS={address}"
    if not settings.debug_token and not settings.debug_token_file:
        return (
            f"{variable} is reachable from other hosts: "
            f"set {PREFIX}DEBUG_TOKEN or {PREFIX}DEBUG_TOKEN_FILE, and configure TLS."
        )
    if not settings.debug_tls_cert and not settings.debug_insecure:
        return (
            f"{variable} would send the token unencrypted: "
            f"set {PREFIX}DEBUG_TLS_CERT and {PREFIX}DEBUG_TLS_KEY, "
            f"or {PREFIX}DEBUG_INSECURE=true if a proxy in front of it encrypts."
        )
    return None


def _find(
    spec: SettingSpec, options: Mapping[str, object], environ: Mapping[str, str], warn: Callable[[str], None]
) -> _Given | None:
    given: Any = options.get(spec.name)
    from_code = type(given) is not Declarative
    value = given if from_code else given.value
    if not from_code and spec.name == "allow_cancel" and _is_true(value):
        # A file can refuse but not allow: it is shared, and others than the owner of the process may mount it.
        warn("allow_cancel is honoured only in the environment or in code; the value in the file is ignored.")
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
    except InvalidSetting:
        return False


def _complaint(spec: SettingSpec, given: _Given, error: Exception) -> str:
    what = "<secret>" if spec.is_secret else value_text(given.value)
    hint = f" ({given.name}={error})" if type(error) is InvalidSetting and error.args else ""
    if spec.closed == _NO_ENDPOINT:
        stands = "The debug endpoint stays closed"
    elif spec.closed:
        stands = "Using " + " and ".join(f"{PREFIX}{name.upper()}={str(value).lower()}" for name, value in spec.closed)
    else:
        stands = f"Using the default, {spec.default_text or 'unset'}"
    return f"{given.name}={what} is invalid: expected {spec.kind.expected}{hint}. {stands}."


def _warn_about_unknown(names: Iterable[Any], known: set[str], what: str, warn: Callable[[str], None]) -> None:
    for name in names:
        if name not in known:
            close = _close_names(name, known)
            hint = f" Did you mean {' or '.join(close)}?" if close else ""
            warn(f"There is no {what} {value_text(name)}; it is ignored.{hint}")


def _close_names(name: Any, known: set[str]) -> list[str]:
    """Return up to three known names similar to a misspelled one, most similar first."""
    import difflib

    if type(name) is not str:
        return []
    # Compared without the prefix: all variables share it, so with it every name would look similar.
    by_end = {full.removeprefix(PREFIX).lower(): full for full in sorted(known)}
    end = name[:100].upper().removeprefix(PREFIX).lower().replace("-", "_")
    return [by_end[found] for found in difflib.get_close_matches(end, by_end, n=3, cutoff=0.7)]
