"""Which line created a task or thread: creation sites, interned once and found again in two dictionary look-ups.

A site is the innermost frame that is not plumbing. The walk outwards stops at the frame that runs the loop, because
what lies beyond it (the line of ``asyncio.run``) created nothing. If the walk met plumbing alone, the site is the code
of the coroutine itself. Stacks are kept as (code, offset) pairs; no frame outlives the look at it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import monotonic
from types import CodeType, FrameType
from typing import Any, Final, Literal, NamedTuple

from .loop_frames import is_handle_run, may_run_loop, stands_in_run_call
from .naming import absolute_path, function_name, line_of, relative_path

MAX_SITES_KNOWN: Final = 100_000
"""Sites interned at most; later ones share one site named ``_OTHER``, so generated code cannot exhaust memory."""

_NO_STACK_FOR: Final = 1 << 29
"""Creations until the question comes up again whether a stack is due, if none is ever: small for quick arithmetic."""

_PLUMBING: Final = (
    "asyncio",
    "concurrent.futures",
    "threading",
    "wrapt",
    "anyio",
    "uvloop",
    "opentelemetry.instrumentation",
    "sentry_sdk",
    "ddtrace",
)
_PLUMBING_PREFIXES: Final = tuple(f"{name}." for name in _PLUMBING)

Kind = Literal["task", "thread"]


class StackFrame(NamedTuple):
    """One frame of a creation stack: code, instruction offset in bytes, and the module it ran in."""

    code: CodeType
    lasti: int
    module: str


class CreationStack:
    """A whole creation stack and the creation that it belongs to.

    Args:
        created_at: Raw monotonic time of that creation.
        flat: Code, instruction offset and module of each frame, innermost first, one after the other.
    """

    __slots__ = ("_flat", "created_at")

    def __init__(self, created_at: float, flat: list[Any]) -> None:
        self.created_at = created_at
        self._flat = tuple(flat)

    @property
    def frames(self) -> tuple[StackFrame, ...]:
        """The frames, innermost first. Made when somebody reads them: most stacks are replaced unread."""
        places = iter(self._flat)
        triples = zip(places, places, places, strict=True)
        return tuple(StackFrame(code, lasti, str(module or "")) for code, lasti, module in triples)


class Site:
    """A creation site with its counters.

    The counters are changed by single attribute stores that no other thread can split on a build with the global
    interpreter lock; they never decrease. For creations one number is both counter and alarm: ``until_stack`` falls by
    one each, and at zero a whole stack is due.
    """

    __slots__ = (
        "_stack_at",
        "code",
        "destroyed",
        "executor",
        "first_seen",
        "first_stack",
        "function",
        "kind",
        "lasti",
        "latest_stack",
        "line",
        "module",
        "number",
        "path",
        "unretrieved",
        "until_stack",
    )

    def __init__(self, kind: Kind, number: int, code: CodeType | None, lasti: int, module: str) -> None:
        self.kind: Kind = kind
        self.number = number
        self.code = code
        self.lasti = lasti
        self.module = module
        self.start_empty()
        self.first_seen = monotonic()
        self.executor = False
        if code is None:
            self.function, self.path, self.line = module, "", 0
        else:
            self.function = function_name(code, module)
            self.path = absolute_path(code.co_filename)
            self.line = line_of(code, lasti)

    @property
    def created(self) -> int:
        """How many were created here."""
        while True:
            stack_at, left = self._stack_at, self.until_stack
            # Both move on together when a stack is taken.
            if stack_at == self._stack_at:
                return stack_at - left

    def start_empty(self) -> None:
        """Set the counters to zero and forget the sampled stacks. The first creation is to take one."""
        self.destroyed = self.unretrieved = 0
        self._stack_at = self.until_stack = 1
        self.first_stack: CreationStack | None = None
        self.latest_stack: CreationStack | None = None

    def next_stack_after(self, creations: int) -> None:
        """Say after how many further creations a whole stack is due again; 0 = after each."""
        self._stack_at += creations
        self.until_stack += creations

    @property
    def metric_path(self) -> str:
        """The file, relative to its ``sys.path`` entry."""
        return relative_path(self.path)

    def __repr__(self) -> str:
        return f"<Site {self.number} {self.function} {self.path}:{self.line}>"


_NOWHERE: Final = Site("task", -1, None, -2, "")
"""A guess that never holds."""


class SiteTable:
    """All sites of one kind, and the dictionaries that find them from a running frame.

    ``lines_by_code[id(code)]`` is None for plumbing, else maps instruction offsets to sites. Keys are ids, because
    hashing a code object compares structures (5 µs on ≥ 3.13); every code object met is kept alive in ``_codes``.
    ``guesses`` is asked first: the site last met at an instruction offset, whatever the code. It holds if the code is
    the frame's, and saves the hooks a tenth of a microsecond.
    """

    def __init__(self, kind: Kind, *, stack_depth: int, stack_sampling: int, on_new_site: Callable[[], None]) -> None:
        self.kind: Kind = kind
        self.sites: list[Site] = []
        self.lines_by_code: dict[int, dict[int, Site] | None] = {}
        self.guesses: dict[int, Site] = {}
        self._stack_depth = stack_depth
        self._stack_sampling = stack_sampling
        self._on_new_site = on_new_site
        self._codes: dict[int, CodeType] = {}
        self._interned: dict[tuple[int, int] | str, Site] = {}
        self._other: Site | None = None
        self._by_coroutine: dict[int, list[Site]] = {}
        self.watcher: Callable[[Any, Site, CreationStack], None] | None = None
        """Called with each task or thread whose stack is captured, in the context of its creation; for leak tests."""
        self.ends_stack: Callable[[str], bool] | None = None
        """Tells by a module whether a creation stack ends before its frame; for leak tests, which end at the runner."""
        self._run_calls: dict[tuple[int, int], bool] = {}

    def forget_lines(self) -> None:
        """Empty the look-up, so that the next creation takes the slow path and wakes the census. Sites stay."""
        self.lines_by_code.clear()
        self.guesses.clear()

    def start_empty(self) -> None:
        """Set all counters to zero and forget the sampled stacks, in a forked child."""
        self.forget_lines()
        for site in self.sites:
            site.start_empty()

    def find(self, frame: FrameType | None, coro: object, loop: Any = None) -> Site:
        """Find or make the site for a creation seen from ``frame``, walking outwards. The slow path of every hook.

        Args:
            frame: The frame at which the fast look-up gave up, or None at the end of the stack.
            coro: The coroutine of the task, or the target of the thread; names the site if all frames are plumbing.
            loop: The event loop, or None for threads.
        """
        self._on_new_site()
        if frame is not None:
            # Plumbing has no site; without a guess that fails, the look-up would give up at this offset for ever.
            self.guesses.setdefault(frame.f_lasti, _NOWHERE)
        while frame is not None:
            code = frame.f_code
            if is_handle_run(code):
                # An empty table makes the fast look-up give up here as well.
                self._remember(code, {})
                break
            runs_loop = loop is not None and self._stands_in_run_call(frame)
            if runs_loop and loop.is_running():
                break
            module = frame.f_globals.get("__name__")
            if is_plumbing(module):
                self._remember(code, {} if may_run_loop(code) else None)
                frame = frame.f_back
                continue
            # The same instruction starts the main task and then runs all callbacks, so it is never looked up fast.
            site = self._intern(code, frame.f_lasti, module, on_line=not runs_loop)
            self.note_coroutine(coro, site)
            return site
        return self.of_callable(coro)

    def note_coroutine(self, coro: object, site: Site) -> None:
        """Remember that ``site`` starts this coroutine function, for tasks met when nothing else leads to a site."""
        code, _ = code_of(coro)
        if code is not None:
            self._codes[id(code)] = code
            sites = self._by_coroutine.setdefault(id(code), [])
            if site not in sites:
                sites.append(site)

    def sites_of_coroutine(self, coro: object) -> list[Site]:
        """Return the sites known to start this coroutine function, in the order of their discovery."""
        code, _ = code_of(coro)
        return [] if code is None else self._by_coroutine.get(id(code), [])

    def of_callable(self, target: object) -> Site:
        """Return the site of a coroutine's or function's own code, for creations that no application line made."""
        code, module = code_of(target)
        if code is None:
            return self.named(f"{type(target).__module__}.{type(target).__qualname__}")
        return self._intern(code, -1, module, on_line=False)

    def named(self, name: str) -> Site:
        """Return the site that stands for ``name`` alone, without file and line."""
        site = self._interned.get(name)
        if site is None:
            site = self._interned[name] = self._new(None, -2, name)
        return site

    def capture_stack(self, site: Site, frame: FrameType | None, created_at: float, found: object) -> None:
        """Keep the stack from ``frame`` outwards at ``site``, show it to the watcher, set when the next one is due."""
        if not self._stack_sampling:
            site.next_stack_after(_NO_STACK_FOR)
            return
        # Where every creation counts, the alarm stays on: another thread that has moved it must not skip one.
        site.next_stack_after(self._stack_sampling if self._stack_sampling > 1 else 0)
        while frame is not None and is_plumbing(frame.f_globals.get("__name__")) and not is_handle_run(frame.f_code):
            frame = frame.f_back
        flat: list[Any] = []
        ends, longest = self.ends_stack, 3 * self._stack_depth
        while frame is not None and len(flat) < longest:
            code = frame.f_code
            module = frame.f_globals.get("__name__")
            if (code.co_name == "_run" and is_handle_run(code)) or (ends is not None and flat and ends(str(module))):
                break
            flat += (code, frame.f_lasti, module)
            frame = frame.f_back
        stack = CreationStack(created_at, flat)
        if site.first_stack is None:
            site.first_stack = stack
        site.latest_stack = stack
        if self.watcher is not None:
            self.watcher(found, site, stack)

    def _stands_in_run_call(self, frame: FrameType) -> bool:
        code = frame.f_code
        if not may_run_loop(code):
            return False
        self._codes[id(code)] = code
        key = (id(code), frame.f_lasti)
        known = self._run_calls.get(key)
        if known is None:
            known = self._run_calls[key] = stands_in_run_call(code, frame.f_lasti)
        return known

    def _remember(self, code: CodeType, lines: dict[int, Site] | None) -> dict[int, Site] | None:
        self._codes[id(code)] = code
        self.lines_by_code[id(code)] = lines
        return lines

    def _intern(self, code: CodeType, lasti: int, module: object, *, on_line: bool) -> Site:
        key = (id(code), lasti)
        site = self._interned.get(key)
        if site is None:
            self._codes[id(code)] = code
            site = self._interned[key] = self._new(code, lasti, module if isinstance(module, str) else "")
        if on_line:
            lines = self.lines_by_code.get(id(code))
            if lines is None:
                lines = self._remember(code, {})
                assert lines is not None
            lines[lasti] = self.guesses[lasti] = site
        return site

    def _new(self, code: CodeType | None, lasti: int, module: str) -> Site:
        if len(self.sites) >= MAX_SITES_KNOWN:
            if self._other is None:
                self._other = self._append(None, -2, "_OTHER")
            return self._other
        return self._append(code, lasti, module)

    def _append(self, code: CodeType | None, lasti: int, module: str) -> Site:
        site = Site(self.kind, len(self.sites), code, lasti, module)
        self.sites.append(site)
        # Two threads may append at once: the number is the place where the site really stands.
        site.number = len(self.sites) - 1 if self.sites[-1] is site else self.sites.index(site)
        return site


def is_plumbing(module: object) -> bool:
    """Tell whether a module only passes creations on: asyncio, executors, wrappers and instrumentations."""
    return isinstance(module, str) and (module in _PLUMBING or module.startswith(_PLUMBING_PREFIXES))


def code_of(target: object) -> tuple[CodeType | None, str]:
    """Return the code of a coroutine, generator or function and its module name, without running anything of it."""
    for code_name, frame_name in (("cr_code", "cr_frame"), ("gi_code", "gi_frame"), ("ag_code", "ag_frame")):
        code = getattr(target, code_name, None)
        if isinstance(code, CodeType):
            frame = getattr(target, frame_name, None)
            module = frame.f_globals.get("__name__") if frame is not None else None
            return code, module if isinstance(module, str) else _module_of_path(code.co_filename)
    function = getattr(target, "__func__", target)
    code = getattr(function, "__code__", None)
    module = getattr(function, "__module__", None)
    return (code if isinstance(code, CodeType) else None), module if isinstance(module, str) else ""


def _module_of_path(path: str) -> str:
    for name, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) == path:
            return name
    return ""
