"""Plans: what is checked for each test, from the suite's setting and its markers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ..baseline import Baseline
from ..filters import Rule, checked_filters, ignore_creator, ignore_function, ignore_name, ignore_top
from ..leak_check import check_leaks
from ..running_check import CheckOptions
from .options import KINDS, suite_daemons, suite_kinds, suite_mode

if TYPE_CHECKING:
    import pytest

_WHAT: Final = {**{kind: frozenset({kind}) for kind in KINDS}, "all": frozenset({"tasks", "threads"})}
"""Kinds per word. The optional ones are not part of ``all``, which suites wrote before these existed."""
_NO_LEAKS: Final = ("action", "timeout", "ignore", "daemons", "everything", "runner_cancelled", "destroyed")
_FILTERS: Final = {
    "creator": ignore_creator,
    "function": ignore_function,
    "top": ignore_top,
    "name": ignore_name,
}
_ACTIONS: Final = ("error", "warn")


@dataclass(frozen=True, slots=True)
class Plan:
    """The checks of a test or of a wider scope.

    Attributes:
        mode: ``error``, ``warn`` or ``off``.
        options: The options of the check.
        allowed: The reason to tolerate all of its leaks; empty if they are not tolerated.
    """

    mode: str
    options: CheckOptions
    allowed: str = ""

    @property
    def fails(self) -> bool:
        """Whether a leak is an error."""
        return self.mode == "error" and not self.allowed


class Planner:
    """Creates the plans of a run.

    Args:
        config: The pytest configuration.

    Raises:
        pytest.UsageError: A setting is invalid.
    """

    def __init__(self, config: pytest.Config) -> None:
        import pytest

        self.mode = suite_mode(config)
        self.baseline_path = str(config.getoption("--leaks-baseline") or config.getini("leaks_baseline") or "")
        self.writes_baseline = bool(config.getoption("--leaks-write-baseline"))
        try:
            self.baseline = self._load_baseline(config)
            timeout = config.getoption("--leaks-timeout")
            checked = check_leaks(float(config.getini("leaks_timeout")) if timeout is None else timeout)
            self._options = replace(
                _with_kinds(checked.options, suite_kinds(config), "leaks_only = "),
                daemons=suite_daemons(config),
                ignore=tuple(_filter_of_line(line) for line in config.getini("leaks_ignore")),
                baseline=self.baseline,
            )
        except (OSError, TypeError, ValueError) as error:
            raise pytest.UsageError(f"leaks: {error}") from None

    def session_plan(self) -> Plan:
        """Return the plan of the check at the end of the run."""
        return Plan("error", replace(self._options, everything=True, label="the test session"))

    def plan_of(self, node: pytest.Item | pytest.Collector, label: str) -> Plan:
        """Return the plan of a test, or of a module or class whose fixtures live longer than a test.

        Args:
            node: The test, class, module or session.
            label: Its name in the report.

        Raises:
            ValueError: A marker has invalid arguments.
        """
        marker = next(node.iter_markers("no_leaks"), None)
        allowing = next(node.iter_markers("allow_leaks"), None)
        options = replace(self._options, label=label)
        if marker is None and allowing is None:
            return Plan(self.mode, options)
        mode = self.mode
        if marker is not None:
            mode, options = _with_no_leaks(marker, options)
        if allowing is None:
            return Plan(mode, options)
        reason, filters = _allowance(allowing)
        if filters:
            return Plan(mode, replace(options, ignore=(*options.ignore, *filters)))
        if marker is not None and _is_closer(node, marker, allowing):
            return Plan(mode, options)
        return Plan(mode, options, allowed=reason)

    def _load_baseline(self, config: pytest.Config) -> Baseline | None:
        if not self.baseline_path:
            if self.writes_baseline:
                raise ValueError("--leaks-write-baseline needs a file: --leaks-baseline FILE, or leaks_baseline = FILE")
            return None
        path = config.rootpath / self.baseline_path
        self.baseline_path = str(path)
        if self.writes_baseline and not path.exists():
            return Baseline()
        if not path.exists():
            raise ValueError(f"there is no baseline file {path}: add --leaks-write-baseline to write it")
        return Baseline.load(path)


def _is_closer(node: Any, marker: Any, other: Any) -> bool:
    for found, _ in ((mark, owner) for owner, mark in node.iter_markers_with_node()):
        if found is marker or found is other:
            return found is marker
    return False


def _with_no_leaks(marker: Any, options: CheckOptions) -> tuple[str, CheckOptions]:
    unknown = sorted(set(marker.kwargs) - set(_NO_LEAKS))
    if unknown:
        raise ValueError(f"no_leaks() got {', '.join(unknown)}; it takes {', '.join(_NO_LEAKS)}")
    arguments = dict(marker.kwargs)
    mode = arguments.pop("action", "error")
    if mode not in _ACTIONS:
        raise ValueError(f"no_leaks(action={mode!r}): expected one of {', '.join(_ACTIONS)}")
    ignored = checked_filters(arguments.pop("ignore", ()))
    arguments.setdefault("timeout", options.timeout)
    arguments.setdefault("daemons", options.daemons)
    checked = check_leaks(**arguments).options
    words = marker.args or tuple(kind for kind in KINDS if getattr(options, kind))
    return mode, replace(
        _with_kinds(checked, words, "no_leaks()"),
        ignore=(*options.ignore, *ignored),
        baseline=options.baseline,
        label=options.label,
    )


def _with_kinds(options: CheckOptions, what: tuple[Any, ...], where: str) -> CheckOptions:
    """Return options that check these kinds only."""
    for one in what:
        if one not in _WHAT:
            shown = f"no_leaks({one!r})" if where == "no_leaks()" else f"{where}{one!r}"
            raise ValueError(f"{shown}: expected {', '.join(map(repr, _WHAT))}")
    if not what:
        raise ValueError(f"{where}'': expected {', '.join(map(repr, _WHAT))}")
    kinds = {kind for one in what for kind in _WHAT[one]}
    return replace(
        options,
        tasks="tasks" in kinds,
        threads="threads" in kinds,
        timers="timers" in kinds,
        sessions="sessions" in kinds,
    )


def _allowance(marker: Any) -> tuple[str, tuple[Rule, ...]]:
    arguments = dict(marker.kwargs)
    reason = arguments.pop("reason", None) if not marker.args else marker.args[0]
    if len(marker.args) > 1 or not isinstance(reason, str) or not reason.strip():
        raise ValueError(
            'allow_leaks() takes one reason as a string: allow_leaks("SHOP-12: the client has no close()")'
        )
    unknown = sorted(set(arguments) - set(_FILTERS))
    if unknown:
        raise ValueError(f"allow_leaks() got {', '.join(unknown)}; it takes a reason and {', '.join(_FILTERS)}")
    rules = []
    for name, patterns in arguments.items():
        several = (patterns,) if isinstance(patterns, str) else tuple(patterns)
        rules.append(_FILTERS[name](*several))
    return reason, tuple(rules)


def _filter_of_line(line: str) -> Rule:
    name, colon, pattern = line.partition(":")
    if not colon or name.strip() not in _FILTERS:
        raise ValueError(f"leaks_ignore: {line!r}: expected {', '.join(f'{known}:PATTERN' for known in _FILTERS)}")
    return _FILTERS[name.strip()](pattern.strip())
