"""Checks of tests, from before their setup to after their teardown.

A test is a separate scope, entered for its setup, body and teardown. Objects created by a fixture of a class, module,
package or session belong to that node and are checked when the node is torn down. Coroutine tests enter their scope
again inside their loop, because runners may run them in a context that is older than the test.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Generator
from contextlib import ExitStack
from typing import Any, Final

import pytest
from _pytest.unittest import TestCaseFunction

from ..leak import Leak
from ..leak_error import LeakError, LeakWarning, together
from ..recording import recording
from ..running_check import LeakCheck
from ..scope import Scope, enter_scope, leave_scope, running_in_thread
from ..settling import runner_loop_of
from .expected_failures import expects_failure, has_failed_as_expected, put_off, settle, status_of
from .options import wants_session_check
from .plan import Plan, Planner
from .summary import LeakSummary, found_leak
from .timeouts import TimeoutDumps

_FOUND: Final = pytest.StashKey[list[dict[str, Any]]]()
_RUNNING: Final = pytest.StashKey["_Running"]()


class _Running:
    """The check of one test while it runs."""

    def __init__(self, plan: Plan, check: LeakCheck) -> None:
        self.plan = plan
        self.check = check
        self.entered = running_in_thread(check.scope)
        self.entered.__enter__()
        self._undo: tuple[Any, str, Any] | None = None

    def leave(self) -> None:
        """End the scope without checking: later creations do not belong to the test."""
        self.entered.__exit__(None, None, None)

    def put_in_scope(self, item: pytest.Item) -> None:
        """Enter the scope of a coroutine test inside its loop."""
        function = getattr(item, "obj", None)
        if inspect.iscoroutinefunction(function):
            # unittest calls the method of the instance, pytest the function of the item.
            holder, name = (item.instance, item.name) if isinstance(item, TestCaseFunction) else (item, "obj")
            setattr(holder, name, _in_scope(function, self.check.scope))
            self._undo = holder, name, function

    def take_out(self) -> None:
        """Restore the item's own function."""
        if self._undo is not None:
            setattr(*self._undo)
            self._undo = None


class LeakSession:
    """The hooks that check tests; registered when the suite or one of its tests requests it.

    Args:
        config: The pytest configuration.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._planner = Planner(config)
        self._summary = LeakSummary(config, self._planner)
        self._timeouts = TimeoutDumps()
        self._wider: dict[Any, tuple[Plan, LeakCheck]] = {}
        self._whole: LeakCheck | None = None
        self._holds = False

    def pytest_unconfigure(self) -> None:
        """Remove everything that the run has installed."""
        self._timeouts.uninstall()
        if self._holds:
            self._holds = False
            recording().release()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Start recording before the test modules are imported: what they start belongs to the run."""
        self._begin_run()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Begin the check of a test."""
        self._begin_run()
        try:
            plan = self._planner.plan_of(item, item.nodeid)
        except (TypeError, ValueError) as error:
            # The setup of the other plugins must run, because their teardown will.
            yield
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        if plan.mode != "off":
            check = LeakCheck(plan.options, parent=self._surroundings(), is_boundary=True)
            item.stash[_RUNNING] = _Running(plan, check)
        result = yield
        # Not in the call phase: runners of concurrent tests first set up all tests, then call the items' functions.
        if plan.mode != "off":
            item.stash[_RUNNING].put_in_scope(item)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
        """Let creations of a wider fixture belong to its node."""
        if fixturedef.scope == "function":
            return (yield)
        scope = self._wider_scope(request.node)
        teardown = ExitStack()
        # Finalizers run in reverse order: these two enclose the fixture's own.
        fixturedef.addfinalizer(teardown.close)
        try:
            with running_in_thread(scope):
                return (yield)
        finally:
            fixturedef.addfinalizer(lambda: teardown.enter_context(running_in_thread(scope)))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
        """Check the test after its last fixture was torn down, and the wider nodes that end with it."""
        running = item.stash.get(_RUNNING, None)
        if running is not None:
            running.take_out()
        failure: BaseException | None = None
        try:
            result = yield
        except BaseException as error:  # noqa: BLE001 (raised again below, together with the leaks)
            failure, result = error, None
        found: list[dict[str, Any]] = []
        errors = [self._end_test(item, found, waits=failure is None or isinstance(failure, Exception))]
        staying = set(nextitem.listchain()) if nextitem is not None else set()
        for node in [node for node in self._wider if node not in staying]:
            errors.append(self._end_wider(node, found))
        item.stash[_FOUND] = found
        leaked = _one_error([error for error in errors if error is not None])
        if failure is not None:
            raise together(failure, leaked) if leaked is not None else failure
        if leaked is not None and expects_failure(item):
            if has_failed_as_expected(item):
                return result
            # As it is, for xfail(raises=LeakError).
            raise leaked
        if leaked is not None:
            # As a failure of pytest's own, so that its short summary starts with the leaks.
            raise pytest.fail.Exception(str(leaked), pytrace=False) from None
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Generator[None, Any, Any]:
        """Attach the leaks to the report, which also reaches the controller of pytest-xdist."""
        report = yield
        if report.when == "call" and _RUNNING in item.stash and item.stash[_RUNNING].plan.fails:
            put_off(item, report, call)
        if report.when == "teardown":
            report.otel_leaks = item.stash.get(_FOUND, [])
            settle(item, report)
        self._timeouts.add_to(report)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, str] | None:
        """Count a test that is expected to leak once."""
        return status_of(report)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Collect the leaks."""
        self._summary.add_report(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Collect the leaks that a worker of pytest-xdist found at its end."""
        self._summary.add_worker(getattr(node, "workeroutput", {}))

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, Any, Any]:
        """Check what only shows at the end of the run; an exit status of 0 becomes 1, others are kept."""
        result = yield
        failed = self._end_session(int(exitstatus) == 0)
        failed |= self._summary.finish(session)
        if failed and int(session.exitstatus) == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return result

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the tables for all tests."""
        self._summary.print_to(terminalreporter)

    def _begin_run(self) -> None:
        if self._holds:
            return
        self._holds = True
        # Held for the whole run, because installing and removing the hooks would slow down each test.
        recording().hold()
        self._timeouts.install()
        if wants_session_check(self._config):
            self._whole = LeakCheck(self._planner.session_plan().options, is_boundary=True)

    def _surroundings(self) -> Scope | None:
        # The last one opened is the innermost: pytest sets up fixtures from the widest to the narrowest.
        if self._wider:
            return next(reversed(self._wider.values()))[1].scope
        return self._session_scope()

    def _session_scope(self) -> Scope | None:
        return None if self._whole is None else self._whole.scope

    def _wider_scope(self, node: Any) -> Scope:
        if node not in self._wider:
            width = type(node).__name__.lower()
            label = f"the {width}-wide fixtures of {node.nodeid}" if node.nodeid else f"the {width}-wide fixtures"
            plan = self._planner.plan_of(node, label)
            check = LeakCheck(plan.options, parent=self._session_scope(), is_boundary=True)
            self._wider[node] = plan, check
        return self._wider[node][1].scope

    def _end_test(self, item: pytest.Item, found: list[dict[str, Any]], *, waits: bool) -> LeakError | None:
        running = item.stash.get(_RUNNING, None)
        if running is None:
            return None
        del item.stash[_RUNNING]
        running.leave()
        return self._judge(running.plan, running.check, item, found, waits=waits)

    def _end_wider(self, node: Any, found: list[dict[str, Any]]) -> LeakError | None:
        plan, check = self._wider.pop(node)
        return self._judge(plan, check, node, found, waits=True)

    def _judge(
        self, plan: Plan, check: LeakCheck, node: Any, found: list[dict[str, Any]], *, waits: bool
    ) -> LeakError | None:
        test = "the end of the run" if node is None else node.nodeid or "the session"
        try:
            if plan.mode != "off":
                check.finish(waits=waits and not plan.allowed)
        finally:
            check.close()
        state = "allowed" if plan.allowed else "leaked"
        found += [found_leak(leak, test, state, plan.allowed) for leak in check.leaks]
        found += [found_leak(leak, test, "tolerated", self._reason(leak)) for leak in check.tolerated]
        error = check.error()
        if error is None or plan.allowed or self._planner.writes_baseline:
            return None
        if plan.mode == "error":
            return error
        if node is None:
            warnings.warn(LeakWarning(str(error)), stacklevel=1)
        else:
            # At the line of the test, not at a line of this module.
            node.warn(LeakWarning(str(error)))
        return None

    def _reason(self, leak: Leak) -> str:
        entry = self._planner.baseline.entry_of(leak) if self._planner.baseline is not None else None
        return entry.reason if entry is not None else ""

    def _end_session(self, succeeded: bool) -> bool:
        """Check what is still open; return whether something leaked."""
        found: list[dict[str, Any]] = []
        errors = [self._end_wider(node, found) for node in list(self._wider)]
        if self._whole is not None:
            if succeeded or self._config.getini("leaks_run_on_failure"):
                errors.append(self._judge(self._planner.session_plan(), self._whole, None, found, waits=True))
            self._whole.close()
        self._summary.add_end(found, [str(error) for error in errors if error is not None])
        return any(error is not None for error in errors)


def _in_scope(function: Any, scope: Scope) -> Any:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        runner_loop_of(scope)
        token = enter_scope(scope)
        try:
            return await function(*args, **kwargs)
        finally:
            leave_scope(token)

    return run


def _one_error(errors: list[LeakError]) -> LeakError | None:
    if len(errors) < 2:
        return errors[0] if errors else None
    leaks = [leak for error in errors for leak in error.leaks]
    return LeakError(leaks, label=" and ".join(error.label for error in errors))
