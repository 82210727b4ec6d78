"""What a job of a worker thread starts has outlived its creator when the job has ended, although the worker lives."""

import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.ownership.creator_ended import creator_ended, outlived_a_call


@pytest.fixture
def released():
    event = threading.Event()
    yield event
    event.set()


def creator_of(installation, thread):
    census = installation.census
    with census.locked():
        census.admit_young()
        return census.threads.creators[census.threads.row_of(thread)]


def start(released):
    thread = threading.Thread(target=released.wait, daemon=True)
    thread.start()
    return thread


def test_thread_of_executor_job_outlives_its_creator(instrumented, released):
    """The worker goes on; while the job runs, what it started has not outlived it."""
    started, finish = threading.Event(), threading.Event()
    made = []

    def job():
        made.append(start(released))
        started.set()
        finish.wait()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(job)
        started.wait()
        creator = creator_of(instrumented, made[0])
        assert creator() is future
        assert creator_ended(creator, None) is None
        finish.set()
        future.result()
        assert creator_ended(creator, None) == "the job that started it has ended"
        del future
        pool.submit(int).result()
        assert creator_ended(creator, None) is not None


def test_thread_of_failed_job_outlives_its_creator(instrumented, released):
    """A job that fails has ended as well."""

    def job():
        made.append(start(released))
        raise ValueError

    made = []
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(job)
        assert future.exception() is not None
        assert creator_ended(creator_of(instrumented, made[0]), None) == "the job that started it has ended"


def test_end_of_a_call_says_less_than_that_of_a_message(instrumented, released, monkeypatch):
    """A message stands for a request; a call may be a small part of what goes on."""
    namespace = {"__name__": "celery.app.trace"}
    exec(WORKERS["celery.app.trace"], namespace)
    with ThreadPoolExecutor(1) as pool:
        creator = creator_of(instrumented, pool.submit(start, released).result())
        assert outlived_a_call(creator, None)
        monkeypatch.setitem(sys.modules, "celery.app.trace", sys)
        creator = creator_of(instrumented, namespace["run"](Job(), lambda: start(released)))
        assert not outlived_a_call(creator, None)


def test_thread_outside_jobs_has_its_thread_as_creator(instrumented, released):
    thread = start(released)
    assert creator_of(instrumented, thread)() is threading.current_thread()


def test_thread_of_anyio_worker_has_the_call_as_creator(instrumented, released):
    anyio = pytest.importorskip("anyio")

    async def main():
        thread = await anyio.to_thread.run_sync(start, released)
        creator = creator_of(instrumented, thread)
        assert not isinstance(creator(), threading.Thread)
        return creator

    creator = anyio.run(main)
    assert creator_ended(creator, None) is not None


class Job:
    """A job of a queue's library."""


WORKERS = {
    "celery.app.trace": """
def trace_task(uuid, task_request, function):
    return function()

def run(job, function):
    return trace_task("1", job, function)
""",
    "dramatiq.worker": """
import threading

class WorkerThread(threading.Thread):
    def __init__(self, job, function):
        super().__init__()
        self.job, self.function = job, function

    def run(self):
        job, self.job = self.job, None
        self.process_message(job)

    def process_message(self, message):
        self.result = self.function()

def run(job, function):
    worker = WorkerThread(job, function)
    worker.start()
    worker.join()
    return worker.result
""",
}


@pytest.mark.parametrize("module", WORKERS)
def test_thread_of_queue_job_outlives_its_creator(instrumented, released, monkeypatch, module):
    """The frames are those of the library; the job ends when the library drops it."""
    namespace = {"__name__": module}
    exec(compile(WORKERS[module], f"/site-packages/{module}.py", "exec"), namespace)
    monkeypatch.setitem(sys.modules, module, sys)
    job = Job()
    creator = creator_of(instrumented, namespace["run"](job, lambda: start(released)))
    assert creator() is job
    assert creator_ended(creator, None) is None
    del job
    assert creator_ended(creator, None) is not None


def test_job_without_weak_references_has_the_thread_as_creator(instrumented, released, monkeypatch):
    namespace = {"__name__": "celery.app.trace"}
    exec(WORKERS["celery.app.trace"], namespace)
    monkeypatch.setitem(sys.modules, "celery.app.trace", sys)
    thread = namespace["run"]({"id": 1}, lambda: start(released))
    assert creator_of(instrumented, thread)() is threading.current_thread()


def test_threads_of_dramatiq_messages_outlive_their_creators(instrumented, released):
    """All but those of the last message of each worker, which Dramatiq keeps until the next one comes."""
    dramatiq = pytest.importorskip("dramatiq")
    stub = pytest.importorskip("dramatiq.brokers.stub")
    broker, made = stub.StubBroker(), []
    actor = dramatiq.actor(lambda: made.append(start(released)) or None, actor_name="job", broker=broker)
    broker.declare_queue(actor.queue_name)
    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=10)
    worker.start()
    for _ in range(3):
        actor.send()
    broker.join(actor.queue_name)
    worker.join()
    try:
        ended = [creator_ended(creator_of(instrumented, thread), None) for thread in made]
    finally:
        worker.stop()
    assert ended[:2] == ["the job that started it has ended"] * 2


@pytest.fixture
def root_logger():
    """Restore the root logger, which Celery's worker configures for the whole process."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield root
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.mark.usefixtures("root_logger")
def test_threads_of_celery_tasks_outlive_their_creators(instrumented, recorder, released):
    celery = pytest.importorskip("celery")
    worker = pytest.importorskip("celery.contrib.testing.worker")
    app, made = celery.Celery("shop", broker="memory://", backend="cache+memory://"), []

    # Names are unique in a process, and this test runs with each recorder.
    @app.task(name=f"job of {recorder}")
    def job():
        made.append(start(released))

    with worker.start_worker(app, perform_ping_check=False, pool="solo"):
        job.delay().get(timeout=30)
        job.delay().get(timeout=30)
        first, _ = made
        assert creator_ended(creator_of(instrumented, first), None) == "the job that started it has ended"
