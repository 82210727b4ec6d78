"""Creations by C code, on import, and with names and namespaces that are not what they should be."""

import asyncio
import importlib
import sys
import threading
from queue import SimpleQueue

import pytest
from creation_sites import job, task_site, thread_site, thread_sites, work

pytestmark = pytest.mark.usefixtures("instrumented")


def in_background(function):
    def start():
        return asyncio.create_task(function())

    return start


def test_thread_started_on_import_names_the_library(tmp_path, monkeypatch):
    """Which module imports it first is chance."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "eager_library.py").write_text(
        "import threading\nimport creation_sites\nthreading.Thread(target=creation_sites.work).start()\n"
    )
    monkeypatch.syspath_prepend(str(folder))

    def caller():
        importlib.import_module("eager_library")

    site = thread_site(caller)
    sys.modules.pop("eager_library", None)
    assert (site.function, site.runs) == ("<module>", "work")


def test_thread_that_runs_a_method_of_c_has_its_name():
    queue = SimpleQueue()

    def caller():
        threading.Thread(target=queue.get).start()

    (site,) = thread_sites(caller, ending=lambda: queue.put(None))
    assert site.runs == "SimpleQueue.get"


def test_function_of_a_module_with_an_odd_name_removes_no_hook(instrumented):
    """A function's ``__module__`` may be set to anything, also to what cannot be a key."""

    async def run():
        await job()

    run.__module__ = []

    def caller():
        in_background(run)()

    assert task_site(caller) == ("caller", "in_background(run)()", "run")
    assert instrumented.recorder.hook_failures == 0


@pytest.mark.parametrize("name", [5, None, [], type("Name", (str,), {"__eq__": None, "startswith": None})("odd")])
def test_module_with_an_odd_name_removes_no_hook(instrumented, name):
    scope = {"__name__": name, "asyncio": asyncio, "job": job}
    exec("def start():\n    return asyncio.create_task(job())", scope)

    assert task_site(lambda: scope["start"]()).runs == "job"
    assert instrumented.recorder.hook_failures == 0


def test_namespace_of_another_class_is_asked_nothing(instrumented):
    class Namespace(dict):
        def get(self, *_):
            raise SystemExit("a method of the application was called")

        values = get

    scope = Namespace(asyncio=asyncio, job=job, __name__="shop.generated")
    exec("def start():\n    return asyncio.create_task(job())", scope)
    start = dict.__getitem__(scope, "start")

    assert task_site(lambda: start()) == ("start", "", "job")
    assert instrumented.recorder.hook_failures == 0


def test_target_of_a_thread_is_asked_nothing():
    asked = []

    class Target:
        def __call__(self):
            work()

        def __getattribute__(self, name):
            asked.append(name)
            return object.__getattribute__(self, name)

    def caller():
        thread = threading.Thread(target=Target(), name="asks-nothing")
        asked.clear()
        thread.start()

    assert thread_site(caller)[:2] == ("caller", "thread.start()")
    # The thread itself calls its target, which asks the type alone.
    assert asked == []
