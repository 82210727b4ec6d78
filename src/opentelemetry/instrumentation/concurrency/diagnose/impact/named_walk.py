"""A walk from the variables of the application to what they hold, breadth first.

It starts at the dictionaries of the application's modules, at the variables of running frames and of old suspended
coroutines, and at the event loops. It stops at library modules and classes, at pending tasks and at a limit.

- Objects are reached by `gc.get_referents`. Names are read only for the few objects on a path that was found.
- Of a large collection, the first and the last entries are followed; the others are only compared with the targets.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from itertools import islice
from types import BuiltinFunctionType, CodeType, CoroutineType, FrameType, ModuleType
from typing import Any, Final, NamedTuple

from ...record.frame_locals import variables_of
from ...record.naming import function_name
from ...record.raw_fields import module_name, type_dict
from ...record.threads import OWN_SITE
from ..introspection.chain_coroutines import coroutines_of
from ..introspection.fingerprint import is_application_path
from ..introspection.known_waits import is_pending, is_task, type_module
from ..proof.closure import Cut, Pace, TooMuchWorkError, dictionary_of
from .collections import LEAVES, entries_of, is_collection, iterate

MAX_WORK: Final = 80_000
"""Maximum number of references that one walk inspects: about 40 ms. A quarter is reserved for the event loops."""
_FOLLOWED: Final = 200
"""Number of first, and of last, entries of a large collection that are followed."""
_MOST_ENTRIES: Final = 20_000
"""Maximum number of entries of a collection that are compared with the targets."""
_CHUNK: Final = 5_000
_LEAVES: Final = LEAVES | {id(CodeType), id(BuiltinFunctionType)}
"""Types that lead nowhere, by address."""
_MOST_FRAMES: Final = 100
_MOST_TASKS: Final = 100


class Root(NamedTuple):
    """The start of paths.

    Attributes:
        name: The name of a module, or of a running or suspended function with ``()``; empty for an event loop.
        variables: Its variables, by name; empty for an event loop.
    """

    name: str
    variables: dict[str, Any]


class NamedWalk:
    """The walk.

    Args:
        targets: Addresses of the objects to find; they are not expanded.
        application: Names of top-level packages that count as application code besides modules outside libraries.
        cut: Library objects at which the walk stops.
        pause: Lets other threads run.
        skipped: Identifiers of the threads whose variables do not count.

    Attributes:
        found: Places of the targets found so far, by address.
        objects: The objects reached; a root stands for its variables.
    """

    def __init__(
        self,
        targets: AbstractSet[int],
        application: Container[str],
        cut: Cut,
        pause: Callable[[], None],
        *,
        max_work: int = MAX_WORK,
        skipped: Container[int] = (),
    ) -> None:
        self.found: dict[int, int] = {}
        self.objects: list[Any] = []
        self._parents: list[int] = []
        self._seen: set[int] = set()
        self._targets = targets
        self._application = application
        self._cut = cut
        self._pause = pause
        self._skipped = skipped
        self._limits = (max_work - max_work // 4, max_work // 4)
        self._pace = Pace(pause, 0)
        self._modules: set[str] = set()
        self._followed = 0

    def walk(self, tasks: Iterable[Any], loops: Iterable[Any], is_done: Callable[[], bool]) -> None:
        """Walk until ``is_done``, to the end, or to the limit.

        Args:
            tasks: Suspended tasks whose coroutines are followed, the most important first.
            loops: The event loops, which are followed last.
            is_done: Returns whether enough was found; called after each level.
        """
        for roots, limit in zip((self._variables(tasks), loops), self._limits, strict=True):
            self._pace = Pace(self._pause, limit)
            self._followed = len(self.objects)
            for root in roots:
                self._append(root, -1)
            with suppress(TooMuchWorkError):
                self._follow(is_done)

    def path_to(self, address: int) -> list[Any]:
        """Return the objects on the path to a target that was found, its root first."""
        return self.path_at(self.found.get(address, -1))

    def path_at(self, place: int) -> list[Any]:
        """Return the objects on the path to a place in ``objects``, its root first; empty for a negative place."""
        path = []
        while place >= 0:
            path.append(self.objects[place])
            place = self._parents[place]
        return path[::-1]

    def addresses(self) -> set[int]:
        """Return the addresses of all objects reached, without the targets."""
        return self._seen.difference(self.found)

    def _follow(self, is_done: Callable[[], bool]) -> None:
        begin = self._followed
        while begin < len(self.objects) and not is_done():
            end = len(self.objects)
            for place in range(begin, end):
                self._expand(place)
            begin = self._followed = end

    def _expand(self, place: int) -> None:
        found = self.objects[place]
        if id(found) in self._targets or (is_task(found) and is_pending(found)):
            return
        if is_collection(found) and type(found) is not Root and entries_of(found) > 2 * _FOLLOWED:
            self._expand_large(found, place)
            return
        if type(found) is Root:
            reached = list(found.variables.values())
        elif issubclass(type(found), type):
            reached = list(type_dict(found).values())
        else:
            reached = gc.get_referents(found)
        for each in reached:
            self._add(each, place)
        self._pace.work(len(reached) + 1)

    def _expand_large(self, found: Any, place: int) -> None:
        entries = iterate(found)
        last: deque[Any] = deque(maxlen=_FOLLOWED)
        try:
            for each in islice(entries, _FOLLOWED):
                self._add(each, place)
            for _ in range(0, min(_MOST_ENTRIES, entries_of(found)), _CHUNK):
                chunk = list(islice(entries, _CHUNK))
                if not self._targets.isdisjoint(map(id, chunk)):
                    for each in chunk:
                        if id(each) in self._targets:
                            self._add(each, place)
                last.extend(chunk)
                self._pace.work(len(chunk) // 10 + 1)
        except RuntimeError:  # it was changed meanwhile
            return
        for each in last:
            self._add(each, place)

    def _add(self, found: Any, parent: int) -> None:
        address = id(found)
        if id(type(found)) in _LEAVES or address in self._seen:
            return
        if address in self._targets:
            self.found[address] = len(self.objects)
        elif not self._may_be_followed(found):
            return
        self._append(found, parent)

    def _append(self, found: Any, parent: int) -> None:
        self._seen.add(id(found))
        self._parents.append(parent)
        self.objects.append(found)

    def _may_be_followed(self, found: Any) -> bool:
        if not gc.is_tracked(found):
            return False
        if issubclass(type(found), type):
            return type_module(found) in self._modules
        return not self._cut.stops_at(found)

    def _variables(self, tasks: Iterable[Any]) -> Iterator[Root]:
        for name, variables in application_modules(self._application):
            self._modules.add(name)
            yield Root(name, variables)
        own = threading.get_ident()
        for thread, frame in list(sys._current_frames().items()):
            if thread != own and thread not in self._skipped:
                yield from _of_frames(frame)
        for task in islice(tasks, _MOST_TASKS):
            for coroutine in coroutines_of(task):
                yield from _of_coroutine(coroutine)


def application_modules(application: Container[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the names and dictionaries of the application's modules.

    Args:
        application: Names of top-level packages that count as application code wherever they are.
    """
    # No list of pairs: thousands of tuples would start a garbage collection.
    for name in list(sys.modules):
        module = sys.modules.get(name) if type(name) is str else None
        if type(name) is not str or not issubclass(type(module), ModuleType) or name == "__mp_main__":
            continue
        variables = dictionary_of(module)
        path = variables.get("__file__")
        is_application = name.partition(".")[0] in application or name == "__main__"
        is_application |= type(path) is str and is_application_path(path)
        if is_application and not _is_ours(name):
            yield name, variables


def _is_ours(module: str) -> bool:
    return module == OWN_SITE or module.startswith(f"{OWN_SITE}.")


def _of_frames(frame: FrameType | None) -> Iterator[Root]:
    roots = []
    for _ in range(_MOST_FRAMES):
        if frame is None:
            break
        module = module_name(frame.f_globals)
        if _is_ours(module):
            return
        variables = variables_of(frame)
        if variables:
            roots.append(Root(f"{function_name(frame.f_code, module)}()", variables))
        frame = frame.f_back
    yield from roots


def _of_coroutine(coroutine: Any) -> Iterator[Root]:
    if type(coroutine) is not CoroutineType:
        return
    frame = coroutine.cr_frame
    if frame is None or coroutine.cr_running:
        return
    variables = variables_of(frame)
    if variables:
        yield Root(f"{function_name(frame.f_code, module_name(frame.f_globals))}()", variables)
