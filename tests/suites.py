"""Small test suites that run under the leak plugin in a process of their own, for tests of the plugin itself."""

# pytester forgets what was imported during its tests: these would be there twice.
import asyncio  # noqa: F401
import concurrent.futures.thread  # noqa: F401
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

PLUGIN = "opentelemetry.instrumentation.concurrency.testing.pytest.plugin"
SOURCE = Path(__file__).parents[1] / "src"

LEAKING = """
import asyncio, threading

held = []

async def stuck():
    await asyncio.Event().wait()

def leak_task(name="leaked"):
    held.append(asyncio.ensure_future(stuck()))

def leak_thread(name="leaked"):
    held.append(threading.Thread(target=threading.Event().wait, name=name, daemon=True))
    held[-1].start()
"""

ONE_OF_EACH = """
def test_clean():
    pass

def test_thread():
    leak_thread()

def test_task():
    async def main():
        leak_task()
        await asyncio.sleep(0)
    asyncio.run(main())
"""


class Suite:
    """A suite in a directory of its own.

    Args:
        pytester: pytest's.
        monkeypatch: pytest's.
    """

    def __init__(self, pytester, monkeypatch):
        self.pytester = pytester
        self.source = str(SOURCE)
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SOURCE), str(pytester.path)]))
        monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
        pytester.makepyfile(leaking=LEAKING)

    def ini(self, text):
        """Write its configuration."""
        self.pytester.makeini(f"[pytest]\n{text}\n")

    def run(self, test, *args, plugins=(), ours=True):
        """Write its only module, run it, and return the result."""
        self.pytester.makepyfile(test_it=f"import asyncio, threading, pytest\nfrom leaking import *\n{test}")
        return self.run_only(*args, plugins=plugins, ours=ours)

    def run_only(self, *args, plugins=(), ours=True):
        """Run what was written before."""
        loaded = [word for name in (*plugins, *([PLUGIN] if ours else [])) for word in ("-p", name)]
        return self.pytester.runpytest_subprocess("-p", "no:cacheprovider", *loaded, *args, timeout=60)


@pytest.fixture
def suite(pytester, monkeypatch):
    """Give an empty suite."""
    return Suite(pytester, monkeypatch)


def outcomes(result):
    """Return how many tests passed, failed and so on, without warnings."""
    found = result.parseoutcomes()
    found.pop("warnings", None)
    found.pop("warning", None)
    return found


def errors_of(result):
    """Return the names of the tests that have an error, in order."""
    return [line.split("::", 1)[1].split(" ")[0] for line in result.outlines if line.startswith("ERROR ")]


def needs(module):
    """Skip the test where a module is missing; importing it here would not outlive the fixture, which drops imports."""
    if find_spec(module) is None:
        pytest.skip(f"could not import {module!r}")
