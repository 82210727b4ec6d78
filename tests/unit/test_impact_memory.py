"""The memory that only leaked tasks hold: what counts, what is held by others, and what is never called."""

import array
import asyncio
import contextvars
import gc
import sys
import types
import weakref

import pytest
import wrapt
from hostile import Hostile, nothing_asked
from werkzeug.local import LocalProxy

from opentelemetry.instrumentation.concurrency.diagnose.impact import exclusive as exclusive_module
from opentelemetry.instrumentation.concurrency.diagnose.impact import memory as memory_module
from opentelemetry.instrumentation.concurrency.diagnose.impact.exclusive import exclusive_memory
from opentelemetry.instrumentation.concurrency.diagnose.impact.memory import measure_memory
from opentelemetry.instrumentation.concurrency.diagnose.impact.sizes import Sizes, numpy_arrays
from opentelemetry.instrumentation.concurrency.diagnose.proof.closure import Cut
from opentelemetry.instrumentation.concurrency.diagnose.verdict.impact import LeakMemory

MEGABYTE = 1_000_000
OVERHEAD = 10_000
"""More than a task with its coroutine takes."""
request_body = contextvars.ContextVar("request_body")


async def hold(*held):
    await asyncio.get_running_loop().create_future()
    return held


async def measured(tasks, **options):
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    try:
        return exclusive_memory(tasks, Cut([loop]), lambda: None, **options)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def measure(make, count=1, **options):
    """Return the memory of tasks that hold what ``make`` returns for each."""

    async def main():
        tasks = [asyncio.create_task(hold(*make(number))) for number in range(count)]
        return await measured(tasks, **options)

    return asyncio.run(main())


class Connection:
    """One half of a cycle."""

    def __init__(self, size):
        self.buffer = bytearray(size)
        self.protocol = Protocol(self)


class Protocol:
    def __init__(self, connection):
        self.connection = connection


class TestExclusive:
    def test_buffers_of_a_task_are_counted_in_full(self):
        """Bytes, bytearray, array, and the buffer behind a memoryview."""

        def make(_number):
            return (
                bytes(MEGABYTE),
                bytearray(MEGABYTE),
                array.array("d", bytes(MEGABYTE)),
                memoryview(bytearray(MEGABYTE)),
            )

        found = measure(make)
        assert 4 * MEGABYTE <= found.bytes < 4.1 * MEGABYTE  # the array has room to grow
        assert found.is_complete and found.not_counted == ()

    def test_object_held_by_the_application_is_left_out(self):
        shared = bytearray(5 * MEGABYTE)
        found = measure(lambda _number: (shared, bytes(MEGABYTE)), count=3)
        assert 3 * MEGABYTE <= found.bytes < 3 * MEGABYTE + 3 * OVERHEAD

    def test_object_shared_by_leaked_tasks_counts_once(self):
        shared = [bytearray(5 * MEGABYTE)]

        async def main():
            tasks = [asyncio.create_task(hold(shared[0])) for _ in range(3)]
            shared.clear()
            return await measured(tasks)

        assert 5 * MEGABYTE <= asyncio.run(main()).bytes < 5 * MEGABYTE + 3 * OVERHEAD

    def test_cycle_that_only_the_task_holds_is_counted(self):
        assert MEGABYTE <= measure(lambda _number: (Connection(MEGABYTE),)).bytes < MEGABYTE + OVERHEAD

    def test_cycle_that_others_hold_is_left_out(self):
        kept = Connection(MEGABYTE)
        assert measure(lambda _number: (kept,)).bytes < OVERHEAD
        # Also if only its other half is held.
        protocol = Connection(MEGABYTE).protocol
        assert measure(lambda _number: (protocol.connection,)).bytes < OVERHEAD

    def test_value_in_the_context_of_a_task_is_counted(self):
        async def main():
            context = contextvars.copy_context()
            context.run(request_body.set, bytes(MEGABYTE))
            task = context.run(asyncio.ensure_future, hold())
            del context
            return await measured([task])

        assert MEGABYTE <= asyncio.run(main()).bytes < MEGABYTE + OVERHEAD

    def test_task_that_is_awaited_ends_with_its_owner(self):
        async def wait_for_child(child):
            await child

        async def main():
            child = asyncio.create_task(hold(bytes(MEGABYTE)))
            owner = asyncio.create_task(wait_for_child(child))
            await asyncio.sleep(0)
            return await measured([owner])

        assert MEGABYTE <= asyncio.run(main()).bytes < MEGABYTE + OVERHEAD

    def test_other_pending_task_keeps_what_it_holds(self):
        async def main():
            other = asyncio.create_task(hold(bytes(MEGABYTE)))
            found = await measured([asyncio.create_task(hold(other))])
            other.cancel()
            return found

        assert asyncio.run(main()).bytes < OVERHEAD

    def test_limits_make_the_result_a_lower_bound(self, monkeypatch):
        def make(_number):
            return ([bytes(1000) for _ in range(1000)],)

        assert not measure(make, max_work=100).is_complete
        monkeypatch.setattr(exclusive_module, "MAX_OBJECTS", 100)
        limited = measure(make)
        assert not limited.is_complete and limited.bytes < 200_000
        monkeypatch.undo()
        assert MEGABYTE <= measure(make).bytes < 1.1 * MEGABYTE

    def test_large_collections_are_read_in_parts(self):
        """Lists, dictionaries and sets of thousands of entries."""

        def make(_number):
            texts = [f"text number {number}" for number in range(3000)]
            return list(texts), dict.fromkeys(texts), set(texts)

        found = measure(make)
        assert found.is_complete and found.objects > 3000

    def test_cycles_are_sought_up_to_a_limit(self, monkeypatch):
        monkeypatch.setattr(exclusive_module, "_CYCLES_LIMIT", 10)
        ring = [[] for _ in range(1000)]
        for place, each in enumerate(ring):
            each.append(ring[place - 1])
        found = measure(lambda _number: (ring[0],))
        assert not found.is_complete
        live = set(map(id, ring))
        assert measure(lambda _number: (ring[0],), live=live).is_complete

    def test_measurement_keeps_nothing_alive(self):
        kept = [Connection(10)]
        gone = weakref.ref(kept[0])
        measure(lambda _number: tuple(kept))
        kept.clear()
        gc.collect()
        assert gone() is None


class Lying:
    """Claims another size, class and dictionary."""

    def __sizeof__(self):
        raise AssertionError("called")

    @property
    def __class__(self):
        raise AssertionError("called")

    @property
    def __dict__(self):
        raise AssertionError("called")


class LyingBytes(bytearray):
    def __sizeof__(self):
        raise AssertionError("called")

    def __len__(self):
        raise AssertionError("called")


class LyingModule(types.ModuleType):
    def __getattr__(self, name):
        raise AssertionError(name)


def refuse():
    raise AssertionError("called")


class TestForeignCode:
    def test_class_with_its_own_sizeof_is_named(self):
        """The size is that of the base in C; the class is named, because there may be more."""
        found = measure(lambda _number: (Lying(), LyingBytes(MEGABYTE)))
        assert MEGABYTE <= found.bytes < MEGABYTE + OVERHEAD
        assert sorted(name.rpartition(".")[2] for name, _ in found.not_counted) == ["Lying", "LyingBytes"]

    def test_hostile_objects_are_never_called(self):
        async def main():
            kept = Hostile()
            tasks = [asyncio.create_task(hold(Hostile(), [Hostile()], kept, Hostile))]
            await asyncio.sleep(0)
            with nothing_asked():
                return exclusive_memory(tasks, Cut([]), lambda: None)

        assert asyncio.run(main()).bytes < OVERHEAD

    def test_proxies_do_not_forward_to_their_objects(self):
        found = measure(lambda _number: (wrapt.ObjectProxy(bytearray(MEGABYTE)), LocalProxy(refuse)))
        assert MEGABYTE <= found.bytes < MEGABYTE + OVERHEAD

    def test_module_with_getattr_is_held_by_others(self):
        found = measure(lambda _number: (LyingModule("lying"),))
        assert found.bytes < OVERHEAD

    def test_c_object_with_hidden_memory_is_named(self):
        import zlib

        found = measure(lambda _number: (zlib.compressobj(),), count=2)
        assert [count for _, count in found.not_counted] == [2]
        assert "Compress" in found.not_counted[0][0]


class TestNumpy:
    def test_array_counts_its_buffer_and_a_view_does_not(self):
        numpy = pytest.importorskip("numpy")

        class Lying(numpy.ndarray):
            @property
            def nbytes(self):
                raise AssertionError("called")

        owner = numpy.zeros(MEGABYTE, dtype="u1")
        sizes = Sizes()
        sizes.add([owner, owner[:10], owner.view(Lying), owner[5:].copy().view(Lying)])
        assert MEGABYTE < sizes.total < MEGABYTE + 1000

    def test_view_leads_to_the_array_that_owns_the_memory(self):
        numpy = pytest.importorskip("numpy")
        found = measure(lambda _number: (numpy.zeros(MEGABYTE, dtype="u1")[:10],))
        assert MEGABYTE <= found.bytes < MEGABYTE + OVERHEAD
        shared = numpy.zeros(MEGABYTE, dtype="u1")
        assert measure(lambda _number: (shared[:10],)).bytes < OVERHEAD

    def test_module_of_that_name_without_arrays_is_ignored(self, monkeypatch):
        for module in (None, types.SimpleNamespace(), LyingModule("numpy"), types.ModuleType("numpy")):
            monkeypatch.setitem(sys.modules, "numpy", module)
            assert numpy_arrays() is None
        module.ndarray = type("ndarray", (), {"nbytes": property(refuse), "base": property(refuse)})
        assert numpy_arrays() is None
        monkeypatch.delitem(sys.modules, "numpy")
        assert numpy_arrays() is None


class TestSamples:
    def measure(self, count, total=None):
        async def main():
            tasks = [asyncio.create_task(hold(bytes(10_000))) for _ in range(count)]
            await asyncio.sleep(0)
            return measure_memory(list(map(weakref.ref, tasks)), total or count, Cut([]), lambda: None)

        return asyncio.run(main())

    def test_small_group_is_measured_in_full(self):
        found = self.measure(100)
        assert (found.tasks, found.measured, found.note) == (100, 100, "")
        assert 1_000_000 <= found.bytes < 1_200_000

    def test_large_group_is_estimated_from_a_sample(self, monkeypatch):
        monkeypatch.setattr(memory_module, "MAX_OBJECTS", 1_000)
        found = self.measure(400)
        assert found.tasks == 400 and 32 <= found.measured < 200
        assert 4_000_000 <= found.bytes < 4_800_000
        assert found.note == f"estimated from {found.measured} of 400 tasks"
        assert found.text.startswith("about 4.")

    def test_group_of_which_only_some_are_known_is_estimated(self):
        found = self.measure(10, total=1000)
        assert (found.tasks, found.measured) == (1000, 10)
        assert 10_000_000 <= found.bytes < 12_000_000

    def test_group_that_has_ended_has_no_memory(self):
        assert measure_memory([], 0, Cut([]), lambda: None) is None

    def test_failure_gives_no_memory(self):
        def fail():
            raise RuntimeError

        async def main():
            tasks = [asyncio.create_task(hold())]
            await asyncio.sleep(0)
            return measure_memory(list(map(weakref.ref, tasks)), 1, Cut([]), fail)

        assert asyncio.run(main()) is None


def test_leak_memory_says_what_it_lacks():
    found = LeakMemory(1_500, 3, 2, is_complete=False, not_counted=(("zlib.Compress", 2),))
    assert found.text == "at least 1.5 kB"
    assert found.note == (
        "at least, because a limit was reached; estimated from 2 of 3 tasks; "
        "not counted is the memory that these own: 2 zlib.Compress"
    )
    assert found.of_tasks(6).bytes == 3_000


def test_memory_is_an_estimate_only_where_tasks_were_left_out():
    assert LeakMemory(1000, tasks=3, measured=3).text == "1.0 kB"
    assert LeakMemory(1000, tasks=3, measured=2).text == "about 1.0 kB"
    assert LeakMemory(1000, tasks=3, measured=3).note == ""
    assert LeakMemory(1000, tasks=3, measured=2).note == "estimated from 2 of 3 tasks"


def test_task_that_two_await_is_measured_once():
    async def wait(inner):
        await inner

    async def main():
        inner = asyncio.ensure_future(asyncio.Event().wait())
        tasks = [asyncio.ensure_future(wait(inner)) for _ in range(2)]
        await asyncio.sleep(0)
        found = exclusive_module._with_awaited(tasks)
        for task in tasks:
            task.cancel()
        await asyncio.wait([inner, *tasks])
        return found == [*tasks, inner]

    assert asyncio.run(main())
