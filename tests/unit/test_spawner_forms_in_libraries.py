"""Library code is left for the first application frame that is not a mere pass-through; settings can say otherwise."""

import asyncio
import importlib
import sys
import textwrap
import threading

import pytest
from creation_sites import job, task_site, task_sites, thread_site, work

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor

LIBRARY = """
    import asyncio
    import threading


    class Client:
        def open(self):
            self._connect()

        def _connect(self):
            self._reader = asyncio.create_task(self._read())

        async def _read(self):
            await self._wait()

        def __init__(self, wait):
            self._wait = wait


    class Watcher:
        def __init__(self, wait):
            self._thread = threading.Thread(target=wait)

        def start(self):
            self._thread.start()


    def spawn(coro):
        return asyncio.create_task(coro)


    async def heartbeat(wait):
        await wait()


    async def answer(wait):
        asyncio.create_task(heartbeat(wait))


    async def dispatch(application, wait):
        await application(wait)


    async def serve(wait):
        await answer(wait)
"""


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Import a module from a directory of installed packages."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "calmlib.py").write_text(textwrap.dedent(LIBRARY))
    monkeypatch.syspath_prepend(str(folder))
    yield importlib.import_module("calmlib")
    sys.modules.pop("calmlib", None)


@pytest.fixture
def instrument():
    """Instrument with further settings, until the test ends."""

    def instrument(**settings):
        ConcurrencyInstrumentor().instrument(reports="none", task_age=3600, scan_interval=3600, **settings)

    yield instrument
    ConcurrencyInstrumentor().uninstrument()


async def poll(_seconds, _callback):
    await job()


def every(seconds, callback):
    """Pass a plain callable on, which is not recognised by itself."""
    return asyncio.create_task(poll(seconds, callback))


class Middleware:
    """The user's own, around an application of the framework."""

    def __init__(self, application):
        self.application = application

    async def __call__(self, wait):
        await self.application(wait)


async def timing(application, wait):
    await application(wait)


def test_task_of_a_library_names_the_application(library, instrument):
    instrument()

    def caller():
        client = library.Client(job)
        client.open()

    assert task_site(caller) == ("caller", "client.open()", "_read")
    (site,) = task_sites(caller)
    assert [entry.function for entry in site.via] == ["calmlib.Client._connect", "calmlib.Client.open"]


def test_thread_of_a_library_names_the_application(library, instrument):
    instrument()

    def caller():
        watcher = library.Watcher(work)
        watcher.start()

    assert thread_site(caller) == ("caller", "watcher.start()", "work")


def test_spawn_of_a_library_names_the_application(library, instrument):
    instrument()

    def caller():
        library.spawn(job())

    assert task_site(caller) == ("caller", "library.spawn(job())", "job")


def test_helper_around_a_librarys_spawn_names_its_caller(library, instrument):
    instrument()

    def background(coro):
        return library.spawn(coro)

    def caller():
        background(job())

    assert task_site(caller) == ("caller", "background(job())", "job")


def test_awaited_library_names_the_line_that_awaits_it(library, instrument):
    instrument()

    async def caller():
        await library.answer(lambda: job())

    assert task_site(caller) == ("caller", "await library.answer(lambda: job())", "heartbeat")


def test_middleware_function_is_a_pass_through(library, instrument):
    instrument()

    async def caller():
        await timing(library.answer, lambda: job())

    assert task_site(caller) == ("caller", "await timing(library.answer, lambda: job())", "heartbeat")


def test_middleware_object_is_a_pass_through(library, instrument):
    """As in ASGI: the framework calls the middleware, and that the framework."""
    instrument()

    async def caller():
        through = Middleware(library.answer)
        await library.dispatch(through, lambda: job())

    assert task_site(caller) == ("caller", "await library.dispatch(through, lambda: job())", "heartbeat")


def test_middleware_alone_in_a_task_of_the_library_is_passed_by(library, instrument):
    """A server's task with a mere pass-through in it has no creating line of the application."""
    instrument()

    def caller():
        library.spawn(library.dispatch(Middleware(library.answer), lambda: job()))

    found = {(site.function, site.runs) for site in task_sites(caller)}
    assert ("calmlib.answer", "calmlib.heartbeat") in found


def test_task_made_by_a_librarys_own_task_stays_in_the_library(library, instrument):
    """No application frame is in the task: the library's line is the only one there is."""
    instrument()

    def caller():
        library.spawn(library.serve(lambda: job()))

    found = {(site.function, site.runs) for site in task_sites(caller)}
    assert ("calmlib.answer", "calmlib.heartbeat") in found


@pytest.mark.parametrize("pattern", ["calmlib", "calm*", "*/site-packages/calmlib.py"])
def test_application_setting_makes_library_code_the_applications(library, instrument, pattern):
    instrument(application=[pattern])

    def caller():
        client = library.Client(job)
        client.open()

    assert task_site(caller) == ("_connect", "self._reader = asyncio.create_task(self._read())", "_read")


def test_application_setting_leaves_spawners_to_be_seen_through(library, instrument):
    instrument(application=["calmlib"])

    def caller():
        library.spawn(job())

    assert task_site(caller) == ("caller", "library.spawn(job())", "job")


def test_unrecognised_spawner_without_setting_stays(instrument):
    instrument()

    def caller():
        every(5, print)

    assert task_site(caller) == ("every", "return asyncio.create_task(poll(seconds, callback))", "poll")


@pytest.mark.parametrize("pattern", ["test_spawner_forms_in_libraries.every", "*.every"])
def test_spawners_setting_names_the_caller(instrument, pattern):
    instrument(spawners=["nothing.like.it", pattern])

    def caller():
        every(5, print)

    assert task_site(caller) == ("caller", "every(5, print)", "poll")


def test_spawners_setting_applies_to_threads(instrument):
    instrument(spawners=["*.read_in_background"])

    def caller():
        read_in_background("/dev/null")

    assert thread_site(caller) == ("caller", 'read_in_background("/dev/null")', "work")


def read_in_background(path):
    threading.Thread(target=work, args=[path]).start()
