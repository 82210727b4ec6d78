"""Fixtures that more than one module of unit tests needs."""

import asyncio
import gc

import pytest
from asked_agent import Answers

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.agent.agent import Agent
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record.compiled import choose_recorder


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Run a coroutine function to its end on a loop of each kind."""
    uvloop = pytest.importorskip("uvloop") if request.param == "uvloop" else None
    loop = uvloop.new_event_loop() if request.param == "uvloop" else asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # On ≤ 3.11 subprocesses are waited for by a watcher that must know the loop.
    yield lambda main: loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture(params=["python"] if choose_recorder("auto").reason else ["python", "compiled"])
def recorder(request):
    """Run a test with each recorder of task creations; without the compiled one, its own tests are the ones skipped."""
    return request.param


@pytest.fixture
def instrumented(recorder):
    """Record everything and report nothing, and give the installation."""
    # What earlier tests left suspended must not end in the middle of a count.
    gc.collect()
    ConcurrencyInstrumentor().instrument(reports="none", task_age=3600, scan_interval=3600, recorder=recorder)
    assert current_installation().recorder.task_recorder.name == recorder
    yield current_installation()
    ConcurrencyInstrumentor().uninstrument()


@pytest.fixture
def instrumentation():
    """Instrument with the usual settings, and report nothing."""
    ConcurrencyInstrumentor().instrument(reports="none")
    yield
    ConcurrencyInstrumentor().uninstrument()


@pytest.fixture
def loop():
    """A loop of asyncio that does not run; its tasks end with the test."""
    made = asyncio.new_event_loop()
    yield made
    for task in asyncio.all_tasks(made):
        task.cancel()
    made.run_until_complete(asyncio.sleep(0))
    made.close()


@pytest.fixture
def answers():
    """The answers of `agent`."""
    return Answers()


@pytest.fixture
def agent(tmp_path, answers):
    """An agent whose answers a test controls."""
    made = Agent(str(tmp_path / "agents"), answers.answer, answers.answer_at_once)
    made.ensure_running()
    yield made
    answers.go.set()
    made.close()
