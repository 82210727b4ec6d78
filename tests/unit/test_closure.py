"""Reading a closure: which objects are held from outside, and when the reading says nothing."""

import asyncio
import gc
import shutil
import sys
import threading
from contextlib import contextmanager, suppress
from weakref import ref

import anyio
import pytest

from opentelemetry.instrumentation.concurrency.diagnose.proof import closure as closure_module
from opentelemetry.instrumentation.concurrency.diagnose.proof.closure import (
    Closure,
    Cut,
    Pace,
    TooMuchWorkError,
    account,
)


class Node:
    """An object with a dictionary of what it leads to."""

    def __init__(self, *leads_to):
        self.leads_to = leads_to


@pytest.fixture
def pace():
    return Pace(lambda: None)


@pytest.fixture
def short_switch_interval():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def closure_of(start, pace, **options):
    made = Closure(Cut(()), pace, **options)
    made.add(start)
    return made


class Collecting(list):
    """A list with a collection before each of its objects."""

    def __iter__(self):
        for each in super().__iter__():
            gc.collect(0)
            yield each


def test_account_interrupted_by_collection_returns_none(pace):
    """A collection may have cleared references between two counts."""
    assert account(Collecting([Node()]), 0, pace) is None


def test_account_beside_collecting_threads_succeeds(pace, short_switch_interval):
    """They cannot do so within the reading, which is one call; what they do right before and after it is no matter."""
    objects, ends = [Node() for _ in range(50_000)], threading.Event()

    def collect():
        while not ends.is_set():
            gc.collect(0)

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        given = [account(objects, 0, pace) is not None for _ in range(10)]
    finally:
        ends.set()
        thread.join()
    # The reading allocates a few objects itself, which may start a collection once in a while.
    assert sum(given) >= 8


def test_account_undisturbed_reading_is_given(pace):
    gc.disable()
    try:
        assert account([Node()], 0, pace) is not None
    finally:
        gc.enable()


def test_collections_counts_every_generation():
    before = closure_module._collections(gc.get_stats())
    gc.collect(0)
    assert closure_module._collections(gc.get_stats()) != before


def test_account_object_with_other_holders_is_held(pace):
    """The inner one is held by the outer one alone; the outer one by this function too."""
    gc.disable()
    try:
        outer = Node(Node())
        objects = closure_of([outer], pace).objects
        accounts = account(objects, 0, pace)
        held = dict(zip(map(id, objects), map(bool, accounts.held), strict=True))
        objects = None
        assert held[id(outer)]
        assert not held[id(outer.leads_to[0])]
    finally:
        gc.enable()


def test_account_tells_weak_references(pace):
    node = Node()
    kept = ref(node)
    objects = closure_of([node], pace).objects
    accounts = account(objects, 0, pace)
    assert accounts is None or accounts.weak[0] == 1
    assert kept() is node


@pytest.mark.parametrize(("ours", "is_held"), [(2, False), (1, True)])
def test_account_references_of_the_caller_to_tasks_do_not_count(pace, ours, is_held):
    class Task:
        """Has the field that is read of tasks."""

        _fut_waiter = None

    gc.disable()
    try:
        objects = [Task()]
        lists = [objects[:], objects[:]]
        accounts = account(objects, 1, pace, held_by_us=ours)
        assert bool(accounts.held[0]) is is_held
        assert len(lists) == 2
    finally:
        gc.enable()


def test_account_work_is_counted_by_references():
    """So that other threads run meanwhile, and the limit ends it."""
    pauses = []
    counting = Pace(lambda: pauses.append(True))
    shared = [Node() for _ in range(100)]
    objects = [Node(*shared) for _ in range(300)]
    gc.disable()
    try:
        found = closure_of(objects, Pace(lambda: None)).objects
        assert account(found, 0, counting) is not None
    finally:
        gc.enable()
    assert pauses


def test_closure_reaches_referents(pace):
    inner = Node()
    found = closure_of([Node([{"key": inner}])], pace)
    assert any(each is inner for each in found.objects)
    assert found.is_whole and found.has_room


def test_closure_stops_after_so_many_steps(pace):
    chain = Node(Node(Node()))
    found = Closure(Cut(()), pace)
    found.add([chain], depth=0)
    assert len(found.objects) == 1


def test_closure_stops_at_classes_modules_and_loops(pace):
    loop = Node(Node())
    found = Closure(Cut([loop]), pace)
    found.add([Node(loop, Node, shutil, shutil.__dict__)])
    assert all(each is not loop and each is not Node and each is not shutil for each in found.objects)


def test_closure_adds_an_object_once(pace):
    node = Node()
    found = closure_of([node, node], pace)
    found.add([node])
    assert sum(each is node for each in found.objects) == 1


def test_closure_has_no_more_objects_than_its_limit(pace):
    """One container may hold a million, and all of a closure is read at one instant."""
    assert len(closure_of([[[] for _ in range(50)]], pace, limit=10).objects) == 10


def test_closure_omits_weak_references(pace):
    """What their callbacks hold counts as held from outside, as it did for each of ten thousand in a registry."""
    kept, callback = Node(), Node()
    registry = [ref(kept), ref(kept, lambda _, held=callback: held)]
    found = closure_of([registry], pace).objects
    assert found == [registry]


@contextmanager
def anyio_scopes(count):
    """The set of cancel scopes below that of a group."""
    loop, groups = asyncio.new_event_loop(), []

    async def member():
        with anyio.CancelScope():
            await anyio.sleep_forever()

    async def run():
        async with anyio.create_task_group() as group:
            groups.append(group)
            for _ in range(count):
                group.start_soon(member)
            await anyio.sleep_forever()

    host = loop.create_task(run())
    for _ in range(3):
        loop.run_until_complete(asyncio.sleep(0))
    yield groups[0].cancel_scope._child_scopes
    host.cancel()
    with suppress(asyncio.CancelledError):
        loop.run_until_complete(host)
    loop.close()


@pytest.mark.parametrize(("count", "is_split"), [(16, False), (17, True)])
def test_closure_set_of_many_scopes_relates_nothing(pace, count, is_split):
    """The scope of a service's group has the scope of each session among its children."""
    with anyio_scopes(count) as children:
        scopes = set(map(id, children))
        assert len(scopes) == count
        for splits in (True, False):
            found = set(map(id, closure_of([children], pace, splits=splits).objects))
            assert bool(scopes & found) is not (splits and is_split)


@pytest.mark.parametrize(("others", "is_split"), [(0, True), (200, False)])
def test_closure_asks_only_the_first_of_a_collection_whether_it_holds_tasks(pace, others, is_split):
    """Walks come by the same collection of a million other objects often."""
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(asyncio.sleep(0)) for _ in range(17)]
    # The garbage collector visits lists from their end.
    collection = [*tasks, *([] for _ in range(others))]
    found = closure_of([collection], pace, may_join=set(map(id, tasks)), splits=True).objects
    joined = [task for task in tasks if any(task is each for each in found)]
    loop.run_until_complete(asyncio.gather(*tasks))
    loop.close()
    assert joined == ([] if is_split else tasks)


def test_cut_stops_at_live_objects(pace):
    node = Node()
    cut = Cut(())
    assert not cut.stops_at(node)
    cut.add_live([node])
    assert cut.stops_at(node)


def test_pace_pauses_after_so_much_work_and_ends_at_the_limit():
    pauses = []
    pace = Pace(lambda: pauses.append(True), 10_000)
    pace.work(4_999)
    assert pauses == []
    pace.work(1)
    assert pauses == [True]
    pace.work(4_999)
    assert pauses == [True]
    pace.work(1)
    assert pauses == [True, True]
    with pytest.raises(TooMuchWorkError):
        pace.work(1)
