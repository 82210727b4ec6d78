"""The creating line behind every form in which applications start threads through functions of their own."""

import multiprocessing.dummy
import multiprocessing.pool
import threading

import pytest
from creation_sites import short, thread_site, thread_sites, work

pytestmark = pytest.mark.usefixtures("instrumented")


def start(target, *args):
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


def start_guarded(target):
    def run():
        target()

    thread = threading.Thread(target=run)
    thread.start()


def start_all(threads):
    for thread in threads:
        thread.start()


class Poller(threading.Thread):
    """Starts itself as soon as it is made."""

    def __init__(self):
        super().__init__()
        self.start()

    def run(self):
        work()


class Ticker(threading.Thread):
    """A thread with a method of its own, started by who made it."""

    def run(self):
        work()


class Connection:
    """Makes its thread and starts it."""

    def open(self):
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        work()


def test_thread_without_spawner_names_its_own_line():
    def caller():
        threading.Thread(target=work).start()

    assert thread_site(caller) == ("caller", "threading.Thread(target=work).start()", "work")


def test_thread_is_counted_where_it_is_started():
    def caller():
        thread = threading.Thread(target=work)
        thread.start()

    assert thread_site(caller) == ("caller", "thread.start()", "work")


def test_helper_that_gets_the_target_names_the_caller():
    def caller():
        start(work, 1)

    assert thread_site(caller) == ("caller", "start(work, 1)", "work")


def test_inner_function_around_the_target_names_the_caller():
    def caller():
        start_guarded(work)

    assert thread_site(caller) == ("caller", "start_guarded(work)", "work")


def test_helper_that_gets_threads_names_the_caller():
    def caller():
        threads = [threading.Thread(target=work), threading.Thread(target=work)]
        start_all(threads)

    assert thread_site(caller) == ("caller", "start_all(threads)", "work")


def test_thread_that_starts_itself_names_its_creating_line():
    def caller():
        Poller()

    assert thread_site(caller) == ("caller", "Poller()", "run")
    (site,) = thread_sites(caller)
    assert site.runs == "test_spawner_forms_of_threads.Poller.run"


def test_thread_of_a_subclass_runs_its_own_method():
    def caller():
        Ticker().start()

    assert thread_site(caller) == ("caller", "Ticker().start()", "run")
    (site,) = thread_sites(caller)
    assert site.runs == "test_spawner_forms_of_threads.Ticker.run"


def test_thread_made_and_started_by_a_method_stays():
    """It is an attribute of an argument, but was stored there by this very method."""

    def caller():
        Connection().open()

    assert thread_site(caller) == ("open", "self.thread.start()", "read")


def test_thread_made_and_started_through_a_closure_stays():
    def caller():
        thread = None

        def connect():
            nonlocal thread
            thread = threading.Thread(target=work)
            thread.start()

        connect()

    assert thread_site(caller) == ("connect", "thread.start()", "work")


def test_plain_value_in_the_arguments_stays():
    def read(path):
        threading.Thread(target=work, args=[path]).start()

    def caller():
        read("/dev/null")

    assert thread_site(caller) == ("read", "threading.Thread(target=work, args=[path]).start()", "work")


def test_thread_pool_of_multiprocessing_names_the_application():
    """Its workers and its three own threads alike."""
    pools = []

    def make_pool():
        pools.append(multiprocessing.pool.ThreadPool(2))

    def caller():
        make_pool()

    found = thread_sites(caller, ending=lambda: pools[0].terminate())
    assert {short(site)[:2] for site in found} == {("make_pool", "pools.append(multiprocessing.pool.ThreadPool(2))")}
    assert len(found) == 5
    assert "multiprocessing.pool.worker" in {site.runs for site in found}


def test_process_of_multiprocessing_dummy_names_the_application():
    def caller():
        process = multiprocessing.dummy.Process(target=work)
        process.start()

    assert thread_site(caller) == ("caller", "process.start()", "work")


def test_pool_of_multiprocessing_dummy_names_the_application():
    pools = []

    def caller():
        pools.append(multiprocessing.dummy.Pool(1))

    found = thread_sites(caller, ending=lambda: pools[0].terminate())
    assert {short(site)[:2] for site in found} == {("caller", "pools.append(multiprocessing.dummy.Pool(1))")}
