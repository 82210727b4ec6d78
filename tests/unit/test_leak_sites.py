"""A leak test names the creating line that a person would call guilty, and what runs, through helpers and wrappers."""

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import threading
import types

import pytest
from leaking import stuck

from opentelemetry.instrumentation.concurrency import LeakError, check_leaks
from opentelemetry.instrumentation.concurrency.testing import ignore_creator, ignore_function

HERE = __name__


async def guarded(coro):
    with contextlib.suppress(ValueError):
        await coro


class Background:
    """The helper of a test suite: it keeps what it starts."""

    def __init__(self):
        self.tasks = []
        self.released = threading.Event()

    def spawn(self, coro):
        task = asyncio.create_task(coro)
        self.tasks.append(task)
        return task

    def spawn_guarded(self, coro):
        return self.spawn(guarded(coro))

    def start(self, target):
        thread = threading.Thread(target=target)
        thread.start()

    def wait(self):
        self.released.wait()


@pytest.fixture
def background():
    made = Background()
    yield made
    made.released.set()


def leaks_of(body, *filters, threads=False):
    """Return the leaks of a check around a coroutine function or, for threads, a function."""

    async def main():
        async with check_leaks(0, ignore=filters):
            await body()
            await asyncio.sleep(0)

    try:
        if threads:
            with check_leaks(0, ignore=filters):
                body()
        else:
            asyncio.run(main())
    except LeakError as error:
        return error
    return None


def short(leak):
    return leak.site.function.rpartition(".")[2], leak.runs, [line.function for line in leak.site.via]


def test_leak_through_a_helper_names_the_callers_line(background):
    async def body():
        background.spawn(stuck())

    (leak,) = leaks_of(body).leaks
    assert short(leak) == ("body", "leaking.stuck", [f"{HERE}.Background.spawn"])
    assert leak.site.line == body.__code__.co_firstlineno + 1


def test_leak_inside_a_guard_names_the_guarded_function(background):
    async def body():
        background.spawn_guarded(stuck())

    (leak,) = leaks_of(body).leaks
    assert short(leak)[:2] == ("body", "leaking.stuck")
    assert leak.coroutine == "guarded"


def test_leaked_thread_through_a_helper_names_the_callers_line(background):
    def body():
        background.start(background.wait)

    (leak,) = leaks_of(body, threads=True).leaks
    assert short(leak) == ("body", f"{HERE}.Background.wait", [f"{HERE}.Background.start"])


def test_each_leak_through_one_helper_has_its_own_creation_stack(background):
    async def first():
        background.spawn(stuck())

    async def second():
        background.spawn(stuck())

    async def body():
        await first()
        await second()
        await first()

    leaks = leaks_of(body).leaks
    assert [leak.site.function.rpartition(".")[2] for leak in leaks] == ["first", "second", "first"]
    for leak in leaks:
        functions = [frame.function.rpartition(".")[2] for frame in leak.creation_stack]
        assert functions[-3:] == ["body", leak.site.function.rpartition(".")[2], "spawn"]


def test_error_names_line_function_and_helper(background):
    async def body():
        background.spawn(stuck())

    text = str(leaks_of(body))
    headline, block = text.split("\n", 1)
    assert f":{body.__code__.co_firstlineno + 1}) running leaking.stuck" in headline
    assert "running leaking.stuck" in block
    assert f"  through {HERE}.Background.spawn (" in block


def test_two_lines_that_run_the_same_are_two_sites_in_the_error(background):
    async def body():
        background.spawn(stuck())
        background.spawn(stuck())

    error = leaks_of(body)
    lines = {leak.site.line for leak in error.leaks}
    assert len(lines) == 2
    assert all(f":{line})" in str(error).partition("\n")[0] for line in lines)


def test_destroyed_leak_names_the_callers_line():
    def spawn(coro):
        asyncio.create_task(coro)

    async def body():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        spawn(stuck())
        await asyncio.sleep(0)
        gc.collect()

    (leak,) = leaks_of(body).leaks
    assert leak.ending == "destroyed"
    assert short(leak)[:2] == ("body", "leaking.stuck")


@pytest.mark.parametrize(
    "rule",
    [
        ignore_creator("*.body"),
        ignore_creator(f"{HERE}.Background.spawn"),
        ignore_creator(f"{HERE}.Background..."),
        ignore_creator("*/test_leak_sites.py"),
        ignore_function("leaking.stuck"),
        ignore_function("*.stuck"),
    ],
    ids=repr,
)
def test_filters_match_line_helper_path_and_function(background, rule):
    async def body():
        background.spawn_guarded(stuck())

    assert leaks_of(body, rule) is None


def test_function_filter_matches_tasks_not_started_yet(background):
    """It is in no stack: the wrapper has not started."""
    before = []

    async def main():
        async with check_leaks(0, ignore=[ignore_function("leaking.stuck")]):
            background.spawn_guarded(stuck())
            before.append(len(background.tasks))

    asyncio.run(main())
    assert before == [1]


def test_creator_filter_ignores_the_started_function(background):
    async def body():
        background.spawn(stuck())

    assert leaks_of(body, ignore_creator("leaking.stuck")) is not None


def test_leak_under_a_trace_function_has_line_and_function(background):
    """Up to Python 3.12 it is the helper's line; the creation stack has the caller's."""

    async def body():
        background.spawn(stuck())

    earlier = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        (leak,) = leaks_of(body).leaks
    finally:
        sys.settrace(earlier)
    assert short(leak)[0] == ("body" if sys.version_info >= (3, 13) else "spawn")
    assert leak.runs == "leaking.stuck"
    assert leak.creation_stack[-2].function.endswith(".body")


def test_runner_is_not_the_creating_line_of_a_library(background):
    """A plugin's own thread has no application line: that of the script that runs pytest is none."""
    plugin = types.ModuleType("calmplugin")
    plugin.__dict__.update(threading=threading, target=background.wait)
    code = compile("def setup():\n    threading.Thread(target=target).start()", _in_site_packages("calmplugin"), "exec")
    exec(code, plugin.__dict__)
    runner = types.ModuleType("_pytest.imagined")
    exec(compile("def call(function):\n    function()", _in_site_packages("_pytest"), "exec"), runner.__dict__)

    def launcher():
        runner.call(plugin.setup)

    (leak,) = leaks_of(launcher, threads=True).leaks
    assert leak.site.function == "calmplugin.setup"


def test_library_code_below_a_test_names_the_test(background):
    plugin = types.ModuleType("calmlib")
    plugin.__dict__.update(threading=threading, target=background.wait)
    code = compile("def connect():\n    threading.Thread(target=target).start()", _in_site_packages("calmlib"), "exec")
    exec(code, plugin.__dict__)

    def body():
        plugin.connect()

    (leak,) = leaks_of(body, threads=True).leaks
    assert short(leak) == ("body", f"{HERE}.Background.wait", ["calmlib.connect"])


def _in_site_packages(name):
    return f"/srv/venv/lib/python3/site-packages/{name}.py"


PROGRAM = """
import asyncio
from opentelemetry.instrumentation.concurrency import LeakError, check_leaks

async def poll(_seconds, _callback):
    await asyncio.Event().wait()

def every(seconds, callback):
    return asyncio.create_task(poll(seconds, callback))

async def caller():
    return every(5, print)

async def main():
    async with check_leaks(0):
        await caller()

try:
    asyncio.run(main())
except LeakError as error:
    print(error.leaks[0].site.function)
"""


@pytest.mark.parametrize(("spawners", "named"), [("", "__main__.every"), ("*.every", "__main__.caller")])
def test_spawners_setting_of_the_environment_applies(spawners, named):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "OTEL_PYTHON_CONCURRENCY_SPAWNERS": spawners},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == named


def test_application_that_leaks_nothing_through_a_helper_passes(background):
    async def body():
        background.spawn(asyncio.sleep(0))
        await asyncio.sleep(0)

    assert leaks_of(body) is None
