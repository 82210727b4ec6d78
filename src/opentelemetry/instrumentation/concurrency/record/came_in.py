"""Detection of spawners: frames that start what was passed to them.

A frame is a spawner if the coroutine, function or thread that it starts is one of its arguments, an attribute of an
argument or in its closure, directly or inside a wrapper. The creation is then attributed to its caller.

Values that the frame made itself did not come in: attributes and shared variables that its code stores, functions
defined beside it, functions that its enclosing function imported, and methods of its own object.

- Values are compared by identity.
- No code of the application is called.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType, CoroutineType, FrameType, FunctionType, GeneratorType, MethodType
from typing import Any, Final, Literal

from .bytecode import awaited_calls, contains_code, names_function, names_in
from .enclosing import finds_function, has_method, is_imported_by_enclosing, is_parameter_of_enclosing
from .frame_locals import parameter_names, variables_of
from .naming import function_name
from .raw_fields import items_within, module_name, named_attributes
from .started import (
    called_by_plumbing,
    code_of,
    coroutines_within,
    functions_behind,
    held_by,
    is_coroutine_function,
    is_unstarted,
    names_of_function,
    variables_in_closure,
    without_partials,
    without_plumbing,
)

Answer = Literal["yes", "no", "unreadable"]
_MAX_INCOMING: Final = 1000
_MAX_HOLDERS: Final = 8


@dataclass(slots=True)
class Subject:
    """The coroutine or thread that is started, with facts computed once for all frames of the walk outwards.

    Attributes:
        started: The coroutine or thread itself.
        real: The coroutine that plumbing wraps, or a thread's target.
        code: The code that is started.
        coroutines: The unstarted coroutines that it holds.
        held: All values that it was given.
        inner: The callable, or the coroutine kept in an attribute, that it was given to run; None while unknown.
        inside: The codes of the frames inside the one being examined.
    """

    started: object
    real: object
    code: CodeType | None
    coroutines: list[Any]
    held: list[Any]
    inner: object = None
    inside: list[CodeType] = field(default_factory=list)


def subject_of(started: object, target: object, code: CodeType | None) -> Subject:
    """Return the facts about a coroutine or thread that the walk outwards needs.

    Args:
        started: The coroutine or thread.
        target: The coroutine again, or the thread's target.
        code: The code of ``target``.
    """
    real = without_plumbing(target)
    held = held_by(started)
    if real is not started:
        held += held_by(real)
    called = called_by_plumbing(real)
    if called is not None:
        code = code_of(called)[0]
    return Subject(started, real, code, coroutines_within(started), held)


def came_in(frame: FrameType, subject: Subject, *, is_library: bool = False) -> Answer:
    """Return whether the started object came into ``frame`` from outside. Runs no code of the application.

    Args:
        frame: The frame.
        subject: The started object.
        is_library: Whether the frame is a library's. A plain callable whose result a library awaits (a server's
            ``receive``) does not count as run for its caller.

    Cost: some ten microseconds, once per line and started code.
    """
    variables = variables_of(frame)
    if variables is None:
        return "unreadable"
    try:
        return "yes" if _came_in(_Incoming(frame, variables, is_library=is_library), subject) else "no"
    finally:
        variables.clear()


def holds_as_argument(frame: FrameType, subject: Subject) -> bool:
    """Return whether ``frame`` was called with the started object, or a coroutine in it, and still has that argument.

    In that case the object existed before anything that the frame called, so it came into all of those calls.
    """
    variables = variables_of(frame)
    if variables is None:
        return False
    kept = [name for name in parameter_names(frame.f_code) if name not in names_in(frame.f_code).variables]
    given = [value for name in kept if name in variables for value in (variables[name], *items_within(variables[name]))]
    sought = [subject.started, subject.real, *subject.coroutines]
    return any(value is each for value in given for each in sought if type(each) is CoroutineType)


def is_given_generator(frame: FrameType, generator: FrameType) -> bool:
    """Return whether the generator whose frame is ``generator`` was passed to ``frame`` as an argument."""
    variables = variables_of(frame)
    if variables is None:
        return False
    given = [variables[name] for name in parameter_names(frame.f_code) if name in variables]
    given += [item for value in given for item in items_within(value)]
    return any(value.gi_frame is generator for value in given if type(value) is GeneratorType)


def passes_through(frame: FrameType, callee: CodeType) -> bool:
    """Return whether ``frame`` called a callable passed to it, like a middleware that calls the next application."""
    variables = variables_of(frame)
    if variables is None:
        return False
    try:
        incoming = _Incoming(frame, variables)
        return any(callee is code for value, own in incoming.callables() for code in _codes_of(value, own))
    finally:
        variables.clear()


class _Incoming:
    """Values that came into a frame.

    Args:
        frame: The frame.
        variables: Its variables.
        is_library: Whether the frame is a library's.
    """

    def __init__(self, frame: FrameType, variables: dict[str, Any], *, is_library: bool = False) -> None:
        self.is_library = is_library
        self.code = code = frame.f_code
        stored = names_in(code)
        names = parameter_names(code)
        self.parameters = [variables[name] for name in names if name in variables]
        self.first = variables.get(names[0]) if names else None
        self.given = [*self.parameters, *(item for value in self.parameters for item in items_within(value))]
        self.attributes = [
            (name, value, holder)
            for holder in self.parameters
            for name, value in named_attributes(holder)
            if name not in stored.attributes
        ][:_MAX_INCOMING]
        shared = {name: variables[name] for name in code.co_freevars if name in variables}
        self.namespace = frame.f_globals
        self.beside = [value for value in shared.values() if _is_sibling(value, code, module_name(frame.f_globals))]
        self.closure = [
            value
            for name, value in shared.items()
            if name not in stored.cells
            and not any(value is each for each in self.beside)
            and not is_imported_by_enclosing(value, name, code, frame.f_globals)
        ]

    def values(self) -> Iterator[Any]:
        """Yield every value that came in."""
        yield from self.given
        yield from self.closure
        for _, value, _ in self.attributes:
            yield value

    def callables(self) -> Iterator[tuple[Any, object]]:
        """Yield every value that came in; for an attribute, with the object whose own methods did not come in.

        For a frame that runs a method, ``self`` belongs to the frame: ``self()`` calls one of its methods.
        """
        for value in (*self.given, *self.closure):
            yield value, self.first if value is self.first and has_method(value, self.code) else None
        for _, value, holder in self.attributes:
            yield value, holder


def _came_in(incoming: _Incoming, subject: Subject) -> bool:
    if any(value is subject.real for value in (*incoming.given, *incoming.closure)):
        return True
    behind = [each for each in (subject.real, subject.inner, *subject.coroutines) if is_unstarted(each)]
    sought = [subject.started, *behind]
    if any(value is each for value in incoming.values() for each in sought):
        return True
    codes = [subject.code, *(each.cr_code for each in behind)]
    for value, own in incoming.callables():
        if any(code is each for code in _codes_of(value, own) for each in codes if each is not None) and (
            # A function that the frame finds by a name of its module did not come in by an attribute.
            own is None or not finds_function(incoming.code, incoming.namespace, codes)
        ):
            return True
    return (
        _is_made_by_incoming(incoming, subject, behind)
        or _runs_kept_coroutine(incoming, subject)
        or _runs_object_that_holds_incoming_coroutine(incoming, subject)
        or _holds_incoming_callable(incoming, subject)
        or _runs_function_that_holds_decorated_one(incoming, subject)
    )


def _is_made_by_incoming(incoming: _Incoming, subject: Subject, coroutines: list[Any]) -> bool:
    """Return whether a callable that came in and has returned names the started function, which the frame does not."""
    for coroutine in coroutines:
        names = [name for name in names_of_function(coroutine) if not names_function(incoming.code, name)]
        if len(names) < len(names_of_function(coroutine)):
            continue
        for value, own in incoming.callables():
            for code in _codes_of(value, own):
                runs_still = any(code is each for each in subject.inside)
                if not runs_still and any(names_function(code, name) for name in names):
                    return True
    return False


def _runs_kept_coroutine(incoming: _Incoming, subject: Subject) -> bool:
    """Return whether ``self._run()`` is started and names the attribute of ``self`` with an unstarted coroutine."""
    code = subject.code
    if code is None or not any(value is incoming.first for value in subject.held):
        return False
    for name, value, holder in incoming.attributes:
        if holder is incoming.first and name in code.co_names and is_unstarted(value):
            subject.inner = value
            return True
    return False


def _runs_object_that_holds_incoming_coroutine(incoming: _Incoming, subject: Subject) -> bool:
    """Return whether ``Job(coro).run()`` is started where ``coro`` came in, and names the attribute that holds it."""
    code = subject.code
    if code is None:
        return False
    coroutines = [value for value in (*incoming.given, *incoming.closure) if is_unstarted(value)]
    for holder in subject.held[:_MAX_HOLDERS] if coroutines else ():
        for name, value in named_attributes(holder):
            if name in code.co_names and any(value is coroutine for coroutine in coroutines):
                subject.inner = value
                return True
    return False


def _holds_incoming_callable(incoming: _Incoming, subject: Subject) -> bool:
    """Return whether the started wrapper holds and calls a callable that came in.

    The callable must be a coroutine function or a function whose result the wrapper awaits; an inner function may hold
    any callable.
    """
    code = subject.code
    is_inner = code is not None and contains_code(incoming.code, code)
    for value in (*incoming.given, *incoming.closure):
        if not _is_callable(value) or not any(_is_same(value, each) for each in subject.held):
            continue
        if is_inner or is_coroutine_function(value) or (not incoming.is_library and _awaits(subject.real, value)):
            subject.inner = value
            return True
    return False


def _awaits(coroutine: object, value: object) -> bool:
    """Return whether an unstarted coroutine will call a value and await the result."""
    frame = coroutine.cr_frame if type(coroutine) is CoroutineType else None
    names = awaited_calls(frame.f_code) if frame is not None and is_unstarted(coroutine) else ()
    if frame is None or not names:
        return False
    variables = variables_of(frame) or {}
    return any(name in variables and _is_same(variables[name], value) for name in names)


def _runs_function_that_holds_decorated_one(incoming: _Incoming, subject: Subject) -> bool:
    """Return whether a decorator's function starts a sibling function that holds the decorated coroutine function."""
    for function in incoming.beside:
        if function.__code__ is not subject.code:
            continue
        for name, value in variables_in_closure(function).items():
            given = is_coroutine_function(value) and any(_is_same(value, each) for each in subject.held)
            if given and is_parameter_of_enclosing(name, incoming.code, incoming.namespace):
                subject.inner = value
                return True
    return False


def _codes_of(value: object, own: object) -> Iterator[CodeType]:
    """Yield the codes that calling ``value`` runs, except for ``own`` and its methods."""
    method = without_partials(value)
    if own is not None and (value is own or (type(method) is MethodType and method.__self__ is own)):
        return
    for function in functions_behind(value):
        yield function.__code__


def _is_callable(value: object) -> bool:
    kind = type(value)
    return kind is FunctionType or kind is MethodType or issubclass(kind, functools.partial)


def _is_same(value: object, other: object) -> bool:
    if value is other:
        return True
    if type(value) is MethodType and type(other) is MethodType:
        return value.__func__ is other.__func__ and value.__self__ is other.__self__
    return False


def _is_sibling(value: object, code: CodeType, module: str) -> bool:
    """Return whether a function in a closure was defined beside ``code`` by the same function: it did not come in."""
    if type(value) is not FunctionType:
        return False
    prefix = f"{module}." if module else ""
    beside = function_name(code, module).rpartition(".")[0] + "."
    is_nested = beside.count(".") > prefix.count(".")
    return is_nested and f"{prefix}{value.__qualname__.replace('<locals>.', '')}".startswith(beside)
