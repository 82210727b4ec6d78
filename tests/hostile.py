"""Objects that raise and take notes whenever they are asked something, while a test observes."""

import asyncio
import contextlib

_asked = []
_armed = []


class _Meta(type):
    """A type that must not be asked, either."""

    def __getattribute__(cls, name):
        if name != "note":
            type.__getattribute__(cls, "note")(f"type.{name}")
        return super().__getattribute__(name)

    def __hash__(cls):
        type.__getattribute__(cls, "note")("type.__hash__")
        return super().__hash__()

    def __eq__(cls, other):
        type.__getattribute__(cls, "note")("type.__eq__")
        return cls is other

    def __instancecheck__(cls, instance):
        type.__getattribute__(cls, "note")("type.__instancecheck__")
        return super().__instancecheck__(instance)

    def __subclasscheck__(cls, other):
        type.__getattribute__(cls, "note")("type.__subclasscheck__")
        return super().__subclasscheck__(other)

    def note(cls, hook):
        """Take a note and raise, but only while a test observes."""
        if _armed:
            _asked.append(hook)
            raise RuntimeError(hook)


class Hostile(metaclass=_Meta):
    """Lies about its class, and takes note of every question."""

    @staticmethod
    def note(hook):
        """Take a note and raise, but only while a test observes: pytest, too, looks at objects."""
        if _armed:
            _asked.append(hook)
            raise RuntimeError(hook)

    def __getattribute__(self, name):
        Hostile.note(name)
        return super().__getattribute__(name)

    def __eq__(self, other):
        Hostile.note("__eq__")
        return self is other

    def __hash__(self):
        Hostile.note("__hash__")
        return 0

    def __bool__(self):
        Hostile.note("__bool__")
        return True

    def __len__(self):
        Hostile.note("__len__")
        return 1

    def __iter__(self):
        Hostile.note("__iter__")
        return iter(())

    def __repr__(self):
        Hostile.note("__repr__")
        return "hostile"

    __str__ = __repr__

    @property
    def __class__(self):
        Hostile.note("__class__")
        return asyncio.Task

    @property
    def __dict__(self):
        Hostile.note("__dict__")
        return {}


class Callable(Hostile):
    """The same, to be called."""

    def __init__(self, then=lambda: None):
        object.__setattr__(self, "then", then)

    def __call__(self, *_, **__):
        object.__getattribute__(self, "then")()


@contextlib.contextmanager
def nothing_asked():
    """Observe the block, and hold that nothing was asked in it."""
    _asked.clear()
    _armed.append(True)
    try:
        yield
    finally:
        _armed.clear()
        asked = list(_asked)
    assert asked == []
