"""The hook makes a task itself only where the method below would do nothing else; what it makes is the same."""

import asyncio
import traceback

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, live_counts
from opentelemetry.instrumentation.concurrency.record.plain_creation import task_module_below


@pytest.fixture
def instrumented():
    ConcurrencyInstrumentor().instrument(metrics="none", reports="none")
    yield
    ConcurrencyInstrumentor().uninstrument()


async def nothing():
    return 42


def test_method_of_this_python_is_known():
    """A Python whose method says something new fails here; there the hook calls the method, and costs more."""
    assert task_module_below(asyncio.BaseEventLoop.create_task) is asyncio.tasks


def test_method_that_may_do_more_is_called(monkeypatch):
    """Somebody else's patch below ours sees every creation."""
    below = asyncio.BaseEventLoop.create_task
    seen = []

    def create_task(self, coro, **kwargs):
        seen.append(coro.__name__)
        return below(self, coro, **kwargs)

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_task", create_task)
    assert task_module_below(create_task) is None
    ConcurrencyInstrumentor().instrument(metrics="none", reports="none")
    try:
        asyncio.run(nothing())
    finally:
        ConcurrencyInstrumentor().uninstrument()
    assert seen[0] == "nothing"


@pytest.mark.parametrize(
    "method",
    [
        print,
        asyncio.create_task,
        lambda self, coro, **kwargs: None,
        # Made in the same module, as a patch by `exec` would, with one name more or one default changed.
        eval("lambda self, coro, **kwargs: tasks.Task(log(coro), loop=self)", vars(asyncio.base_events)),
        eval("lambda self, coro, *, name='mine': tasks.Task(coro, loop=self, name=name)", vars(asyncio.base_events)),
        eval("lambda self, coro, **kwargs: tasks.Task(coro, loop=self, name='mine')", vars(asyncio.base_events)),
    ],
)
def test_any_other_function_may_do_more(method):
    """Builtins, functions of other modules, and those that name something unknown."""
    assert task_module_below(method) is None


def test_tasks_are_of_the_class_that_asyncio_names_at_the_time(instrumented, monkeypatch):
    """Libraries put a class of theirs there while the program runs."""

    class Task(asyncio.Task):
        pass

    async def main():
        monkeypatch.setattr(asyncio.tasks, "Task", Task)
        task = asyncio.get_running_loop().create_task(nothing(), name="one")
        assert type(task) is Task and task.get_name() == "one"
        return await task

    assert asyncio.run(main()) == 42


def test_task_factory_is_asked_and_its_task_recorded(instrumented):
    """Set and taken away while the loop runs."""
    made = []

    def factory(loop, coro, **kwargs):
        made.append(asyncio.Task(coro, loop=loop, **kwargs))
        return made[-1]

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        first = asyncio.create_task(nothing())
        loop.set_task_factory(None)
        second = asyncio.create_task(nothing())
        assert made == [first]
        assert live_counts().tasks == 3
        await asyncio.gather(first, second)

    asyncio.run(main())


def test_closed_loop_and_a_check_of_a_derived_loop_raise_as_ever(instrumented):
    """The same type, the same words."""

    class Guarded(asyncio.SelectorEventLoop):
        guards = False

        def _check_closed(self):
            if self.guards:
                raise ValueError("guarded")

    coro = nothing()
    loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
        loop.create_task(coro)
    guarded = Guarded()
    guarded.guards = True
    with pytest.raises(ValueError, match=r"^guarded$"):
        guarded.create_task(coro)
    guarded.guards = False
    guarded.close()
    coro.close()


def test_non_coroutine_is_refused_in_the_same_words():
    """And what the method does not take is named as it would be."""

    def refusals():
        loop = asyncio.new_event_loop()
        coro = nothing()
        for arguments in ({"coro": 7}, {"coro": coro, "nonsense": 1}):
            with pytest.raises(TypeError) as refused:
                loop.create_task(**arguments)
            yield str(refused.value)
        coro.close()
        loop.close()

    bare = list(refusals())
    ConcurrencyInstrumentor().instrument(metrics="none", reports="none")
    try:
        assert list(refusals()) == bare
    finally:
        ConcurrencyInstrumentor().uninstrument()


def test_traceback_of_debug_mode_ends_at_the_application(instrumented):
    """Nothing of ours, and not a frame too few."""

    async def main():
        task = asyncio.get_running_loop().create_task(nothing())
        assert traceback.extract_stack()[-1].name == task._source_traceback[-1].name == "main"
        await task

    asyncio.run(main(), debug=True)
