"""Creations during a check, and leftovers, as plain values."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple
from weakref import ReferenceType

from ..record.creation_stack import CreationStack
from ..record.creator import CreatorSpan
from ..record.site import Site
from .scope import Scope

LeakKind = Literal["task", "thread", "timer", "session"]


class Record(NamedTuple):
    """The record of one creation: the object, its site and stack, and its owner."""

    reference: ReferenceType[Any]
    site: Site
    stack: CreationStack
    owner: Scope | None


class Leftover(NamedTuple):
    """A task, thread, timer or session that outlived a scope.

    Attributes:
        loop: The event loop of a timer; None for other kinds.
        due_at: Monotonic time at which a timer is due; None if unknown.
    """

    kind: LeakKind
    reference: ReferenceType[Any]
    serial: int
    site: Site
    age_s: float
    creator: ReferenceType[Any] | None
    creator_span: CreatorSpan | None
    stack: CreationStack | None
    owner: Scope | None
    loop: ReferenceType[Any] | None = None
    due_at: float | None = None
