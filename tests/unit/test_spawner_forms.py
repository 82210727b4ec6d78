"""The creating line behind every form in which applications start tasks through functions of their own.

Each test writes down the source of the line that a person would call guilty. Forms of threads, library code, and
hostile or incomplete frames have files of their own beside this one.
"""

import asyncio
import functools
import sys
import threading

import pytest
from creation_sites import job, task_site, task_sites
from spawners import (
    HoldingWorker,
    Job,
    Nursery,
    Queued,
    SlottedJob,
    TracingLoop,
    Worker,
    background,
    call_in_background,
    gather_all,
    handle,
    keep,
    keep_all,
    keep_below,
    keep_checked,
    keep_guarded,
    keep_later,
    keep_logged,
    launch,
    poll,
    recursing,
    refresh,
    refresh_guarded,
    starter_of,
    watch,
)

pytestmark = pytest.mark.usefixtures("instrumented")

needs_task_groups = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.TaskGroup is new in Python 3.11")


def test_create_task_without_spawner_names_its_own_line():
    def caller():
        task = asyncio.create_task(job())
        return background.add(task)

    assert task_site(caller) == ("caller", "task = asyncio.create_task(job())", "job")


def test_helper_of_the_asyncio_documentation_names_the_caller():
    def caller():
        keep(job())

    assert task_site(caller) == ("caller", "keep(job())", "job")


def test_two_callers_of_one_helper_are_two_sites():
    def first():
        keep(job(1))

    def second():
        keep(job(2))

    def caller():
        first()
        second()
        first()

    found = [site.function.rpartition(".")[2] for site in task_sites(caller)]
    assert sorted(found) == ["first", "first", "second"]


def test_site_names_are_qualified_by_module():
    def caller():
        keep(refresh_guarded.__wrapped__())

    (site,) = task_sites(caller)
    assert site.runs == "spawners.refresh_guarded"
    assert site.function.startswith("test_spawner_forms.")
    assert "<locals>" not in site.function
    assert [entry.function for entry in site.via] == ["spawners.keep"]


def test_inner_wrapper_coroutine_names_the_caller():
    def caller():
        keep_logged(job())

    assert task_site(caller) == ("caller", "keep_logged(job())", "job")


def test_guard_coroutine_names_the_caller():
    def caller():
        keep_guarded(job())

    assert task_site(caller) == ("caller", "keep_guarded(job())", "job")


def test_function_with_arguments_names_the_caller():
    def caller():
        call_in_background(job, 1)

    assert task_site(caller) == ("caller", "call_in_background(job, 1)", "job")


def test_partial_of_a_coroutine_function_names_the_caller():
    def caller():
        call_in_background(functools.partial(job, 1))

    assert task_site(caller) == ("caller", "call_in_background(functools.partial(job, 1))", "job")


def test_bound_method_of_another_object_names_the_caller():
    def caller():
        call_in_background(Worker().run)

    assert task_site(caller) == ("caller", "call_in_background(Worker().run)", "run")


def test_decorated_coroutine_function_names_the_caller():
    def caller():
        refresh()

    assert task_site(caller) == ("caller", "refresh()", "refresh")


def test_decorated_function_in_a_guard_names_the_caller():
    def caller():
        refresh_guarded()

    assert task_site(caller) == ("caller", "refresh_guarded()", "refresh_guarded")


@pytest.mark.parametrize("method", ["start", "start_wrapped"])
def test_job_object_names_the_line_that_starts_it(method):
    def caller():
        held = Job(job())
        getattr(held, method)()

    assert task_site(caller) == ("caller", "getattr(held, method)()", "job")


@pytest.mark.parametrize("kind", [Job, SlottedJob])
def test_attribute_of_an_argument_names_the_caller(kind):
    def caller():
        launch(kind(job()))

    assert task_site(caller) == ("caller", "launch(kind(job()))", "job")


def test_closure_names_the_line_that_calls_it():
    def caller():
        start = starter_of(job())
        start()

    assert task_site(caller) == ("caller", "start()", "job")


def test_two_levels_of_helpers_name_the_caller():
    def caller():
        keep_below(job())

    assert task_site(caller) == ("caller", "keep_below(job())", "job")
    (site,) = task_sites(caller)
    assert [entry.function.rpartition(".")[2] for entry in site.via] == ["keep", "keep_below"]


def test_awaited_helper_names_the_line_that_awaits_it():
    async def caller():
        await keep_later(job())

    assert task_site(caller) == ("caller", "await keep_later(job())", "job")


def test_recursive_helper_names_the_caller():
    def caller():
        recursing(3, job())

    assert task_site(caller) == ("caller", "recursing(3, job())", "job")


def test_comprehension_over_coroutines_names_the_caller():
    def caller():
        keep_all([job(), job()])

    assert task_site(caller) == ("caller", "keep_all([job(), job()])", "job")


def test_comprehension_that_makes_the_coroutines_stays():
    def caller():
        [asyncio.create_task(job()) for _ in range(2)]

    assert task_site(caller) == ("caller", "[asyncio.create_task(job()) for _ in range(2)]", "job")


def test_gather_in_a_helper_names_the_caller():
    async def caller(scan):
        gathered = gather_all(job(), job())
        scan()
        await gathered

    assert task_site(caller) == ("caller", "gathered = gather_all(job(), job())", "job")


def test_rebound_parameter_names_the_caller():
    def caller():
        keep_checked(job())

    assert task_site(caller) == ("caller", "keep_checked(job())", "job")


def test_coroutine_kept_in_a_list_names_the_line_that_added_it():
    def caller():
        Queued().add(job())

    assert task_site(caller) == ("caller", "Queued().add(job())", "job")


@needs_task_groups
def test_task_group_wrapped_in_a_method_names_the_caller():
    async def caller(scan):
        async with asyncio.TaskGroup() as group:
            Nursery(group).start(job())
            scan()

    assert task_site(caller) == ("caller", "Nursery(group).start(job())", "job")


def test_anyio_start_soon_names_its_own_line():
    anyio = pytest.importorskip("anyio")

    async def caller(scan):
        async with anyio.create_task_group() as group:
            group.start_soon(job, 1)
            scan()

    assert task_site(caller) == ("caller", "group.start_soon(job, 1)", "job")


def test_anyio_start_soon_in_a_method_names_the_caller():
    anyio = pytest.importorskip("anyio")

    async def caller(scan):
        async with anyio.create_task_group() as group:
            Nursery(group).start_soon(job, 1)
            scan()

    assert task_site(caller) == ("caller", "Nursery(group).start_soon(job, 1)", "job")


def test_lambda_called_by_the_loop_stays():
    def caller():
        asyncio.get_running_loop().call_soon(lambda: asyncio.create_task(job()))

    line = "asyncio.get_running_loop().call_soon(lambda: asyncio.create_task(job()))"
    assert task_site(caller) == ("<lambda>", line, "job")


def test_lambda_over_a_coroutine_called_by_the_loop_stays():
    """Outside it there is only the loop: the last spawner is the line."""

    def caller():
        coro = job()
        asyncio.get_running_loop().call_soon(lambda: asyncio.create_task(coro))

    line = "asyncio.get_running_loop().call_soon(lambda: asyncio.create_task(coro))"
    assert task_site(caller) == ("<lambda>", line, "job")


def submit(coro, loop):
    return asyncio.run_coroutine_threadsafe(coro, loop)


def submitting_directly(loop):
    asyncio.run_coroutine_threadsafe(job(), loop)


def submitting_through_a_helper(loop):
    submit(job(), loop)


@pytest.mark.parametrize(
    ("calling", "line"),
    [
        (submitting_directly, "asyncio.run_coroutine_threadsafe(job(), loop)"),
        (submitting_through_a_helper, "submit(job(), loop)"),
    ],
)
def test_run_coroutine_threadsafe_names_the_calling_line(calling, line):
    async def caller():
        thread = threading.Thread(target=calling, args=[asyncio.get_running_loop()])
        thread.start()
        # A joined thread has asked the loop already, which goes on only afterwards.
        thread.join()

    assert task_site(caller) == (calling.__name__, line, "job")


def test_loop_that_overrides_create_task_names_the_caller():
    def caller():
        keep(job())

    assert task_site(caller, loop=TracingLoop()) == ("caller", "keep(job())", "job")


def test_own_method_of_a_worker_stays():
    def caller():
        Worker().start()

    assert task_site(caller) == ("start", "self.task = asyncio.create_task(self.run())", "run")


def test_own_method_beside_an_unused_coroutine_stays():
    unused = job()

    def caller():
        HoldingWorker(unused).start()

    found = task_site(caller)
    unused.close()
    assert found == ("start", "self.task = asyncio.create_task(self.run())", "run")


def test_handler_that_passes_plain_values_stays():
    def caller():
        handle(17)

    assert task_site(caller) == ("handle", "return asyncio.create_task(job(item))", "job")


def create_application():
    """Import inside of a function, as application factories do."""
    from creation_sites import job as imported

    def handler():
        keep(imported())

    return handler


def test_function_imported_in_an_application_factory_stays():
    """It is in the closure of the handler, but its enclosing function imported it and was not given it."""
    handler = create_application()

    assert task_site(lambda: handler()) == ("handler", "keep(imported())", "job")


def test_callback_that_is_only_passed_on_stays():
    def caller():
        watch(3, print)

    assert task_site(caller) == ("watch", "return asyncio.create_task(poll(number, on_done))", "poll")


def test_dependency_that_is_only_passed_on_stays():
    def get_database():
        yield "connection"

    def process(dependency, item):
        return asyncio.create_task(poll(item, dependency))

    def caller():
        process(get_database, 17)

    assert task_site(caller) == ("process", "return asyncio.create_task(poll(item, dependency))", "poll")


def test_server_with_a_handler_stays_at_the_outermost_line():
    """Nobody in this task stands outside the server: the line that passed the handler is in another one."""

    async def serve(handler):
        asyncio.create_task(handler())

    async def run_server(handler):
        await serve(handler)

    def caller():
        server = asyncio.ensure_future(run_server(job))
        background.add(server)

    found = {(site.function.rpartition(".")[2], site.runs.rpartition(".")[2]) for site in task_sites(caller)}
    assert ("run_server", "job") in found
