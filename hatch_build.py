"""Build hook: compiles the recorder in C where that is wanted and possible, and makes the pure wheel elsewhere.

``OTEL_CONCURRENCY_NATIVE`` decides: ``no`` never compiles, ``yes`` fails if it cannot, ``auto`` compiles if it can.
``python hatch_build.py`` compiles in place, for a checkout that is installed already, and prints the digest of the
sources that ``record/compiled.py`` must name.
"""

import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

PACKAGE = Path("src/opentelemetry/instrumentation/concurrency")
MODES = ("no", "yes", "auto")
DEFAULT_MODE = "no"
FLAGS = ["-std=c11", "-O2", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wconversion"]


class CannotCompileError(Exception):
    """Why there is no compiled recorder, in words for the user."""


def digest(root):
    """Return the digest of the C sources: it tells an object from one of earlier sources."""
    sources = sorted((root / PACKAGE / "record").glob("_compiled*.[ch]"))
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()[:8]


def file_name():
    return f"_compiled{sysconfig.get_config_var('EXT_SUFFIX')}"


def check_platform():
    if platform.python_implementation() != "CPython" or not (3, 10) <= sys.version_info[:2] <= (3, 15):
        raise CannotCompileError(f"{platform.python_implementation()} {platform.python_version()} is unknown to it")
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise CannotCompileError("it relies on the global interpreter lock, which this Python does not have")
    if os.name != "posix":
        raise CannotCompileError(f"it is built on Linux and macOS, not on {platform.system()}")


def compile_to(root, target):
    """Compile the extension for the running Python.

    Raises:
        CannotCompileError: If that is impossible.
    """
    check_platform()
    version = re.search(r'"(.+)"', (root / PACKAGE / "version.py").read_text().splitlines()[-1])[1]
    include = sysconfig.get_path("include")
    sources = sorted(map(str, (root / PACKAGE / "record").glob("_compiled*.c")))
    # What links extensions of this Python; on macOS it leaves the interpreter's symbols undefined.
    linker = shlex.split(os.environ.get("LDSHARED") or sysconfig.get_config_var("LDSHARED") or "cc -shared")
    # Warnings are errors in the project's own checks only: a newer compiler may have new ones.
    extra = shlex.split(f"{os.environ.get('CFLAGS', '')} {os.environ.get('OTEL_CONCURRENCY_CFLAGS', '')}")
    interface = f'-DOTEL_CONCURRENCY_INTERFACE="{version}/{digest(root)}"'
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [*linker, *FLAGS, f"-isystem{include}", interface, *extra, *sources, "-o", str(target)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise CannotCompileError(f"there is no C compiler ({error})") from error
    if done.returncode != 0:
        target.unlink(missing_ok=True)
        raise CannotCompileError(f"the C compiler failed:\n{shlex.join(command)}\n{done.stderr.strip()}")


def made(root, target):
    """Compile if that is wanted and possible. Returns whether there is an extension now; an old one is removed."""
    target.unlink(missing_ok=True)
    mode = os.environ.get("OTEL_CONCURRENCY_NATIVE") or DEFAULT_MODE
    if mode not in MODES:
        raise SystemExit(f"OTEL_CONCURRENCY_NATIVE={mode}: expected one of {', '.join(MODES)}")
    if mode == "no":
        return False
    try:
        compile_to(root, target)
    except CannotCompileError as error:
        if mode == "yes":
            raise SystemExit(f"OTEL_CONCURRENCY_NATIVE=yes, but the recorder cannot be compiled: {error}") from error
        print(f"The compiled recorder is left out: {error}", file=sys.stderr)
        return False
    return True


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a program, without the build system
    BuildHookInterface = object


class CustomBuildHook(BuildHookInterface):
    """Adds the extension to a wheel, or puts it beside the sources of an editable installation."""

    def initialize(self, version, build_data):
        root = Path(self.root)
        if version == "editable":
            made(root, root / PACKAGE / "record" / file_name())
            return
        folder = root / "build" / "native"
        # An object of another build must never be packed.
        shutil.rmtree(folder, ignore_errors=True)
        target = folder / file_name()
        if made(root, target):
            build_data["force_include"][str(target)] = str(Path(*PACKAGE.parts[1:]) / "record" / target.name)
            build_data["pure_python"] = False
            build_data["infer_tag"] = True


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    print("digest of the sources:", digest(here))
    os.environ.setdefault("OTEL_CONCURRENCY_NATIVE", "yes")
    print("compiled" if made(here, here / PACKAGE / "record" / file_name()) else "not compiled")
