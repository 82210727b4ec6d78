"""The recorder: installs and removes all recording hooks, in mirrored pairs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import wrapt

from ..own_log import own_logger
from .application import ApplicationCode
from .compiled import checked_recorder, choose_recorder
from .creator import current_creator, forget_latest_span
from .endings import Ending, cancel_all_tasks_hook, exception_handler_hook, raise_signal_hook
from .failure import HookFailure
from .garbage_collection import CollectionWatch
from .patch import Patch
from .site import Kind, Site
from .site_table import MAX_SITES_KNOWN, SiteTable
from .tasks import task_is_finished, threadsafe_hook
from .threads import executor_init_hook, thread_is_finished, thread_start_hook
from .young import YoungList

if TYPE_CHECKING:
    from .unawaited import UnawaitedCoroutines

_logger = own_logger()

_LOOP_MODULES: Final = ("asyncio", "uvloop", "concurrent.futures.thread")


def _nothing() -> None:
    """Do nothing when a new thread site is found: the hook calls ``on_record`` after the thread has started."""


class Recorder:
    """The hooks, sites and young lists of this process.

    Args:
        stack_depth: Maximum number of frames in a creation stack, at least 1.
        stack_sampling: Besides the first creation of a site, one in this many records its stack; 0 disables stacks.
        on_record: Called when a site is new, or seen again after a fork; starts the census.
        before_cancel_all: Called with the loop before ``asyncio.run`` cancels the tasks that outlived main.
        locate: Takes the address of a task; returns its site if the census has entered the task.
        on_destroyed: Called with the site of a task that is garbage-collected while pending, and the task.
        before_signal: Called with the number of a signal that the process is about to send to itself; None for no hook.
        locate_living: Takes a finished task that is still referenced; returns its site if the census has entered it.
        spawners: The setting ``SPAWNERS``.
        application: The setting ``APPLICATION``.
        recorder: The setting ``RECORDER``.

    Attributes:
        task_recorder: The recorder of task creations.
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
        before_signal: Callable[[int], None] | None = None,
        locate_living: Callable[[Any], Site | None] = lambda _: None,
        spawners: Iterable[str] = (),
        application: Iterable[str] = (),
        recorder: str = "auto",
        count_unawaited: bool = False,
    ) -> None:
        self.unawaited: UnawaitedCoroutines | None = None
        if count_unawaited:
            from .unawaited import UnawaitedCoroutines

            self.unawaited = UnawaitedCoroutines()
        self.task_recorder = choose_recorder(recorder)
        self._is_recorder_checked = False
        own = ApplicationCode(application, spawners)
        depth, sampling = stack_depth, stack_sampling
        self.task_sites = SiteTable(
            "task", stack_depth=depth, stack_sampling=sampling, on_new_site=on_record, application=own
        )
        self.thread_sites = SiteTable(
            "thread", stack_depth=depth, stack_sampling=sampling, on_new_site=_nothing, application=own
        )
        self.task_sites.locate = self._site_of_living
        self.collections = CollectionWatch()
        self.young_tasks = YoungList(task_is_finished, self.collections.is_under_way)
        self.young_threads = YoungList(thread_is_finished)
        self.executor_sites: WeakKeyDictionary[Any, Site] = WeakKeyDictionary()
        self.hook_failures = 0
        self._on_record = on_record
        self._before_cancel_all = before_cancel_all
        self._before_signal = before_signal
        self._locate = locate
        self._on_destroyed = on_destroyed
        self._locate_living = locate_living
        self._patches: list[Patch] = []
        self._reported_missing: set[str] = set()
        self._logged_folding: set[Kind] = set()

    def install(self) -> None:
        """Install the hooks: on threads now; on asyncio, executors and uvloop when they are imported."""
        if self not in _active:
            _active.append(self)
        self.collections.install()
        if self.unawaited is not None and not self.unawaited.install():
            _logger.warning(
                "Coroutines that were never awaited are not counted: this Python reports them in another way."
            )
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
                self._site_of_running_task,
            ),
        )
        if _registered_modules:
            # The post-import hooks of an earlier installation do not run again for modules that are already imported.
            for name in _LOOP_MODULES:
                _on_import_of(name)
            return
        for name in _LOOP_MODULES:
            _registered_modules.add(name)
            wrapt.register_post_import_hook(_on_import, name)

    def uninstall(self) -> None:
        """Remove the hooks in reverse order. Recorded data remains readable."""
        if self in _active:
            _active.remove(self)
        for patch in reversed(self._patches):
            patch.remove()
        self._patches.clear()
        self.collections.uninstall()
        if self.unawaited is not None:
            self.unawaited.uninstall()
        forget_latest_span()

    def patch_loop_class(self, loop_class: type) -> None:
        """Install the task hooks on a loop class. Does nothing if the class has them."""
        if any(patch.owner is loop_class for patch in self._patches):
            return
        if not self._is_recorder_checked:
            # Not earlier: asyncio is imported now.
            self._is_recorder_checked = True
            self.task_recorder = checked_recorder(self.task_recorder)
        name = loop_class.__qualname__
        self._add(
            loop_class,
            "create_task",
            lambda wrapped: self.task_recorder.make_hook(
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
        """Return the attributes whose hook was replaced by other code, each once per process."""
        missing = []
        for patch in self._patches:
            name = f"{getattr(patch.owner, '__qualname__', patch.owner)}.{patch.name}"
            if name not in self._reported_missing and not patch.is_installed():
                self._reported_missing.add(name)
                missing.append(name)
        return missing

    def replaced_hooks(self) -> list[str]:
        """Return the attributes whose hook is no longer reachable, at every call."""
        return [
            f"{getattr(patch.owner, '__qualname__', patch.owner)}.{patch.name}"
            for patch in self._patches
            if not patch.is_installed()
        ]

    def folded(self) -> dict[Kind, int]:
        """Return how many tasks and threads were created at sites beyond the limit; empty if there are none."""
        others = [table.other for table in (self.task_sites, self.thread_sites)]
        return {other.kind: other.created for other in others if other is not None}

    def log_folding(self) -> None:
        """Log, once for tasks and once for threads, that further sites are folded into one."""
        for kind in self.folded():
            if kind not in self._logged_folding:
                self._logged_folding.add(kind)
                _logger.warning(
                    "More than %d sites create %ss in this process; further sites are counted as one site, _OTHER. "
                    "Code that is generated repeatedly (exec, eval, templates) creates new sites without end.",
                    MAX_SITES_KNOWN,
                    kind,
                )

    def start_empty(self) -> None:
        """Drop all records in a forked child: sites and hooks stay, counters restart."""
        self.collections.forget()
        if self.unawaited is not None:
            self.unawaited.start_empty()
        self.young_tasks.forget()
        self.young_threads.forget()
        self.task_sites.start_empty()
        self.thread_sites.start_empty()
        self.hook_failures = 0
        forget_latest_span()

    def has_young(self) -> bool:
        """Return whether a creation since the last scan may still be live."""
        return bool(self.young_tasks.entries or self.young_threads.entries)

    def wake(self) -> None:
        """Let the next creation take the slow path, which starts the census."""
        self.task_sites.forget_paths()
        self.thread_sites.forget_paths()

    def on_asyncio(self, module: Any) -> None:
        """Install the hooks on asyncio."""
        self.patch_loop_class(module.BaseEventLoop)
        for owner in (module, module.tasks):
            self._add(
                owner,
                "run_coroutine_threadsafe",
                lambda wrapped: threadsafe_hook(
                    wrapped, self.task_sites, self._failure("asyncio.run_coroutine_threadsafe")
                ),
            )
        self._add(
            module.runners,
            "_cancel_all_tasks",
            lambda wrapped: cancel_all_tasks_hook(
                wrapped, self._before_cancel_all, self._failure("asyncio.runners._cancel_all_tasks")
            ),
        )
        if (before := self._before_signal) is not None:
            self._add(
                sys.modules.get("signal"),
                "raise_signal",
                lambda wrapped: raise_signal_hook(wrapped, before, self._failure("signal.raise_signal")),
            )

    def on_executors(self, module: Any) -> None:
        """Install the hook on thread pool executors."""
        self._add(
            module.ThreadPoolExecutor,
            "__init__",
            lambda wrapped: executor_init_hook(
                wrapped,
                self.thread_sites,
                self.executor_sites,
                self._failure("ThreadPoolExecutor.__init__"),
                self._site_of_running_task,
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

    def _site_of_running_task(self) -> Site | None:
        """Return the site of the running task, or None if no task runs. Cost: one search through the addresses in C."""
        creator = current_creator()
        task = creator() if creator is not None else None
        return None if task is None or issubclass(type(task), threading.Thread) else self._site_of_living(task)

    def _site_of_living(self, task: Any) -> Site | None:
        return self.young_tasks.site_at(id(task)) or self._locate_living(task)

    def _site_of_dying(self, task: Any, ending: Ending) -> Site:
        coro = task.get_coro()
        site = self.young_tasks.site_at(id(task)) or self._locate(id(task))
        # An address is reused, and the later task may have bypassed the hooks.
        if site is not None and self.task_sites.may_start(site, coro):
            return site
        if ending == "unretrieved":
            # The failed task is no longer recorded. If a single site starts such tasks, it belongs to that site.
            only = self.task_sites.only_site_of(coro)
            if only is not None:
                return only
        return self.task_sites.of_callable(coro)


_active: list[Recorder] = []
"""The installed recorders: that of the instrumented process and that of a leak test, each with its own lifetime."""
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
    except Exception:  # the application's import must not fail because of this package
        _logger.exception("Could not install the hooks on %s; what it creates is found only by scans.", module)


def _on_import_of(name: str) -> None:
    module = sys.modules.get(name)
    if module is not None:
        _on_import(module)
