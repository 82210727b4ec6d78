"""Sessions of aiohttp and clients of httpx that application code creates during a check.

The libraries are never imported by this module. Their classes are hooked only while a check wants sessions, and their
fields are read without calling a method or property.

- An aiohttp session is open while it has a connector of its own that is not closed.
- An httpx client is open from its first request on, if it has a transport of httpx that keeps connections. A client of
  an application in the same process (Starlette's ``TestClient``, ``ASGITransport``, ``MockTransport``) keeps none.
"""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any, Final

from ..diagnose.introspection.fields import attribute_of, is_a
from ..record.patch import Patch
from ..record.raw_fields import attributes_of, type_dict, type_mro
from ..record.started import name_of_type
from .noted import Noted, Notes, Switch, failure_of

LIBRARIES: Final = {"aiohttp": ("ClientSession",), "httpx": ("Client", "AsyncClient")}
_TRANSPORTS: Final = ("HTTPTransport", "AsyncHTTPTransport")
_CACHE: Final[type] = type(functools.lru_cache(int))


class SessionHooks:
    """Installs and removes the hooks on the classes of sessions.

    Args:
        notes: The notes on sessions.
        on_destroyed: Called with a session that is garbage-collected while open, and its note.
    """

    def __init__(self, notes: Notes, on_destroyed: Callable[[Any, Noted], None]) -> None:
        self._notes = notes
        self._on_destroyed = on_destroyed
        self._remove: dict[type, list[Callable[[], None]]] = {}

    def install(self) -> None:
        """Hook the classes of imported libraries that are not hooked yet."""
        for library, names in LIBRARIES.items():
            for name in names:
                session_class = getattr(sys.modules.get(library), name, None)
                if isinstance(session_class, type) and session_class not in self._remove:
                    self._install_on(session_class)

    def remove(self) -> None:
        """Remove the hooks in reverse order."""
        while self._remove:
            _, removals = self._remove.popitem()
            for remove in reversed(removals):
                remove()

    def _install_on(self, session_class: type) -> None:
        init = Patch(session_class, "__init__", self._init_hook)
        init.install()
        removals = self._remove[session_class] = [init.remove]
        if hasattr(session_class, "__del__"):
            finalizer = Patch(session_class, "__del__", self._finalizer_hook)
            finalizer.install()
            removals.append(finalizer.remove)
        else:
            hook, _ = self._finalizer_hook(_no_finalizer)
            session_class.__del__ = hook  # type: ignore[attr-defined]  # httpx has none
            removals.append(functools.partial(_remove_finalizer, session_class, hook))

    def _init_hook(self, original: Callable[..., None]) -> tuple[Callable[..., None], Callable[[], None]]:
        notes, failure, switch = self._notes, failure_of("the session's __init__"), Switch()

        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            try:
                _hide_own_frame(self)
                if switch.armed:
                    notes.note(self, _creating_frame(sys._getframe(1), type(self)), None)
            except Exception as error:  # noqa: BLE001 (an error in a hook must not reach the application)
                failure(error, switch.disarm)

        return init, switch.disarm

    def _finalizer_hook(self, original: Callable[[Any], None]) -> tuple[Callable[..., None], Callable[[], None]]:
        failure, switch = failure_of("the session's __del__"), Switch()

        def finalize(session: Any, *args: Any) -> None:
            try:
                noted = self._notes.forget(session) if switch.armed else None
                if noted is not None and _is_on(noted, session) and is_open(session):
                    self._on_destroyed(session, noted)
            except Exception as error:  # noqa: BLE001 (an error in a hook must not reach the application)
                failure(error, switch.disarm)
            original(session, *args)

        return finalize, switch.disarm


def is_open(session: Any) -> bool:
    """Return whether a session holds connections that only its own ``close`` ends."""
    fields = attributes_of(session)
    if is_a(session, "ClientSession", "aiohttp"):
        connector = fields.get("_connector")
        # A connector that sessions share is closed by its owner.
        return fields.get("_connector_owner") is True and attributes_of(connector).get("_closed") is False
    if attribute_of(fields.get("_state"), "_name_") != "OPENED":
        return False
    mounts = fields.get("_mounts")
    transports = [fields.get("_transport"), *(list(mounts.values()) if type(mounts) is dict else ())]
    return any(is_a(transport, name, "httpx") for transport in transports for name in _TRANSPORTS)


def session_name(session_class: type) -> str:
    """Return the name of a session's class: ``aiohttp.ClientSession``, as users of the library write it."""
    library, _, rest = name_of_type(session_class).replace("<locals>.", "").partition(".")
    return f"{library}.{rest.rpartition('.')[2]}" if library in LIBRARIES else f"{library}.{rest}"


def is_kept_for_the_process(session: Any) -> bool:
    """Return whether a module variable, a class attribute or ``lru_cache`` holds a session.

    Cost: one walk of the heap.
    """
    modules = {id(attributes_of(module)) for module in list(sys.modules.values())}
    for holder in gc.get_referrers(session):
        if type(holder) is _CACHE or id(holder) in modules:
            return True
        if type(holder) is dict and any(_is_class_or_cache(outer) for outer in gc.get_referrers(holder)):
            return True
    # The garbage collector does not search what was frozen with `gc.freeze`.
    return gc.get_freeze_count() > 0 and any(_holds(each, session) for each in _variables())


def _variables() -> Iterator[object]:
    """Yield the values of all module variables and class attributes."""
    for module in list(sys.modules.values()):
        yield from list(attributes_of(module).values())
    # By address, because a metaclass may define its own hash.
    classes: dict[int, type] = {id(object): object}
    pending: list[type] = [object]
    while pending:
        found = pending.pop()
        yield from list(type_dict(found).values())
        derived: list[type] = type.__subclasses__(found)
        new = [each for each in derived if id(each) not in classes]
        classes.update((id(each), each) for each in new)
        pending += new


def _holds(variable: object, session: object) -> bool:
    if variable is session:
        return True
    if type(variable) is not _CACHE:
        return False
    # With a limit of size, a cache tells of its values itself; without one, its dictionary has them.
    for held in gc.get_referents(variable):
        if held is session or (type(held) is dict and any(value is session for value in held.values())):
            return True
    return False


def _is_class_or_cache(holder: object) -> bool:
    return type(holder) is _CACHE or issubclass(type(holder), type)


def _creating_frame(frame: FrameType | None, session_class: type) -> FrameType | None:
    """Return the first frame outwards that is not the ``__init__`` of a derived class."""
    codes = [getattr(type_dict(base).get("__init__"), "__code__", None) for base in type_mro(session_class)]
    own = {id(code) for code in codes if type(code) is CodeType}
    while frame is not None and id(frame.f_code) in own:
        frame = frame.f_back
    return frame


def _hide_own_frame(session: Any) -> None:
    """Remove this package's frame from aiohttp's debug-mode traceback, as aiohttp removes its own."""
    traceback = attributes_of(session).get("_source_traceback")
    if traceback and traceback[-1].filename == __file__:
        del traceback[-1]


def _is_on(noted: Noted, session: object) -> bool:
    """Return whether a note is on this session, whose weak references the collector may have cleared."""
    found = noted.reference()
    return found is None or found is session


def _no_finalizer(_session: Any) -> None:
    """Do nothing: the class has no ``__del__`` of its own."""


def _remove_finalizer(session_class: type, hook: Callable[..., None]) -> None:
    if type_dict(session_class).get("__del__") is hook:
        del session_class.__del__  # type: ignore[attr-defined]  # set above
