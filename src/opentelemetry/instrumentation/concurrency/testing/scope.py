"""Whose creation is it: the check that was open in the context in which a task or thread was created.

A check that is open is a scope. The current scope travels in a context variable, so every task inherits it, also when
tests run concurrently in one loop. Two sources are asked at each creation, because runners start test bodies in
contexts of their own and threads begin with an empty one:

* the scope seen in the creating context;
* the scope that the creating task or thread itself belongs to.

The deeper of the two counts, so far as it is open. Where neither says anything and no loop runs, the code is called by
what runs in its thread: the standard library's test case, for one, runs plain tests in a context made with the case,
before the test began. What a task of a closed check creates belongs to that closed check:
it is the offspring of a leak that was reported, never the fault of the test that runs now.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from threading import get_ident
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType

if TYPE_CHECKING:
    from .known_rules import KnownRule
    from .leak import Leak


class Scope:
    """One check while it is open, and what was seen to be left behind meanwhile.

    Args:
        label: What people know it by: a test's name, ``module tests/test_a.py``; may be empty.
        parent: The scope that was current when it was opened.
        is_boundary: What is left of it is never the parent's: tests and fixture scopes are judged each on its own.
        everything: It takes also what nobody can be named for.
    """

    __slots__ = (
        "__weakref__",
        "everything",
        "is_boundary",
        "is_open",
        "known",
        "label",
        "lost",
        "parent",
        "reported",
        "runner_loop",
        "task_mark",
        "thread_mark",
        "timeout_s",
    )

    def __init__(
        self, label: str = "", parent: Scope | None = None, *, is_boundary: bool = False, everything: bool = False
    ) -> None:
        self.label = label
        self.parent = parent
        self.is_boundary = is_boundary
        self.everything = everything
        self.is_open = True
        self.task_mark = 0
        self.thread_mark = 0
        self.lost: list[Leak] = []
        """What ended before the check did: cancelled by the runner, or destroyed while pending."""
        self.reported: set[tuple[str, int]] = set()
        self.runner_loop: ReferenceType[Any] | None = None
        """The loop of a test runner, in which the check may let things settle."""
        self.timeout_s = 0.0
        self.known: tuple[KnownRule, ...] = ()

    def and_outer(self) -> Iterator[Scope]:
        """Yield this scope and those around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def takes(self, owner: Scope | None) -> bool:
        """Tell whether what belongs to ``owner`` is judged by this scope."""
        if owner is None:
            return self.everything
        for scope in owner.and_outer():
            if scope is self:
                return True
            if scope.is_boundary:
                break
        return self.everything

    def is_within(self, other: Scope) -> bool:
        """Tell whether this scope is ``other`` or was opened inside it."""
        return any(scope is other for scope in self.and_outer())

    def mark_reported(self, kind: str, serial: int) -> None:
        """Note that a leak has been reported, so that no check around this one reports it again."""
        for scope in self.and_outer():
            scope.reported.add((kind, serial))


_CURRENT: ContextVar[Scope | None] = ContextVar("otel_concurrency_leak_scope", default=None)


def current_scope() -> Scope | None:
    """Return the scope of the running context, open or closed."""
    return _CURRENT.get()


def open_scope_here() -> Scope | None:
    """Return the innermost open scope of the running context."""
    scope = _CURRENT.get()
    while scope is not None and not scope.is_open:
        scope = scope.parent
    return scope


def enter_scope(scope: Scope) -> Token[Scope | None]:
    """Make ``scope`` the current one of the running context."""
    return _CURRENT.set(scope)


def leave_scope(token: Token[Scope | None]) -> None:
    """Make the scope before current again; in another context than that of the entry there is nothing to undo."""
    try:
        _CURRENT.reset(token)
    except ValueError:
        # An asynchronous generator, as fixtures are, may be closed in another context than it was started in.
        pass


_in_threads: dict[int, list[Scope]] = {}


@contextmanager
def running_in_thread(scope: Scope) -> Iterator[None]:
    """Make ``scope`` the current one of the running context, and of what this thread calls in contexts without one."""
    token = enter_scope(scope)
    stack = _in_threads.setdefault(get_ident(), [])
    stack.append(scope)
    try:
        yield
    finally:
        stack.remove(scope)
        if not stack:
            _in_threads.pop(get_ident(), None)
        leave_scope(token)


def scope_of_thread() -> Scope | None:
    """Return the innermost scope that is running in this thread."""
    stack = _in_threads.get(get_ident())
    return stack[-1] if stack else None


def scope_in(context: Any) -> Scope | None:
    """Return the scope that a task's context carries."""
    found: Scope | None = context.get(_CURRENT)
    return found


def owner_of(seen: Scope | None, creator: Scope | None) -> Scope | None:
    """Return the scope that a creation belongs to, or None if nobody can be named.

    Args:
        seen: The scope in the creating context.
        creator: The scope that the creating task or thread belongs to.
    """
    if seen is None or creator is None:
        return seen if creator is None else creator
    if seen.is_open and creator.is_open:
        return creator if creator.is_within(seen) else seen
    return creator if creator.is_open else seen
