"""The self-test: each assumption about the internals of a library is checked in the running process.

- It imports nothing: a library that the process has not imported is not checked.
- It runs only on request, in a few milliseconds, and never raises.
- Nothing remains: it starts no thread, task or event loop, and its objects end with it. On Python ≤ 3.13, its task is
  in asyncio's registry for a moment, so the caller must hold the census' lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from .assumption import Assumption
from .of_asyncio import assumptions_on_asyncio
from .of_asyncio_links import assumptions_on_asyncio_links
from .of_libraries import assumptions_on_libraries
from .of_threads import assumptions_on_threads
from .of_waiting_functions import assumptions_on_waiting_functions

SOURCES: Final[tuple[Callable[[], Iterable[Assumption]], ...]] = (
    assumptions_on_asyncio,
    assumptions_on_asyncio_links,
    assumptions_on_threads,
    assumptions_on_libraries,
    assumptions_on_waiting_functions,
)
"""Functions that yield assumptions about the libraries that are imported."""


@dataclass(frozen=True, slots=True)
class InternalsCheck:
    """The result of checking one assumption.

    Attributes:
        library: The library.
        what: A noun phrase with the private name.
        works: Whether the library is as expected.
        lost: A clause: the consequence if it is not.
    """

    library: str
    what: str
    works: bool
    lost: str


def check_internals() -> list[InternalsCheck]:
    """Check all assumptions about the libraries that this process has imported. Never raises.

    Cost: about two milliseconds.
    """
    return [
        InternalsCheck(each.library, each.what, _holds(each), each.lost) for source in SOURCES for each in _of(source)
    ]


def _of(source: Callable[[], Iterable[Assumption]]) -> Iterator[Assumption]:
    try:
        yield from source()
    except Exception as error:  # noqa: BLE001 (a library may have changed in any way)
        what = f"what {source.__name__} lists ({type(error).__name__})"
        yield Assumption("Python", what, "its internals are not checked", lambda: False)


def _holds(assumption: Assumption) -> bool:
    try:
        return bool(assumption.holds())
    except Exception:  # noqa: BLE001 (a library may have changed in any way)
        return False
