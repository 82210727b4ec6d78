"""Creations during a check, and leftover tasks and threads, as plain values."""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import ReferenceType

from ..record.creation_stack import CreationStack
from ..record.creator import CreatorSpan
from ..record.site import Kind, Site
from .scope import Scope


class Record(NamedTuple):
    """The record of one creation: the object, its site and stack, and its owner."""

    reference: ReferenceType[Any]
    site: Site
    stack: CreationStack
    owner: Scope | None


class Leftover(NamedTuple):
    """A task or thread that outlived a scope."""

    kind: Kind
    reference: ReferenceType[Any]
    serial: int
    site: Site
    age_s: float
    creator: ReferenceType[Any] | None
    creator_span: CreatorSpan | None
    stack: CreationStack | None
    owner: Scope | None
