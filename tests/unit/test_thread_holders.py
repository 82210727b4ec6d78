"""Names of the variables that refer to leaked threads, to their executors, and to what they wait for."""

import queue
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.impact import named_walk, thread_holders
from opentelemetry.instrumentation.concurrency.diagnose.impact.holders import Holders
from opentelemetry.instrumentation.concurrency.diagnose.impact.thread_holders import find_thread_holders
from opentelemetry.instrumentation.concurrency.diagnose.proof.closure import Cut

shop = sys.modules[__name__]


class Client:
    """A client with a thread that waits for items."""

    def __init__(self):
        self.items = queue.Queue()
        self.thread = threading.Thread(target=take, args=(self.items,))


def take(items):
    while items.get() is not None:
        pass


def take_from(stack):
    items = stack.pop()
    items.get()


@pytest.fixture(autouse=True)
def variable(monkeypatch):
    """Remove what a test put into a variable of this module, the only one of the application."""
    monkeypatch.setattr(named_walk, "application_modules", lambda _application: [(__name__, vars(shop))])
    running, current_frames = set(sys._current_frames()), sys._current_frames
    monkeypatch.setattr(
        sys, "_current_frames", lambda: {each: top for each, top in current_frames().items() if each not in running}
    )
    shop.kept = None
    yield
    shop.kept = None


def found_for(threads, executors=()):
    groups = [[weakref.ref(thread) for thread in threads]]
    (holders,) = find_thread_holders(groups, executors, [], {__name__}, Cut([]), lambda: None)
    return holders


def started(thread, waits_in):
    """Start a thread and wait until it is in a function of this code object."""
    thread.start()
    while True:
        frame = sys._current_frames().get(thread.ident)
        while frame is not None:
            if frame.f_code is waits_in.__code__:
                return thread
            frame = frame.f_back


def test_thread_and_its_queue_are_named_by_the_object_that_has_them():
    shop.kept = {"user 191": Client()}
    client = shop.kept["user 191"]
    started(client.thread, queue.Queue.get)
    try:
        name = f"{__name__}.kept[…]"
        assert found_for([client.thread]) == Holders(f"{name}.thread", f"{name}.items")
    finally:
        client.items.put(None)
        client.thread.join()


def test_variables_of_the_leaked_thread_itself_do_not_count():
    items = queue.Queue()
    thread = started(threading.Thread(target=take_from, args=([items],)), queue.Queue.get)
    try:
        assert found_for([thread]) == Holders()
    finally:
        items.put(None)
        thread.join()


def test_worker_is_held_by_the_variable_of_its_executor():
    with ThreadPoolExecutor(1) as executor:
        shop.kept = [executor]
        executor.submit(int).result()
        assert found_for(executor._threads, [executor]).held_by == f"{__name__}.kept"


def test_failure_to_find_holders_of_threads_names_nothing(monkeypatch):
    def fail(*_arguments, **_options):
        raise RuntimeError

    monkeypatch.setattr(thread_holders, "NamedWalk", fail)
    assert found_for([threading.current_thread()]) == Holders()
