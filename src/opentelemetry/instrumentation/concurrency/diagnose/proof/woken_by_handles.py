"""Tasks that the live handles of event loops lead to, and which they may cancel.

``asyncio.timeout`` and ``wait_for`` schedule a timer; a server cancels the handler of a lost connection. A cancelled
task cancels in turn what it awaits and the children of its task group, and a task woken by a timer may be a watchdog
that cancels another task. The walk therefore opens each task that a timer or connection leads to: the object it awaits,
its done callbacks, objects in the frames of asyncio and anyio, and tasks and objects of asyncio in variables of its
frames, in collections among these, in what they call (closures, bound methods, partials), or in attributes at most
three steps away. A weak reference leads to its object. Tasks in the collections of an object (``background_tasks``,
``workers``) do not count here either.

Ready callbacks lead to tasks as well. Tasks that they merely step count as running and are not opened.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Mapping
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    BuiltinMethodType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    ModuleType,
)
from typing import Any, Final

from ..introspection.known_waits import callbacks_of, coroutine_of, type_module, waiter_of
from ..introspection.loop_handles import Handles
from .closure import Cut, Pace, dictionary_of
from .variables import (
    COLLECTIONS,
    LIBRARIES,
    attributes_of,
    called_by,
    entries_of,
    global_tasks_of,
    is_primitive,
    referent_of,
)

MAX_OBJECTS: Final = 100_000
"""Maximum number of objects, above which the walk and the proof are abandoned."""
FEW_OBJECTS: Final = 12_500
"""Number of objects for a walk that costs little if it fails: a request that is being served may lead to all others."""
_STEPS_FROM_TIMERS: Final = 10
_STEPS_FROM_DESCRIPTORS: Final = 8
"""Enough to reach the connection of a request, but not everything that the application refers to."""
_STEPS_IN_TASKS: Final = 5
"""From a future to the tasks of a gather, or from a task group to its children."""
_STEPS_FROM_GLOBALS: Final = 2
"""From a variable of a module that the code of a task names."""
_STEPS_THROUGH_ATTRIBUTES: Final = 3
"""From a variable of a watchdog to the task that it cancels: ``self.server.connection.task``."""
_SLICE: Final = 200
_CODE_OF: Final = {
    id(CoroutineType): "cr_code",
    id(AsyncGeneratorType): "ag_code",
    id(GeneratorType): "gi_code",
    id(FrameType): "f_code",
}
"""By address: a metaclass may define its own hash."""


def tasks_woken_by(
    handles: Iterable[Handles], cut: Cut, pace: Pace, task_of: Mapping[int, Any], reach: int | None = None
) -> set[int] | None:
    """Return the addresses of all tasks that handles lead to, or None if they lead to too many objects.

    Args:
        handles: The pending calls of the loops.
        cut: The objects at which the walk stops.
        pace: Receives the amount of work.
        task_of: Tasks by the addresses of the coroutines that they await; a path to such a coroutine leads to the task.
        reach: Maximum number of objects; None for `MAX_OBJECTS`.

    Cost: about a microsecond per reference.
    """
    handles = list(handles)
    ready = _Walk(cut, pace, task_of, opens_tasks=False)
    ready.add([each for found in handles for each in found.ready], _STEPS_FROM_TIMERS)
    timers = _Walk(cut, pace, task_of, opens_tasks=True)
    timers.add([each for found in handles for each in found.timers], _STEPS_FROM_TIMERS)
    timers.add([each for found in handles for each in found.descriptors], _STEPS_FROM_DESCRIPTORS)
    reach = MAX_OBJECTS if reach is None else reach
    if not ready.run(reach) or not timers.run(reach):
        return None
    return ready.tasks | timers.tasks


class _Walk:
    """Visits objects by remaining steps, most first, so that no object is first reached late and later again early."""

    def __init__(self, cut: Cut, pace: Pace, task_of: Mapping[int, Any], *, opens_tasks: bool) -> None:
        self._cut = cut
        self._pace = pace
        self._task_of = task_of
        self._opens_tasks = opens_tasks
        self._steps: dict[int, int] = {}
        self._levels: list[list[Any]] = [[] for _ in range(_STEPS_FROM_TIMERS + 1)]
        # Keeps visited objects alive, because addresses are reused.
        self._met: list[Any] = []
        self._unopened: list[Any] = []
        # The steps left from each holder of attributes, and the holders, for the same reason as above.
        self._steps_from: dict[int, int] = {}
        self._holders: list[Any] = []
        self._codes_met: set[int] = set()
        # By address of a type, with the type.
        self._primitives: dict[int, tuple[bool, type]] = {}
        self._module_of_file: dict[str, Any] | None = None
        self.tasks: set[int] = set()

    def add(self, start: Iterable[Any], steps: int) -> None:
        """Start at the given objects."""
        for each in start:
            self._meet(each, steps)

    def run(self, reach: int) -> bool:
        """Walk to the end; return False if there are more objects than ``reach``."""
        while max(len(self._met), len(self._holders)) <= reach:
            steps = next((steps for steps in reversed(range(len(self._levels))) if self._levels[steps]), -1)
            if self._unopened:
                self._open(self._unopened.pop())
            elif steps >= 0:
                self._expand(self._levels[steps], steps)
            else:
                return True
        return False

    def _expand(self, level: list[Any], steps: int) -> None:
        objects = level[-_SLICE:]
        del level[-_SLICE:]
        reached = gc.get_referents(*objects)
        for each in reached:
            if gc.is_tracked(each):
                self._meet(each, steps - 1)
        self._pace.work(len(reached) + len(objects))

    def _meet(self, found: Any, steps: int) -> None:
        address = id(found)
        if self._steps.get(address, -1) >= steps:
            return
        if address in self._task_of:
            self._meet(self._task_of[address], steps)
        if (referent := referent_of(found)) is not None:
            self._meet(referent, steps)
        if (self._cut.roles.get(id(type(found))) or self._cut.role_of(type(found))) == "task":
            self._steps[address] = sys.maxsize
            self._met.append(found)
            self.tasks.add(address)
            if self._opens_tasks:
                self._unopened.append(found)
        elif not self._cut.stops_at(found):
            if address not in self._steps:
                self._met.append(found)
                if type(found) is FunctionType:
                    for task in global_tasks_of(found):
                        self._meet(task, 0)
            self._steps[address] = steps
            if steps > 0:
                self._levels[steps].append(found)

    def _open(self, task: Any) -> None:
        """Visit the object that a task awaits, and objects in the frames of its await chain."""
        coroutine = coroutine_of(task)
        self._meet(waiter_of(task), _STEPS_IN_TASKS)
        for callback in callbacks_of(task):
            # They run when the task ends, except that those of collections only remove it.
            if type(callback) is not BuiltinMethodType or not issubclass(type(callback.__self__), COLLECTIONS):
                self._meet(callback, _STEPS_IN_TASKS)
        pending, known = [coroutine], {id(coroutine)}
        while pending:
            step = pending.pop()
            is_library = _is_of_library(step)
            held = gc.get_referents(step)
            self._pace.work(len(held) + 1)
            if not is_library:
                self._meet_globals(_code_of(step))
            for value in held:
                kind = type(value)
                if id(kind) in _CODE_OF:
                    if id(value) in self._task_of:
                        self._meet(self._task_of[id(value)], 0)
                    if id(value) not in known:
                        known.add(id(value))
                        pending.append(value)
                elif gc.is_tracked(value):
                    self._meet_variable(value, is_library)

    def _meet_variable(self, value: Any, is_library: bool) -> None:
        if is_library or self._is_primitive(value):
            self._meet(value, _STEPS_IN_TASKS)
            return
        if type_module(type(value)) == "contextlib":
            # An exit stack keeps its callbacks in tuples of a deque, each behind a closure.
            self._meet(value, _STEPS_FROM_TIMERS)
        for each in entries_of(value):
            self._meet_named(each, _STEPS_THROUGH_ATTRIBUTES)

    def _meet_globals(self, code: CodeType | None) -> None:
        """Visit the objects in the module of a coroutine's code that the code names, but no functions and classes."""
        if code is None or id(code) in self._codes_met:
            return
        self._codes_met.add(id(code))
        if self._module_of_file is None:
            self._module_of_file = {}
            for module in list(sys.modules.values()):
                if issubclass(type(module), ModuleType):
                    names = dictionary_of(module)
                    self._module_of_file.setdefault(str(names.get("__file__")), names)
        names = self._module_of_file.get(code.co_filename, {})
        for name in code.co_names:
            found = names.get(name)
            if found is not None and not issubclass(type(found), (FunctionType, BuiltinFunctionType)):
                self._meet_named(found, _STEPS_FROM_GLOBALS)

    def _meet_named(self, found: Any, steps: int) -> None:
        """Visit what a variable leads to through attributes, closures and bound methods, but not in collections."""
        if self._is_primitive(found):
            self._meet(found, _STEPS_IN_TASKS)
            return
        pending = [(found, steps)]
        while pending:
            holder, left = pending.pop()
            is_known = self._steps_from.get(id(holder), 0) >= left
            if is_known or issubclass(type(holder), COLLECTIONS) or self._cut.stops_at(holder):
                continue
            self._steps_from[id(holder)] = left
            self._holders.append(holder)
            callees = called_by(holder)
            values = attributes_of(holder) if callees is None else callees
            self._pace.work(len(values) + 1)
            for value in values:
                if self._is_primitive(value):
                    self._meet(value, _STEPS_IN_TASKS)
                elif gc.is_tracked(value) and (callees is not None or left > 1):
                    # The step to a callable is none: it stands for what it calls.
                    pending.append((value, left if callees is not None else left - 1))

    def _is_primitive(self, found: Any) -> bool:
        kind = type(found)
        known = self._primitives.get(id(kind))
        if known is None:
            known = self._primitives[id(kind)] = is_primitive(found), kind
        return known[0]


def _code_of(step: Any) -> CodeType | None:
    attribute = _CODE_OF.get(id(type(step)))
    return getattr(step, attribute) if attribute else None


def _is_of_library(step: Any) -> bool:
    code = _code_of(step)
    path = "" if code is None else code.co_filename
    return any(path.startswith(folder) for name in LIBRARIES if (folder := _folder_of(name)))


def _folder_of(library: str) -> str:
    file = getattr(sys.modules.get(library), "__file__", None)
    return str(file).rpartition("__init__")[0] if file else ""
