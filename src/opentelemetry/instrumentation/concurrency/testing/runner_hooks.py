"""The hooks on test runners that end a loop in code of their own, so that what they are about to cancel is seen.

``asyncio.run`` and ``asyncio.Runner`` cancel through `asyncio.runners._cancel_all_tasks`, which the recorder hooks.
These have copies; each is looked for among the loaded modules at the beginning of a check and never imported by us.
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
    # On 3.10 this class cancels in its own tear-down; later it uses asyncio.Runner.
    ("unittest.async_case", "IsolatedAsyncioTestCase", "_tearDownAsyncioLoop"),
)


class RunnerHooks:
    """Puts the hooks in and takes them out.

    Args:
        before: Called with the loop before its tasks are cancelled.
    """

    def __init__(self, before: Callable[[Any], None]) -> None:
        self._before = before
        self._patches: dict[tuple[str, str, str], Patch] = {}

    def install(self) -> None:
        """Hook what is loaded and not yet hooked. Cost: five dictionary look-ups when there is nothing to do."""
        for place in _COPIES:
            module = sys.modules.get(place[0])
            if module is None or place in self._patches:
                continue
            owner = reduce(getattr, filter(None, [place[1]]), module)
            if vars(owner).get(place[2]) is not None:
                patch = self._patches[place] = Patch(owner, place[2], self._hook)
                patch.install()

    def remove(self) -> None:
        """Take the hooks out in reverse order."""
        while self._patches:
            _, patch = self._patches.popitem()
            patch.remove()

    def _hook(self, original: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[[], None]]:
        failure = HookFailure(getattr(original, "__qualname__", "runner"), _count_nothing)
        return cancel_all_tasks_hook(original, self._call, failure)

    def _call(self, loop_or_case: Any) -> None:
        loop = getattr(loop_or_case, "_asyncioTestLoop", loop_or_case)
        if loop is not None and not loop.is_closed() and not loop.is_running():
            self._before(loop)


def _count_nothing(_hook: str) -> None:
    """Do nothing: a hook that fails says so in the log."""
