"""Self-check of the compiled recorder: it must record a task exactly as the recorder in Python does.

Both record the same tasks at the same line, on a loop that never runs. The second task of each is found by the fast
path. The tasks never start, have a name (so that no number of asyncio's is used up) and leave no trace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .application import ApplicationCode
from .failure import HookFailure
from .garbage_collection import collector_off
from .plain_creation import task_module_below
from .site import Site
from .site_table import SiteTable
from .tasks import create_task_hook, task_is_finished
from .young import WIDTH, YoungList

MakeHook = Callable[..., tuple[Callable[..., Any], Callable[[], None]]]

_TASKS: Final = 2


class _Loop:
    """A loop on which tasks can be created but never run."""

    _task_factory = None
    _debug = False

    def _check_closed(self) -> None:
        """Do nothing: the loop is open."""

    def get_debug(self) -> bool:
        """Return False."""
        return False

    def call_soon(self, *_args: Any, **_kwargs: Any) -> None:
        """Ignore the callback."""

    def is_running(self) -> bool:
        """Return False."""
        return False


async def _nothing() -> None:
    """Run nothing."""


def _ignore(*_args: Any) -> None:
    """Do nothing when a site is new or a hook fails."""


def difference_from_python(make_hook: MakeHook) -> str | None:
    """Return how a recorder differs from the one in Python, or None if it does not. Raises what the recorder raises.

    Args:
        make_hook: As that of a `TaskRecorder`.
    """
    # A collection would run finalizers of the application in between.
    with collector_off():
        expected, found = (_record(make) for make in (create_task_hook, make_hook))
    return None if found == expected else f"expected {expected}, got {found}"


def _record(make_hook: MakeHook) -> list[Any]:
    """Return what a recorder records of some tasks, without what differs from task to task."""
    failures: list[str] = []
    table = SiteTable("task", stack_depth=2, stack_sampling=1, on_new_site=_ignore, application=ApplicationCode((), ()))
    young = YoungList(task_is_finished)
    hook, disarm = make_hook(_method(), table, young, HookFailure("self-check", failures.append))
    loop = _Loop()
    coroutines = [_nothing() for _ in range(_TASKS)]
    tasks = []
    try:
        for coroutine in coroutines:
            tasks.append(hook(loop, coroutine, name="otel-concurrency-self-check"))
        entries = list(young.entries)
        sites = [(*_facts(site), site.created) for site in table.sites]
        return [len(failures), sites, [_of_task(task, entries[at * WIDTH :]) for at, task in enumerate(tasks)]]
    finally:
        disarm()
        for task in tasks:
            task._log_destroy_pending = False
        for coroutine in coroutines:
            coroutine.close()


def _of_task(task: Any, entries: list[Any]) -> tuple[Any, ...] | None:
    """Return what the first entry says of a task; None if it is missing."""
    if len(entries) < WIDTH:
        return None
    reference, site, at, creator, span, address = entries[:WIDTH]
    stack = site.stack_of(task)
    return (
        reference() is task,
        address == id(task),
        type(at),
        _facts(site),
        None if creator is None else id(creator()),
        None if span is None else id(span),
        None if stack is None else [frame[:2] for frame in stack.frames[:1]],
    )


def _facts(site: Site) -> tuple[Any, ...]:
    return site.function, site.path, site.line, site.runs, site.via


def _method() -> Callable[..., Any]:
    """Return the method that a hook replaces: asyncio's own, or one that does the same if asyncio's is unknown."""
    import asyncio

    method: Any = vars(asyncio.BaseEventLoop).get("create_task")
    while hasattr(method, "__wrapped__"):
        method = method.__wrapped__

    def create_task(self: Any, coro: Any, **kwargs: Any) -> Any:
        return asyncio.Task(coro, loop=self, **kwargs)

    return create_task if task_module_below(method) is None else method
