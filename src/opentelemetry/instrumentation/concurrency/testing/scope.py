"""Scopes: the check to which the creation of a task or thread belongs.

An open check is a scope. The current scope is kept in a context variable, so every task inherits it, also when tests
run concurrently in one loop. Runners start test bodies in contexts of their own, and threads begin with an empty
context. Two sources are therefore used for each creation:

- the scope in the creating context;
- the scope that owns the creating task or thread.

The deeper of the two is the owner, provided that it is open. If there is neither and no loop is running, the owner is
the scope that runs in the current thread: the standard library's test case, for example, runs plain tests in a context
created with the case, before the test began. Creations by a task of a closed check belong to that closed check: they
result from a leak that was already reported, not from the current test.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from threading import get_ident
from typing import Any
from weakref import ReferenceType


class Scope:
    """A check while it is open.

    Args:
        label: Its name: a test's name, or ``module tests/test_a.py``; may be empty.
        parent: The scope that was current when it was opened.
        is_boundary: Whether its leaks never count for the parent: tests and fixture scopes are checked separately.
        everything: Whether it includes tasks and threads without a known owner.
    """

    __slots__ = (
        "__weakref__",
        "everything",
        "is_boundary",
        "is_open",
        "label",
        "parent",
        "reported",
        "runner_loop",
        "task_mark",
        "thread_mark",
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
        self.reported: set[tuple[str, int]] = set()
        self.runner_loop: ReferenceType[Any] | None = None
        """The loop of a test runner, in which the check may wait."""

    def and_outer(self) -> Iterator[Scope]:
        """Yield this scope and its outer scopes."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def takes(self, owner: Scope | None) -> bool:
        """Return whether this scope checks what belongs to ``owner``."""
        if owner is None:
            return self.everything
        for scope in owner.and_outer():
            if scope is self:
                return True
            if scope.is_boundary:
                break
        return self.everything

    def is_within(self, other: Scope) -> bool:
        """Return whether this scope is ``other`` or was opened inside it."""
        return any(scope is other for scope in self.and_outer())

    def mark_reported(self, kind: str, serial: int) -> None:
        """Note that a leak was reported, so that outer checks do not report it again."""
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
    """Make ``scope`` the current scope of the running context."""
    return _CURRENT.set(scope)


def leave_scope(token: Token[Scope | None]) -> None:
    """Restore the previous scope; in a context other than that of the entry there is nothing to restore."""
    try:
        _CURRENT.reset(token)
    except ValueError:
        # An asynchronous generator, such as a fixture, may be closed in another context than it was started in.
        pass


_in_threads: dict[int, list[Scope]] = {}


@contextmanager
def running_in_thread(scope: Scope) -> Iterator[None]:
    """Make ``scope`` current in the running context, and for calls of this thread in contexts without a scope."""
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
    """Return the innermost scope running in this thread."""
    stack = _in_threads.get(get_ident())
    return stack[-1] if stack else None


def scope_in(context: Any) -> Scope | None:
    """Return the scope in a task's context."""
    found: Scope | None = context.get(_CURRENT)
    return found


def owner_of(seen: Scope | None, creator: Scope | None) -> Scope | None:
    """Return the scope that owns a creation, or None if there is none.

    Args:
        seen: The scope in the creating context.
        creator: The scope that owns the creating task or thread.
    """
    if seen is None or creator is None:
        return seen if creator is None else creator
    if seen.is_open and creator.is_open:
        return creator if creator.is_within(seen) else seen
    return creator if creator.is_open else seen
