"""Hooks on test runners that end a loop with code of their own.

``asyncio.run`` and ``asyncio.Runner`` cancel through `asyncio.runners._cancel_all_tasks`, which the recorder hooks. The
runners here have copies of it, whose tasks must be inspected before they are cancelled. The copies are looked up among
the loaded modules at the beginning of a check and never imported by this module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import reduce
from typing import Any, Final

from ..record.endings import cancel_all_tasks_hook
from ..record.failure import HookFailure
from ..record.patch import Patch

_COPIES: Final = (
    # pytest-asyncio on 3.10 uses a backport of asyncio.Runner.
    ("backports.asyncio.runner.runner", "", "_cancel_all_tasks"),
    # anyio on 3.10 has a Runner of its own.
    ("anyio._backends._asyncio", "", "_cancel_all_tasks"),
    # uvloop.run, used on ≤ 3.11.
    ("uvloop", "", "_cancel_all_tasks"),
    # aiohttp's own pytest plugin closes its loop without cancelling anything.
    ("aiohttp.test_utils", "", "teardown_test_loop"),
    # On 3.10, this class cancels in its own tear-down; later it uses asyncio.Runner.
    ("unittest.async_case", "IsolatedAsyncioTestCase", "_tearDownAsyncioLoop"),
)


class RunnerHooks:
    """Installs and removes the hooks.

    Args:
        before: Called with the loop before its tasks are cancelled.
    """

    def __init__(self, before: Callable[[Any], None]) -> None:
        self._before = before
        self._patches: dict[tuple[str, str, str], Patch] = {}

    def install(self) -> None:
        """Hook loaded modules that are not hooked yet. Cost: five dictionary lookups if there are none."""
        for place in _COPIES:
            module = sys.modules.get(place[0])
            if module is None or place in self._patches:
                continue
            owner = reduce(getattr, filter(None, [place[1]]), module)
            if vars(owner).get(place[2]) is not None:
                patch = self._patches[place] = Patch(owner, place[2], self._hook)
                patch.install()

    def remove(self) -> None:
        """Remove the hooks in reverse order."""
        while self._patches:
            _, patch = self._patches.popitem()
            patch.remove()

    def _hook(self, original: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[[], None]]:
        failure = HookFailure(getattr(original, "__qualname__", "runner"), _count_nothing)
        scan, disarm = cancel_all_tasks_hook(_end_nothing, self._call, failure)

        # aiohttp passes keyword arguments, which asyncio's own hook cannot take.
        def end_loop(loop_or_case: Any, *args: Any, **keywords: Any) -> None:
            scan(loop_or_case)
            original(loop_or_case, *args, **keywords)

        return end_loop, disarm

    def _call(self, loop_or_case: Any) -> None:
        loop = getattr(loop_or_case, "_asyncioTestLoop", loop_or_case)
        if loop is not None and not loop.is_closed() and not loop.is_running():
            self._before(loop)


def _end_nothing(_loop_or_case: Any) -> None:
    """Do nothing: the original function ends the tasks afterwards."""


def _count_nothing(_hook: str) -> None:
    """Do nothing: a failing hook is logged."""
