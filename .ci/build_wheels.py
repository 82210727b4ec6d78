"""Build the sdist, the pure wheel and a compiled wheel for each Python of this machine, and use each.

Run by ``make wheels``. Each wheel is made from the sdist, installed into an empty environment of its Python, and used
there with the recorder that it has to have. All of them are left in ``build/wheels``.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "wheels"
MINORS = range(10, 16)


def pythons() -> list[str]:
    """Return one interpreter of each supported version, from pyenv or PATH, that can make environments."""
    found = []
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for minor in MINORS:
        candidates = [*map(str, sorted(pyenv.glob(f"3.{minor}.*/bin/python"))), shutil.which(f"python3.{minor}") or ""]
        check = f"import sys, ssl, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, {minor}))"
        found += [each for each in candidates if each and runs(each, check)][:1]
    return found


def runs(python: str, check: str) -> bool:
    """Return whether an interpreter passes a check; a shim of pyenv for a version that is not chosen does not."""
    return subprocess.run([python, "-c", check], check=False, stderr=subprocess.DEVNULL).returncode == 0


def make(python: str, sdist: Path, native: str) -> None:
    """Build a wheel with an interpreter and use it in an empty environment."""
    folder = FOLDER / "one"
    shutil.rmtree(folder, ignore_errors=True)
    command = [python, "-m", "pip", "-q", "--disable-pip-version-check", "wheel", "--no-deps"]
    command += ["--wheel-dir", str(folder), str(sdist)]
    subprocess.run(command, check=True, env={**os.environ, "OTEL_CONCURRENCY_NATIVE": native})
    recorder = "compiled" if native == "yes" else "python"
    subprocess.run([python, str(ROOT / ".ci" / "install_wheel.py"), str(folder), recorder], check=True)
    for wheel in folder.glob("*.whl"):
        print(wheel.name, flush=True)
        wheel.replace(FOLDER / wheel.name)
    folder.rmdir()


def main() -> None:
    """Build and use everything that this machine can."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "build", "-q", "--sdist", "--outdir", str(FOLDER), str(ROOT)], check=True)
    (sdist,) = FOLDER.glob("*.tar.gz")
    print(sdist.name, flush=True)
    make(sys.executable, sdist, "no")
    if shutil.which("cc") is None:
        print("left out: compiled wheels, for there is no C compiler")
        return
    for python in pythons():
        make(python, sdist, "yes")
    print("left out: other platforms, which .github/workflows/wheels.yml builds with cibuildwheel")


if __name__ == "__main__":
    main()
