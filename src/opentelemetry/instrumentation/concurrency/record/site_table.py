"""Table of sites: decided once per path of frames, then found by two lookups."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from types import CodeType, CoroutineType, FrameType
from typing import Any, Final
from weakref import ReferenceType, ref

from .application import ApplicationCode
from .came_in import subject_of
from .creating_line import CreatingLine, find_creating_line
from .creation_stack import CreationStack, read_stack
from .internals.of_asyncio import running_loop
from .loop_frames import may_run_loop, stands_in_run_call
from .naming import CodeLine
from .outward import Outward, is_comprehension, module_of_frame, named_line
from .paths import Node, Paths, follow, follow_to_loop
from .raw_fields import type_name
from .restarts import ended_task_given_to, makes_what_runs
from .site import BEFORE_ATTACH, Kind, Site, SpawningLine
from .started import (
    called_by_plumbing,
    code_of,
    innermost_coroutine,
    name_of_target,
    name_of_type,
    name_of_what_runs,
    was_given_none,
)
from .waiting_callers import is_handed_over, waiting_caller
from .wrappers import Wrappers

MAX_SITES_KNOWN: Final = 20_000
"""Maximum number of sites, 5 KB each. Later ones share ``_OTHER``: generated code creates new sites without end."""

_NO_STACK_FOR: Final = 1 << 29
"""Creations until the next check for a due stack if stacks are disabled: small, for fast integer arithmetic."""
_MOST_VIA: Final = 16
_TRIES: Final = 16
_MOST_EXPECTED: Final = 10_000
_MOST_TRIED: Final = 10_000


_STAND_IN: Final = (lambda: None).__code__


class SiteTable:
    """Sites of one kind, and the paths that lead to them from a running frame.

    ``guesses`` maps the sum of an instruction offset and a started code to the path last followed from there,
    whatever the frame. The guess holds if the path's code is the frame's.

    Args:
        kind: Tasks or threads.
        stack_depth: Maximum number of frames in a creation stack.
        stack_sampling: Besides the first creation of a site, one in this many records its stack; 1 = all, 0 = none.
        on_new_site: Called whenever a creation takes the slow path.
        application: Distinguishes application code from library code.
    """

    def __init__(
        self,
        kind: Kind,
        *,
        stack_depth: int,
        stack_sampling: int,
        on_new_site: Callable[[], None],
        application: ApplicationCode,
    ) -> None:
        self.kind: Kind = kind
        self.sites: list[Site] = []
        self.guesses: dict[int, Node] = {}
        self._stack_depth = stack_depth
        self._stack_sampling = stack_sampling
        self._on_new_site = on_new_site
        self._application = application
        self._paths = Paths()
        self._wrappers = Wrappers()
        self._codes: dict[int, CodeType] = {}
        self._interned: dict[Any, Site] = {}
        self._spawning: dict[Any, SpawningLine] = {}
        self.other: Site | None = None
        """The site shared by all sites beyond the limit; None while there are none."""
        self._sites_of: dict[int, set[Site]] = {}
        self._tries: dict[tuple[int, int, int], float] = {}
        self._run_calls: dict[tuple[int, int], bool] = {}
        self._stand_ins: dict[tuple[int, str], tuple[type, CodeType]] = {}
        self._expected: dict[int, tuple[ReferenceType[Any], Site, list[Any]]] = {}
        self.watcher: Callable[[Any, Site, CreationStack], None] | None = None
        """Called with each task or thread whose stack is captured, in its creation context; set by leak tests."""
        self.locate: Callable[[Any], Site | None] | None = None
        """Returns the site of a task that has just finished, if it is still known."""
        self.ends_stack: Callable[[str], bool] | None = None
        """Returns whether creation stacks and the search for the creating line end before a frame of the module; set
        by leak tests, which end at the test runner."""

    def forget_paths(self) -> None:
        """Clear the lookup, so that the next creation takes the slow path and starts the census. Sites stay."""
        self.guesses.clear()

    def start_empty(self) -> None:
        """Reset all counters and drop the recorded stacks, in a forked child."""
        self.forget_paths()
        self._expected.clear()
        for site in self.sites:
            site.start_empty()

    def find(self, frame: FrameType | None, started: Any, loop: Any = None, *, target: Any = None) -> Site:
        """Find or create the site of a creation seen from ``frame``. The slow path of every hook.

        Args:
            frame: The frame that called the hook, or None at the end of the stack.
            started: The coroutine, thread or executor class that is created.
            loop: The event loop, or None for threads.
            target: The object that it runs; None for ``started`` itself.

        Cost: 2 µs on a known path, tens of microseconds on a new one.
        """
        self._on_new_site()
        if loop is None:
            # For a thread or a coroutine that is handed over, the walk ends at the loop running in the current thread.
            loop = running_loop()
        if self._expected and (expected := self._take_expected(started)) is not None:
            return expected
        target = started if target is None else target
        # The module is not read here: from 3.11 on, that creates a frame object that lives as long as the coroutine.
        code = target.cr_code if type(target) is CoroutineType else code_of(target)[0] or self._stand_in(target)
        if frame is None:
            return self._decide(frame, started, target, code, loop)
        runs = self._wrappers.code_within(target, code)
        root = self._paths.root(frame, code, runs)
        if root is not None:
            site = follow(root, frame)
            if site is not None and runs is code:
                self.guesses[frame.f_lasti + id(code)] = root
            if site is None and loop is not None and loop.is_running():
                site = follow_to_loop(root, frame)
            if site is not None:
                return site
        return self._decide(frame, started, target, code, loop)

    def _stand_in(self, target: object) -> CodeType:
        """Return a code object that represents a target without code (a class, a C function) in paths."""
        kind = type(target)
        key = (id(kind), name_of_target(target))
        known = self._stand_ins.get(key)
        if known is None or known[0] is not kind:
            if len(self._stand_ins) >= _MOST_TRIED:
                self._stand_ins.clear()
            # The entry keeps the type alive, so that its id is not reused.
            known = self._stand_ins[key] = (kind, _STAND_IN.replace(co_name=type_name(kind)))
        return known[1]

    def expect(self, coroutine: Any, frame: FrameType) -> None:
        """Remember that a coroutine was handed to another thread at ``frame``, the creation site of its task."""
        site = self.find(frame, coroutine)
        if len(self._expected) >= _MOST_EXPECTED:
            for address, (reference, _, _) in list(self._expected.items()):
                if reference() is None:
                    self._expected.pop(address, None)
        flat = read_stack(frame, self._stack_depth, self.ends_stack) if site.samples_until_stack <= 1 else []
        self._expected[id(coroutine)] = (ref(coroutine), site, flat)

    def only_site_of(self, started: object) -> Site | None:
        """Return the only site that starts this coroutine's function; None if there are several or none."""
        code, _ = code_of(started)
        found = set() if code is None else self._sites_of.get(id(code), set())
        return next(iter(found)) if len(found) == 1 else None

    def may_start(self, site: Site, started: object) -> bool:
        """Return False if the site is known never to have started this coroutine's function."""
        code, _ = code_of(started)
        if code is None or site is self.other or len(self._sites_of) >= MAX_SITES_KNOWN:
            return True
        return site in self._sites_of.get(id(code), ())

    def sites_that_start(self, code: CodeType | None) -> set[Site]:
        """Return the sites that have started a coroutine or function of this code."""
        return set() if code is None else self._sites_of.get(id(code), set())

    def of_callable(self, target: object, *, before_attach: bool = False) -> Site:
        """Return the site named after a coroutine's or function's own code, for creations without application frame.

        With ``before_attach``, it is named `BEFORE_ATTACH` instead.
        """
        code, module = code_of(target)
        if code is None:
            return self.named(name_of_type(type(target)))
        runs = name_of_what_runs(innermost_coroutine(target))
        if before_attach:
            own = CodeLine(BEFORE_ATTACH, "", 0)
            return self._intern((BEFORE_ATTACH, id(code), runs), code, -1, module, own=own, runs=runs)
        return self._intern((id(code), -1, runs), code, -1, module, runs=runs)

    def at_line_of(self, task_site: Site, target: object) -> Site:
        """Return the site at a task's creating line, for objects that only plumbing starts while the task runs."""
        if task_site.code is None:
            return self.of_callable(target)
        code, lasti, runs = task_site.code, task_site.lasti, name_of_what_runs(innermost_coroutine(target))
        return self._intern((id(code), lasti, runs), code, lasti, task_site.module, runs=runs, via=task_site.via)

    def named(self, name: str) -> Site:
        """Return the site that consists of ``name`` alone, without file and line."""
        return self._interned.get(name) or self._intern(name, None, -2, name, runs="")

    def capture_stack(self, site: Site, frame: FrameType | None, created_at: float, found: object) -> None:
        """Store the stack from ``frame`` outwards at ``site``, pass it to the watcher and schedule the next."""
        if not self._stack_sampling:
            site.schedule_stack(_NO_STACK_FOR)
            return
        # If every creation records a stack, the counter stays at zero: no concurrent creation may miss its stack.
        every = self._stack_sampling == 1 or site.wants_stacks
        site.schedule_stack(0 if every else self._stack_sampling)
        flat = read_stack(frame, self._stack_depth, self.ends_stack)
        if not flat and self.kind == "task":
            flat = self._handed_over(found)
        stack = CreationStack(created_at, flat, ref(found))
        site.keep_stack(stack, id(found))
        if self.watcher is not None:
            self.watcher(found, site, stack)

    def _decide(self, frame: FrameType | None, started: Any, target: Any, code: CodeType, loop: Any) -> Site:
        if self._paths.is_full or len(self.sites) >= MAX_SITES_KNOWN:
            return self._other_site()
        outward = Outward(frame, lambda each: loop is not None and self._runs_loop(each, loop), self.ends_stack)
        inner = innermost_coroutine(target)
        if outward.at(0) is None:
            given = called_by_plumbing(inner)
            site = self._at_waiting_caller(started, target, inner, loop)
            site = site or self.of_callable(target if given is None else given)
            self._note_site_of(code, site)
            is_same_again = self.kind == "task" and not is_handed_over(inner, outward.consulted)
            if is_same_again and self._learn_wrapper(target, inner, None):
                self._remember(outward, target, code, site)
            return site
        subject = subject_of(started, target, code_of(target)[0])
        answer = find_creating_line(outward, subject, self._application)
        runs = name_of_what_runs(inner, subject.inner)
        before = self._predecessor_site(outward) if self.kind == "task" else None
        if before is not None and before.runs == runs and makes_what_runs(outward, subject, runs):
            # Not remembered: for another task, the same callback starts a different successor.
            self._note_site_of(code, before)
            return before
        site = self._site_at(outward, answer, runs)
        self._note_site_of(code, site)
        can_tell, certainty = self._learn_wrapper(target, inner, subject.inner), answer.certainty
        if certainty == "path" and not self._wrappers.are_of(code) and was_given_none(target):
            # Another use of the same line may pass it a coroutine.
            certainty = "unsure"
        if can_tell and (certainty == "path" or self._is_tried_enough(outward, code, certainty)):
            self._remember(outward, target, code, site)
        return site

    def _at_waiting_caller(self, started: Any, target: Any, inner: object, loop: Any) -> Site | None:
        """Return the site at the line of another thread that waits for the task to start; None if there is none."""
        frame = waiting_caller(inner)
        if frame is None:
            return None
        site = self.find(frame, started, loop, target=target)
        if site.samples_until_stack <= 1:
            flat = read_stack(frame, self._stack_depth, self.ends_stack)
            self._expected[id(started)] = (ref(started), site, flat)
        return site

    def _predecessor_site(self, outward: Outward) -> Site | None:
        ended = ended_task_given_to(outward)
        return None if ended is None or self.locate is None else self.locate(ended)

    def _is_tried_enough(self, outward: Outward, code: CodeType, certainty: str) -> bool:
        """Return whether the answer for a line has been unsure often enough to be accepted."""
        first, lasti = outward.consulted[0]
        assert first is not None
        if len(self._tries) >= _MOST_TRIED:
            self._tries.clear()
        # A code object at a reused address inherits the entry, which only settles its line earlier.
        key = (id(first), lasti, id(code))
        tries = self._tries[key] = -inf if certainty == "creation" else self._tries.get(key, 0) + 1
        return tries >= _TRIES

    def _note_site_of(self, code: CodeType, site: Site) -> None:
        if len(self._sites_of) >= MAX_SITES_KNOWN and id(code) not in self._sites_of:
            # One line may start generated code without end. Code that is not noted counts as started by several sites.
            return
        self._codes[id(code)] = code
        self._sites_of.setdefault(id(code), set()).add(site)

    def _learn_wrapper(self, target: Any, inner: object, held: object) -> bool:
        """Learn where a wrapper holds what it runs; return whether others of its code hold it there too."""
        within = inner if inner is not target else held
        if within is not None and not self._wrappers.add(target, within):
            return False
        given = called_by_plumbing(inner)
        return given is None or self._wrappers.add(inner, given)

    def _remember(self, outward: Outward, target: Any, code: CodeType, site: Site) -> None:
        """Store the path, unless a frame on it may run a loop: then each creation must decide where the path ends."""
        path = outward.consulted
        crossed = path[:-1] if outward.ended_at_loop else path
        if any(each is not None and may_run_loop(each) for each, _ in crossed):
            return
        self._codes[id(code)] = code
        runs = self._wrappers.code_within(target, code)
        root = self._paths.add(path, code, runs, site, running=outward.ended_at_loop)
        if root is not None and not self._wrappers.are_of(code):
            self.guesses[path[0][1] + id(code)] = root

    def _site_at(self, outward: Outward, answer: CreatingLine, runs: str) -> Site:
        frame, innermost = outward.at(answer.place), outward.at(0)
        caller = None if answer.caller is None else outward.at(answer.caller)
        assert frame is not None and innermost is not None
        spawned = (id(innermost.f_code), innermost.f_lasti, runs)
        called = (id(caller.f_code), caller.f_lasti) if caller is not None else ()
        key = (id(frame.f_code), frame.f_lasti, *spawned, *called)
        site = self._interned.get(key)
        if site is not None:
            return site
        for each in (frame, innermost, caller):
            if each is not None:
                self._codes[id(each.f_code)] = each.f_code
        left = [outward.at(each) for each in range(answer.place)]
        # Since Python 3.12, a comprehension has no frame of its own.
        via = tuple(named_line(inner) for inner in left if inner is not None and not is_comprehension(inner))[
            :_MOST_VIA
        ]
        spawning = self._spawning.get(spawned)
        if spawning is None:
            # Two threads may arrive here at once; sites that share the line must share one object.
            spawning = self._spawning.setdefault(spawned, SpawningLine(named_line(innermost), runs))
        return self._intern(
            key,
            frame.f_code,
            frame.f_lasti,
            module_of_frame(frame),
            own=named_line(frame),
            runs=runs,
            via=via,
            spawning=spawning,
            caller=None if caller is None else named_line(caller),
        )

    def _runs_loop(self, frame: FrameType, loop: Any) -> bool:
        code = frame.f_code
        if not may_run_loop(code):
            return False
        self._codes[id(code)] = code
        key = (id(code), frame.f_lasti)
        known = self._run_calls.get(key)
        if known is None:
            known = self._run_calls[key] = stands_in_run_call(code, frame.f_lasti)
        return known and bool(loop.is_running())

    def _take_expected(self, started: object) -> Site | None:
        reference, site, _ = self._expected.get(id(started), (None, None, None))
        return site if reference is not None and reference() is started else None

    def _handed_over(self, task: Any) -> list[Any]:
        """Return and drop the stack that was recorded where the coroutine of ``task`` was handed over."""
        coroutine = getattr(task, "_coro", None)
        reference, _, flat = self._expected.pop(id(coroutine), (None, None, []))
        return flat if reference is not None and reference() is coroutine else []

    def _intern(
        self,
        key: Any,
        code: CodeType | None,
        lasti: int,
        module: str,
        *,
        runs: str,
        own: CodeLine | None = None,
        via: tuple[CodeLine, ...] = (),
        spawning: SpawningLine | None = None,
        caller: CodeLine | None = None,
    ) -> Site:
        site = self._interned.get(key)
        if site is None:
            if len(self.sites) >= MAX_SITES_KNOWN:
                return self._other_site()
            if code is not None:
                self._codes[id(code)] = code
            site = self._interned[key] = self._append(
                Site(self.kind, len(self.sites), code, lasti, module, own=own, runs=runs, via=via, spawning=spawning)
            )
            site.caller = caller
        return site

    def _other_site(self) -> Site:
        if self.other is None:
            self.other = self._append(Site(self.kind, len(self.sites), None, -2, "_OTHER"))
        return self.other

    def _append(self, site: Site) -> Site:
        self.sites.append(site)
        # Two threads may append at once: the number must be the site's actual index.
        site.number = len(self.sites) - 1 if self.sites[-1] is site else self.sites.index(site)
        return site
