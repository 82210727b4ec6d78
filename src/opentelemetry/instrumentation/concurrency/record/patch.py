"""A reversible replacement of an attribute, installed with wrapt.

The hook is placed innermost, beneath wrapt wrappers that exist already. Other instrumentations remove the outermost
wrapper whichever it is, so the wrapper that they remove is always one of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

import wrapt

_MISSING = object()
_left_behind: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()
"""Disarmed hooks that could not be removed because the hook of another recorder wraps them; they disappear with it. The
value states whether the hook was the first to give its owner the attribute."""
# wrapt 2 split the base of its function wrappers from ObjectProxy.
_PROXY: Any = getattr(wrapt, "BaseObjectProxy", wrapt.ObjectProxy)
_hook_types: list[type] = [FunctionType]
"""Types of all hooks so far: functions, and that of the compiled recorder. Compared by identity only."""


class Patch:
    """A hook on ``owner.name``.

    Args:
        owner: A class or module.
        name: The attribute.
        build: Takes the original; returns the replacement and a function that permanently disables the hook in it.
    """

    def __init__(
        self, owner: Any, name: str, build: Callable[[Any], tuple[Callable[..., Any], Callable[[], None]]]
    ) -> None:
        self.owner = owner
        self.name = name
        self._build = build
        self._hook: Any = None
        self._disarm: Callable[[], None] | None = None
        self._shadows = False

    def install(self) -> None:
        """Install the hook. Does nothing if it is installed."""
        if self._hook is not None:
            return
        self._shadows = self.name not in vars(self.owner)
        below = _innermost_proxy(vars(self.owner).get(self.name))
        if below is None:
            wrapt.wrap_object(self.owner, self.name, self._replacement)  # type: ignore[arg-type, unused-ignore]  # wrapt < 2
        else:
            below.__wrapped__ = self._replacement(below.__wrapped__)

    def remove(self) -> None:
        """Remove the hook, wherever in the chain it is; if that is impossible, disable it permanently."""
        hook, self._hook = self._hook, None
        if hook is None:
            return
        if self._disarm is not None:
            self._disarm()
        current = vars(self.owner).get(self.name, _MISSING)
        below: Any = hook.__wrapped__
        shadows = self._shadows
        while _was_left_behind(below):
            below, shadows = below.__wrapped__, _left_behind[below]
        if current is hook:
            if shadows:
                delattr(self.owner, self.name)
            else:
                setattr(self.owner, self.name, below)
            return
        above = _proxy_above(current, hook)
        if above is not None:
            above.__wrapped__ = below
        elif current is not _MISSING:
            _left_behind[hook] = shadows

    def is_installed(self) -> bool:
        """Return whether the hook is still reachable from the attribute, through any wrappers."""
        seen = vars(self.owner).get(self.name)
        for _ in range(100):
            if seen is self._hook:
                return True
            seen = getattr(seen, "__wrapped__", None)
            if seen is None:
                break
        return False

    def _replacement(self, original: Any) -> Any:
        hook, self._disarm = self._build(original)
        # Sets name, signature and __wrapped__, for `inspect` and for tools that unwrap.
        update_wrapper(hook, original)
        if not any(type(hook) is each for each in _hook_types):
            _hook_types.append(type(hook))
        self._hook = hook
        return hook


def _was_left_behind(found: Any) -> bool:
    # Objects of other types may define their own hash.
    kind = type(found)
    return any(kind is each for each in _hook_types) and found in _left_behind


def _innermost_proxy(top: Any) -> Any | None:
    found = None
    while isinstance(top, _PROXY):
        found, top = top, top.__wrapped__
    return found


def _proxy_above(top: Any, hook: Any) -> Any | None:
    while isinstance(top, _PROXY):
        if top.__wrapped__ is hook:
            return top
        top = top.__wrapped__
    return None
