"""Which objects of a closure running code references, from accounts written down by each test."""

import asyncio
import ctypes
import gc
import weakref
from array import array
from contextvars import Context

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.introspection.stalls import StallMark
from opentelemetry.instrumentation.concurrency.diagnose.proof import roots as roots_module
from opentelemetry.instrumentation.concurrency.diagnose.proof.closure import Accounts
from opentelemetry.instrumentation.concurrency.diagnose.proof.roots import hung_on_tasks, kept_by_objects, roots


class Node:
    """An object that supports weak references."""


def ignore(_):
    """Be a callback."""


@pytest.fixture
def suspended(loop):
    """Make tasks of a class that wait for a future."""

    async def wait():
        await loop.create_future()

    def start(kind=asyncio.Task):
        made = kind(wait(), loop=loop)
        loop.run_until_complete(asyncio.sleep(0))
        return made

    return start


def accounts_of(objects, *, held=(), edges=()):
    """Return accounts with the real numbers of weak references.

    Args:
        objects: The closure.
        held: Positions with further references.
        edges: For each object, the positions that it refers to; none by default.
    """
    starts, flat = array("l", (0,)), array("l")
    for place in range(len(objects)):
        flat.extend(edges[place] if edges else ())
        starts.append(len(flat))
    return Accounts(
        bytearray(place in held for place in range(len(objects))),
        [weakref.getweakrefcount(each) for each in objects],
        flat,
        starts,
        [],
    )


def roots_of(*objects, held=(), exempt=(), tasks=0, loops=()):
    return roots(list(objects), accounts_of(objects, held=held), set(exempt), tasks, loops)


def test_roots_held_objects_except_the_exempt_ones():
    assert roots_of(Node(), Node(), Node(), held={0, 2}, exempt={0}) == [2]


def test_roots_weak_reference_of_the_application_makes_one():
    """Its holder reaches the object without holding it."""
    known, free = Node(), Node()
    kept = weakref.ref(known)
    assert roots_of(free, known) == [1]
    assert kept() is known


def test_roots_mark_of_the_stall_tracker_makes_none():
    known = Node()
    mark = StallMark(known, callable)
    assert roots_of(known) == []
    other = weakref.ref(known)
    assert roots_of(known) == [0]
    assert mark() is other()


def test_roots_weak_reference_to_a_coroutine_makes_one():
    """Its holder may start or resume the coroutine. Coroutines of await chains are exempt."""

    async def job():
        """Never run."""

    coroutine = job()
    kept = weakref.ref(coroutine)
    assert roots_of(coroutine) == [0]
    assert roots_of(coroutine, exempt={0}) == []
    assert kept() is coroutine
    coroutine.close()


def test_roots_weak_reference_with_a_callback_is_one():
    """The callback runs when the referent dies."""
    known = Node()
    plain, calls = weakref.ref(known), weakref.ref(known, ignore)
    proxy, calling_proxy = weakref.proxy(known), weakref.proxy(known, ignore)
    assert roots_of(plain, calls, proxy, calling_proxy, StallMark(known, callable)) == [1, 3]


def test_roots_pending_task_is_one_unless_examined(suspended, loop):
    examined, other, finished = suspended(), suspended(), suspended()
    finished.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    assert roots_of(examined, other, finished, tasks=1) == [1]


@pytest.mark.parametrize("kind", [asyncio.Task, asyncio.tasks._PyTask])
def test_roots_task_in_the_registry_of_asyncio_is_not_one(kind, suspended):
    """The registry refers to every task weakly and wakes none."""
    assert roots_of(suspended(kind), tasks=1) == []


def test_roots_async_generator_known_to_its_loop_is_not_one(loop):
    async def numbers():
        yield 1

    async def begin(generator):
        await generator.__anext__()

    generator = numbers()
    loop.run_until_complete(begin(generator))
    assert roots_of(generator, loops=[loop]) == []
    assert roots_of(generator) == [0]
    loop.run_until_complete(generator.aclose())


def test_roots_object_whose_address_c_may_know_is_one():
    """C code keeps plain pointers to callbacks of ctypes, which no reference count shows."""
    callback = ctypes.CFUNCTYPE(None)(lambda: None)
    assert roots_of(Node(), callback) == [1]


@pytest.mark.parametrize(("hides", "expected"), [(True, [1]), (False, [])])
def test_kept_by_objects_values_of_dictionaries_that_hide_them(hides, expected, monkeypatch):
    """The second dictionary shows its value to the collector, the third has a value outside the closure."""
    monkeypatch.setattr(roots_module, "DICTIONARIES_HIDE_VALUES", hides)
    hidden, shown = Node(), Node()
    objects = [{"hidden": hidden}, hidden, {"shown": shown}, shown, {"outside": Node()}]
    index = {id(each): place for place, each in enumerate(objects)}
    accounts = accounts_of(objects, edges=[(), (), (3,), (), ()])
    assert kept_by_objects(objects, accounts, index) == expected


@pytest.mark.parametrize("kind", [asyncio.Task, asyncio.tasks._PyTask])
def test_hung_on_tasks_attributes_without_asyncio_fields(kind, suspended):
    class Own(kind):
        """A subclass, as applications define it."""

    task = suspended(Own)
    task.add_done_callback(ignore)
    task.mine = Node()
    # Where the attributes of a C task are in a dictionary, the dictionary stands for them.
    shown = [each for each in gc.get_referents(task) if type(each) is dict and "mine" in each]
    objects = [task.get_coro(), task._fut_waiter, task.get_loop(), ignore, task.mine, *shown]
    index = {id(each): place for place, each in enumerate(objects)}
    found = hung_on_tasks([task], index)
    assert found
    assert min(found) >= objects.index(task.mine)


def test_hung_on_tasks_slot_with_the_waiter_is_found(loop):
    """The slot of the application and the field of asyncio refer to the same future."""

    class Slots(asyncio.Task):
        __slots__ = ("future",)

    async def wait(future):
        await future

    future = loop.create_future()
    task = Slots(wait(future), loop=loop)
    loop.run_until_complete(asyncio.sleep(0))
    assert task._fut_waiter is future
    assert hung_on_tasks([task], {id(future): 1}) == []
    task.future = future
    assert hung_on_tasks([task], {id(future): 1}) == [1]


def test_hung_on_tasks_callbacks_of_a_task_are_not_attributes(suspended):
    """From the second on, a C task keeps its callbacks in a list."""
    task = suspended()
    for _ in range(2):
        task.add_done_callback(ignore)
    lists = [each for each in gc.get_referents(task) if type(each) is list]
    assert lists
    assert hung_on_tasks([task], {id(each): 1 for each in lists}) == []


def test_hung_on_tasks_other_list_is_an_attribute(suspended):
    class Slots(asyncio.Task):
        __slots__ = ("own",)

    task = suspended(Slots)
    for _ in range(2):
        task.add_done_callback(ignore)
    task.own = [(ignore, 3)]
    assert hung_on_tasks([task], {id(task.own): 1}) == [1]


def test_hung_on_tasks_context_is_not_an_attribute(suspended):
    task = suspended()
    contexts = [each for each in gc.get_referents(task) if type(each) is Context]
    assert contexts
    assert hung_on_tasks([task], {id(each): 1 for each in contexts}) == []
