"""Everything that records, put in and taken out in mirrored pairs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

import wrapt

from .creator import forget_latest_span
from .endings import Ending, cancel_all_tasks_hook, exception_handler_hook
from .failure import HookFailure
from .patch import Patch
from .site import Site, SiteTable
from .tasks import create_task_hook, task_is_gone
from .threads import executor_init_hook, thread_is_gone, thread_start_hook
from .young import YoungList

_logger = logging.getLogger("opentelemetry.instrumentation.concurrency")

_LOOP_MODULES: Final = ("asyncio", "uvloop", "concurrent.futures.thread")


def _nothing() -> None:
    """Wait for the thread to start: its hook calls then."""


class Recorder:
    """The hooks, the sites and the young lists of this process.

    Args:
        stack_depth: Frames kept of a creation stack, at least 1.
        stack_sampling: One creation in so many records its stack besides the first of a site; 0 = none does.
        on_record: Called when a site is met for the first time or again after a fork; starts the census.
        before_cancel_all: Called with the loop before ``asyncio.run`` cancels what outlived main.
        locate: Given the address of a task, returns its site if the census has entered it.
        on_destroyed: Called with the site of a task that is garbage-collected while pending, and the task.
    """

    def __init__(
        self,
        *,
        stack_depth: int,
        stack_sampling: int,
        on_record: Callable[[], None],
        before_cancel_all: Callable[[Any], None],
        locate: Callable[[int], Site | None],
        on_destroyed: Callable[[Site, Any], None],
    ) -> None:
        self.task_sites = SiteTable(
            "task", stack_depth=stack_depth, stack_sampling=stack_sampling, on_new_site=on_record
        )
        self.thread_sites = SiteTable(
            "thread", stack_depth=stack_depth, stack_sampling=stack_sampling, on_new_site=_nothing
        )
        self.young_tasks = YoungList(task_is_gone)
        self.young_threads = YoungList(thread_is_gone)
        self.executor_sites: WeakKeyDictionary[Any, Site] = WeakKeyDictionary()
        self.hook_failures = 0
        self._on_record = on_record
        self._before_cancel_all = before_cancel_all
        self._locate = locate
        self._on_destroyed = on_destroyed
        self._patches: list[Patch] = []
        self._reported_missing: set[str] = set()

    def install(self) -> None:
        """Put in the hooks: threads now, asyncio, executors and uvloop when they are imported."""
        if self not in _active:
            _active.append(self)
        self._add(
            threading.Thread,
            "start",
            lambda wrapped: thread_start_hook(
                wrapped,
                self.thread_sites,
                self.young_threads,
                self.executor_sites,
                self._failure("Thread.start"),
                self._on_record,
            ),
        )
        if _registered_modules:
            # The post-import hooks of an earlier installation are spent where the module is in.
            for name in _LOOP_MODULES:
                _on_import_of(name)
            return
        for name in _LOOP_MODULES:
            _registered_modules.add(name)
            wrapt.register_post_import_hook(_on_import, name)

    def uninstall(self) -> None:
        """Take the hooks out in reverse order. What was recorded stays readable."""
        if self in _active:
            _active.remove(self)
        for patch in reversed(self._patches):
            patch.remove()
        self._patches.clear()
        forget_latest_span()

    def patch_loop_class(self, loop_class: type) -> None:
        """Put the task hooks on a loop class. Does nothing for a class that has them."""
        if any(patch.owner is loop_class for patch in self._patches):
            return
        name = loop_class.__qualname__
        self._add(
            loop_class,
            "create_task",
            lambda wrapped: create_task_hook(
                wrapped, self.task_sites, self.young_tasks, self._failure(f"{name}.create_task")
            ),
        )
        self._add(
            loop_class,
            "call_exception_handler",
            lambda wrapped: exception_handler_hook(
                wrapped, self._on_ending, self._failure(f"{name}.call_exception_handler")
            ),
        )

    def missing_hooks(self) -> list[str]:
        """Return the attributes where our hook was replaced by somebody else's, each once in a process."""
        missing = []
        for patch in self._patches:
            name = f"{getattr(patch.owner, '__qualname__', patch.owner)}.{patch.name}"
            if name not in self._reported_missing and not patch.is_installed():
                self._reported_missing.add(name)
                missing.append(name)
        return missing

    def replaced_hooks(self) -> list[str]:
        """Return the attributes where our hook is not reached any more, however often it is asked."""
        return [
            f"{getattr(patch.owner, '__qualname__', patch.owner)}.{patch.name}"
            for patch in self._patches
            if not patch.is_installed()
        ]

    def start_empty(self) -> None:
        """Forget what was created, in a forked child: sites and hooks stay, counters begin again."""
        self.young_tasks.forget()
        self.young_threads.forget()
        self.task_sites.start_empty()
        self.thread_sites.start_empty()
        self.hook_failures = 0
        forget_latest_span()

    def wake(self) -> None:
        """Make the next creation take the slow path, which starts the census."""
        self.task_sites.forget_lines()
        self.thread_sites.forget_lines()

    def on_asyncio(self, module: Any) -> None:
        """Put the hooks on asyncio."""
        self.patch_loop_class(module.BaseEventLoop)
        self._add(
            module.runners,
            "_cancel_all_tasks",
            lambda wrapped: cancel_all_tasks_hook(
                wrapped, self._before_cancel_all, self._failure("asyncio.runners._cancel_all_tasks")
            ),
        )

    def on_executors(self, module: Any) -> None:
        """Put the hook on thread pool executors."""
        self._add(
            module.ThreadPoolExecutor,
            "__init__",
            lambda wrapped: executor_init_hook(
                wrapped, self.thread_sites, self.executor_sites, self._failure("ThreadPoolExecutor.__init__")
            ),
        )

    def _add(
        self, owner: Any, name: str, build: Callable[[Any], tuple[Callable[..., Any], Callable[[], None]]]
    ) -> None:
        if not hasattr(owner, name) or any(patch.owner is owner and patch.name == name for patch in self._patches):
            return
        patch = Patch(owner, name, build)
        patch.install()
        self._patches.append(patch)

    def _failure(self, hook: str) -> HookFailure:
        return HookFailure(hook, self._count_failure)

    def _count_failure(self, _hook: str) -> None:
        self.hook_failures += 1

    def _on_ending(self, task: Any, ending: Ending) -> None:
        site = self._site_of_dying(task, ending)
        if ending == "destroyed":
            site.destroyed += 1
            self._on_destroyed(site, task)
        else:
            site.unretrieved += 1

    def _site_of_dying(self, task: Any, ending: Ending) -> Site:
        site = self.young_tasks.site_at(id(task)) or self._locate(id(task))
        if site is not None:
            return site
        coro = task.get_coro()
        if ending == "unretrieved":
            # It failed a while ago and was forgotten as ended. If one line alone starts such tasks, it was that one.
            sites = self.task_sites.sites_of_coroutine(coro)
            if len(sites) == 1:
                return sites[0]
        return self.task_sites.of_callable(coro)


_active: list[Recorder] = []
"""The installed ones: that of the instrumented process, and that of a leak test, which ends on its own."""
_registered_modules: set[str] = set()


def _on_import(module: Any) -> None:
    for recorder in _active[:]:
        _put_hooks_on(module, recorder)


def _put_hooks_on(module: Any, recorder: Recorder) -> None:
    try:
        if module.__name__ == "asyncio":
            recorder.on_asyncio(module)
        elif module.__name__ == "uvloop":
            recorder.patch_loop_class(module.Loop)
        else:
            recorder.on_executors(module)
    except Exception:
        # An import of the application's must not fail because of us.
        _logger.exception("Could not put the hooks on %s; what it creates is found only by the census.", module)


def _on_import_of(name: str) -> None:
    import sys

    module = sys.modules.get(name)
    if module is not None:
        _on_import(module)
