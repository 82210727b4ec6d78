"""Distinction between application code and library code.

A creation site in a library is attributed to the application code that uses the library. Code is library code if it
lies in the standard library or in a ``site-packages`` or ``dist-packages`` folder, with these exceptions:

- modules and files that the setting ``APPLICATION`` names;
- distributions that were installed from a path;
- the package that is run (``python -m shop``, a console script);
- the application that a server loads (``uvicorn shop.web:app``, ``celery -A shop``).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from types import CodeType
from typing import Final

from .naming import absolute_path, function_name, relative_path

_LIBRARY_FOLDERS: Final = ("site-packages", "dist-packages")
_LAUNCHERS: Final = frozenset(
    {
        "aiohttp", "arq", "asyncio", "bpython", "cProfile", "celery", "coverage", "daphne", "ddtrace", "debugpy",
        "django", "dramatiq", "faststream", "fastapi", "flask", "gevent", "granian", "gunicorn", "hupper", "huey",
        "hypercorn", "IPython", "ipykernel", "jupyter", "kombu", "newrelic", "nox", "opentelemetry", "pdb", "profile",
        "pydevd", "pytest", "quart", "rq", "runpy", "sanic", "taskiq", "timeit", "tox", "trace", "unittest", "uvicorn",
        "uvicorn_worker", "uwsgi", "waitress", "watchfiles",
    }
)  # fmt: skip
"""Programs that run an application but are not applications themselves."""
_TARGET: Final = re.compile(r"([A-Za-z_]\w*)(?:\.\w+)*:[A-Za-z_][\w.]*(?:\(.*\))?")
_OPTION: Final = re.compile(r"(?:-A|--app|--application)=?(.*)")
_SCRIPT_IMPORT: Final = re.compile(r"^\s*(?:from|import) +([A-Za-z_]\w*)", re.MULTILINE)
_SCRIPT_BYTES: Final = 4096
_MOST_KNOWN: Final = 100_000


class ApplicationCode:
    """Distinguishes application code from library code.

    Args:
        patterns: The setting ``APPLICATION``: globs on modules or file paths.
        spawners: The setting ``SPAWNERS``: globs on ``module.function``.
    """

    def __init__(self, patterns: Iterable[str] = (), spawners: Iterable[str] = ()) -> None:
        self._patterns = tuple(patterns)
        self._spawners = tuple(spawners)
        self._folders = tuple(sorted(_library_folders()))
        self._packages = frozenset({*packages_being_run(sys.orig_argv), *_packages_installed_from_a_path()})
        self._launchers = frozenset(launching_scripts(sys.orig_argv))
        self._is_library: dict[int, tuple[CodeType, bool]] = {}

    def is_library(self, code: CodeType, module: object) -> bool:
        """Return whether code belongs to a library. Costs a dictionary lookup; 5 µs for the first call per code.

        Args:
            code: The code of a frame.
            module: The ``__name__`` of its globals.
        """
        known = self._is_library.get(id(code))
        if known is None or known[0] is not code:
            if len(self._is_library) >= _MOST_KNOWN:
                self._is_library.clear()
            # The entry keeps the code alive, so that its id is not reused.
            known = self._is_library[id(code)] = (code, self._decide(code, module if type(module) is str else ""))
        return known[1]

    def is_named_spawner(self, code: CodeType, module: object) -> bool:
        """Return whether the setting ``SPAWNERS`` names the function."""
        if not self._spawners:
            return False
        name = function_name(code, module if type(module) is str else "")
        return any(fnmatchcase(name, glob) for glob in self._spawners)

    def _decide(self, code: CodeType, module: str) -> bool:
        path = _file_of(code, module)
        if any(
            fnmatchcase(module, glob) or fnmatchcase(path, glob) or fnmatchcase(relative_path(path), glob)
            for glob in self._patterns
        ):
            return False
        top = module.partition(".")[0]
        if module == "__main__":
            # An interactive session of a launcher (IPython, Jupyter) is the user's.
            if code.co_filename.startswith("<"):
                return False
            return path in self._launchers or (is_launched_by_module(sys.orig_argv) and self._is_in_library(path))
        if top in self._packages:
            return False
        if getattr(sys, "frozen", False):
            # In a frozen application, no file lies in a library directory.
            return top in sys.stdlib_module_names
        return self._is_in_library(path)

    def _is_in_library(self, path: str) -> bool:
        return path.startswith(("<frozen ", *self._folders)) or any(
            f"{os.sep}{name}{os.sep}" in path for name in _LIBRARY_FOLDERS
        )


def packages_being_run(arguments: list[str]) -> set[str]:
    """Return the top-level packages that a command line runs, by ``-m``, as a script or as an application's name.

    Args:
        arguments: As in `sys.orig_argv`, the interpreter first.
    """
    given = [each for each in arguments if type(each) is str]
    found = set()
    for place, argument in enumerate(given):
        following = given[place + 1] if place + 1 < len(given) else ""
        if argument == "-m":
            found.add(following.partition(".")[0])
        elif (option := _OPTION.fullmatch(argument)) is not None:
            found.add((option.group(1) or following).partition(":")[0].partition(".")[0])
        elif (target := _TARGET.fullmatch(argument)) is not None:
            found.add(target.group(1))
    for script in given[1:]:
        if not script.startswith("-"):
            found |= _packages_of_console_script(script)
            break
    return found - _LAUNCHERS - {""}


def is_launched_by_module(arguments: list[str]) -> bool:
    """Return whether a command line runs a launcher by its module name: ``python -m uvicorn shop.web:app``."""
    if "-m" not in arguments[:-1]:
        return False
    return arguments[arguments.index("-m") + 1].partition(".")[0] in _LAUNCHERS


def launching_scripts(arguments: list[str]) -> set[str]:
    """Return the script that a command line runs if it is the console script of a launcher."""
    script = next((argument for argument in arguments[1:] if not argument.startswith("-")), "")
    packages = _packages_of_console_script(script)
    return {script} if packages and packages <= _LAUNCHERS else set()


def _packages_of_console_script(path: str) -> set[str]:
    """Return the packages that a console script made by pip imports, without the standard library."""
    script = Path(path)
    if not script.is_absolute() or script.parent.name not in ("bin", "Scripts") or script.name.startswith("python"):
        return set()
    try:
        with script.open("rb") as file:
            text = file.read(_SCRIPT_BYTES).decode("utf-8", "replace")
    except OSError:
        return set()
    return set(_SCRIPT_IMPORT.findall(text)) - sys.stdlib_module_names


def _library_folders() -> Iterator[str]:
    """Yield the folders of the standard library; other libraries lie in folders named in `_LIBRARY_FOLDERS`.

    `sysconfig` has the same answer but takes 5 ms at every start.
    """
    for folder in (Path(os.__file__).parent, Path(os.__file__).resolve().parent):
        yield f"{folder}{os.sep}"


def _packages_installed_from_a_path() -> set[str]:
    """Return the top-level names of distributions that ``pip install ./path`` put into a library directory."""
    found: set[str] = set()
    for folder in {Path(each) for each in sys.path if each.endswith(_LIBRARY_FOLDERS)}:
        try:
            origins = [origin for each in folder.glob("*.dist-info") if (origin := each / "direct_url.json").exists()]
        except OSError:
            continue
        for origin in origins:
            found |= _packages_of_local_distribution(origin)
    return found - _LAUNCHERS


def _packages_of_local_distribution(origin: Path) -> set[str]:
    # Imported here because most processes have no such distribution.
    import json

    try:
        url = json.loads(origin.read_text("utf-8"))
        if not str(url["url"]).startswith("file:") or "dir_info" not in url:
            return set()
        record = origin.with_name("RECORD").read_text("utf-8", "replace")
    except (OSError, ValueError, KeyError, TypeError):
        # The metadata of a damaged installation is ignored.
        return set()
    tops = {line.partition("/")[0] for line in record.splitlines() if "/" in line.partition(",")[0]}
    return {top for top in tops if top.isidentifier()}


def _file_of(code: CodeType, module: str) -> str:
    """Return the file that a code object is attributed to: its own or, for generated code, its module's."""
    if not code.co_filename.startswith("<") or code.co_filename.startswith("<frozen "):
        return absolute_path(code.co_filename)
    file = getattr(sys.modules.get(module), "__file__", None)
    return absolute_path(file) if type(file) is str else code.co_filename
