"""Creation sites, with their counters and creation stacks."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any, Final, Literal

from .creation_stack import CreationStack
from .naming import CodeLine, absolute_path, function_name, line_of

Kind = Literal["task", "thread"]

BEFORE_ATTACH: Final = "_BEFORE_ATTACH"
"""Function of the sites of tasks and threads from before ``attach``, whose creating line was not recorded."""
_MOST_STACKS: Final = 32


class SpawningLine:
    """The line whose instruction started something, and the function that it starts.

    Sites that share a spawner share one instance; without a spawner, the line is the site's own.

    Attributes:
        line: The innermost line that is not plumbing.
        runs: Qualified name of the started function; empty if unknown.
    """

    __slots__ = ("line", "runs")

    def __init__(self, line: CodeLine, runs: str) -> None:
        self.line = line
        self.runs = runs

    def __repr__(self) -> str:
        return f"<SpawningLine {self.line.function} {self.line.path}:{self.line.line} runs {self.runs}>"


class Site:
    """A creation site with its counters.

    Each counter is changed by a single attribute store, which no other thread can split on a build with the global
    interpreter lock, and never decreases. ``samples_until_stack`` is both the counter of creations and the alarm for
    stacks: it falls by one per creation, and at zero the next stack is due.

    Attributes:
        function: Qualified function of the creating line.
        path: Absolute path of its file; empty if only a name is known.
        line: Its line number; 0 if only a name is known.
        runs: Qualified name of the coroutine function or thread target that came in; empty if unknown.
        via: Spawners and library functions between the creating line and the event loop, innermost first.
        spawning: The line whose instruction starts the task or thread.
        caller: The application line that called the plain function of the creating line; None if there is none. Sites
            that differ only in the caller have separate verdicts but are shown as one.
        stacks: Recorded creation stacks by the address of the created object, oldest first.
        executor: Whether the site created an executor, whose workers are the site's threads.
    """

    __slots__ = (
        "_stack_at",
        "caller",
        "code",
        "destroyed",
        "executor",
        "function",
        "kind",
        "lasti",
        "line",
        "module",
        "number",
        "path",
        "runs",
        "samples_until_stack",
        "spawning",
        "stacks",
        "unretrieved",
        "via",
        "wants_stacks",
    )

    def __init__(
        self,
        kind: Kind,
        number: int,
        code: CodeType | None,
        lasti: int,
        module: str,
        *,
        own: CodeLine | None = None,
        runs: str = "",
        via: tuple[CodeLine, ...] = (),
        spawning: SpawningLine | None = None,
    ) -> None:
        self.kind: Kind = kind
        self.number = number
        self.code = code
        self.lasti = lasti
        self.module = module
        self.start_empty()
        self.executor = False
        if own is None:
            own = code_line(code, lasti, module) if code is not None else CodeLine(module, "", 0)
        self.function, self.path, self.line = own.function, own.path, own.line
        self.runs = runs
        self.via = via
        self.spawning = spawning or SpawningLine(own, runs)
        self.caller: CodeLine | None = None

    @property
    def created(self) -> int:
        """Number of creations at this site."""
        while True:
            stack_at, left = self._stack_at, self.samples_until_stack
            # Both change together when a stack is taken.
            if stack_at == self._stack_at:
                return stack_at - left

    def start_empty(self) -> None:
        """Reset the counters and drop the recorded stacks. The next creation records a stack again."""
        self.destroyed = self.unretrieved = 0
        self._stack_at = self.samples_until_stack = 1
        self.stacks: dict[int, CreationStack] = {}
        self.wants_stacks = False

    def schedule_stack(self, creations: int) -> None:
        """Make the next stack due after this number of further creations; 0 means after each."""
        self._stack_at += creations
        self.samples_until_stack += creations

    def want_stacks(self, wanted: bool) -> None:
        """Record the stack of every further creation, or return to sampling."""
        if wanted and not self.wants_stacks and self.samples_until_stack > 1:
            self.schedule_stack(1 - self.samples_until_stack)
        self.wants_stacks = wanted

    def keep_stack(self, stack: CreationStack, address: int) -> None:
        """Store a creation stack. Above the limit, drop those of finished objects first, then the youngest."""
        stacks = self.stacks
        latest = self.any_stack()
        if latest is not None:
            stack.share_frames(latest)
        stacks.pop(address, None)
        stacks[address] = stack
        if len(stacks) > _MOST_STACKS:
            self._make_room()

    def _make_room(self) -> None:
        stacks = self.stacks
        for address, stack in list(stacks.items())[:-1]:
            if stack.reference() is None:
                stacks.pop(address, None)
        # The oldest of the remaining ones have survived longest: the leaked ones are among them.
        for address in list(stacks)[_MOST_STACKS // 2 : -1]:
            stacks.pop(address, None)

    def stack_of(self, found: object) -> CreationStack | None:
        """Return the creation stack of a live task or thread of this site, or None if it was not recorded."""
        stack = self.stacks.get(id(found))
        return stack if stack is not None and stack.reference() is found else None

    def any_stack(self) -> CreationStack | None:
        """Return the latest recorded creation stack of this site, or None."""
        # Copied by one C call, because the hooks add entries concurrently.
        kept = list(self.stacks.values())
        return kept[-1] if kept else None

    def drop_ended_stacks(self, is_finished: Callable[[Any], bool]) -> None:
        """Drop the stacks of finished tasks or threads, except the latest."""
        for address, stack in list(self.stacks.items())[:-1]:
            found = stack.reference()
            if (found is None or is_finished(found)) and self.stacks.get(address) is stack:
                self.stacks.pop(address, None)

    def __repr__(self) -> str:
        return f"<Site {self.number} {self.function} {self.path}:{self.line} runs {self.runs}>"


def code_line(code: CodeType, lasti: int, module: str) -> CodeLine:
    """Return the named source line of an instruction."""
    return CodeLine(function_name(code, module), absolute_path(code.co_filename), line_of(code, lasti))
