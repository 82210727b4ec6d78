"""Ways to wake a task past all that counts references: none of these is ever proven."""

import asyncio
import contextlib
import contextvars
import ctypes
import sys
import threading
import weakref

import pytest
from healthy_waits import LOOPS, Waits, forget_registry, new_future, on, prove_then_wake, registry, run_on, set_result

WAITS = Waits()
healthy = WAITS.healthy


@pytest.fixture(autouse=True)
def leave_nothing():
    yield
    forget_registry()


class Resource:
    def __init__(self):
        self.future = new_future()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def wake(self, *_):
        set_result(self.future)


def wait_for_the_end_of_an_owner(start, refer):
    async def wait(owner):
        future = new_future()
        reference = refer(owner, lambda _: set_result(future))
        del owner
        await future
        del reference

    owner = registry.owner = Resource()
    start(wait(owner))
    del owner
    return lambda: registry.__dict__.pop("owner") and None


@healthy
def callback_of_a_weak_reference_that_the_waiting_frame_keeps(start):
    """What it refers to is not reached from it, and dies when somebody else lets it go."""
    return wait_for_the_end_of_an_owner(start, weakref.ref)


@healthy
def callback_of_a_weak_proxy(start):
    return wait_for_the_end_of_an_owner(start, weakref.proxy)


@healthy
def held_by_a_frame_beside_a_suspended_context_manager(start):
    """From 3.14 on a suspended generator shows twice what it holds once: on its stack, borrowed from a variable."""

    @contextlib.contextmanager
    def using(resource):
        with resource:
            yield

    async def wait(resource):
        future = resource.future
        with using(resource):
            del resource
            await future

    resource = Resource()
    start(wait(resource))
    return resource.wake


@healthy
def held_by_a_frame_beside_a_suspended_async_generator(start):
    async def using(resource):
        with resource:
            yield resource.future

    async def wait(resource):
        future = resource.future
        generator = using(resource)
        del resource
        async for each in generator:
            del each
            await future

    resource = Resource()
    start(wait(resource))
    return resource.wake


@healthy
def held_by_a_frame_beside_a_generator_that_waits_for_an_argument(start):
    def collect(resource, into):
        into(resource, (yield))

    async def wait(resource):
        future = resource.future
        generator = collect(resource, list)
        next(generator)
        del resource
        await future
        del generator

    resource = Resource()
    start(wait(resource))
    return resource.wake


@healthy
def callback_that_c_knows_by_its_address(start):
    """C keeps a bare pointer; the waiting frame keeps the function alive, as the documentation of ctypes demands."""
    callback_type = ctypes.CFUNCTYPE(None)

    async def wait():
        future = new_future()
        callback = callback_type(lambda: set_result(future))
        registry.address = ctypes.cast(callback, ctypes.c_void_p).value
        await future
        del callback

    start(wait())
    return lambda: callback_type(registry.address)()


@healthy
def object_that_cffi_knows_by_its_handle(start):
    ffi = pytest.importorskip("cffi").FFI()

    async def wait():
        future = new_future()
        handle = ffi.new_handle(lambda: set_result(future))
        registry.address = int(ffi.cast("intptr_t", handle))
        await future
        del handle

    start(wait())
    return lambda: ffi.from_handle(ffi.cast("void *", registry.address))()


@healthy
def attribute_of_a_task_that_somebody_holds(start):
    """Whoever holds a task holds what was hung on it."""
    future = new_future()
    task = registry.task = start(on(future))
    task.wake_up = lambda: set_result(future)
    del task
    return lambda: registry.task.wake_up()


@healthy
def slot_of_a_task_with_what_it_waits_for(start):
    class Slots(asyncio.Task):
        __slots__ = ("future",)

    async def wait(future):
        await future

    future = new_future()
    registry.task = start(Slots(wait(future), loop=asyncio.get_running_loop()))
    registry.task.future = future
    del future
    return lambda: set_result(registry.task.future)


@healthy
def coroutine_that_is_known_weakly(start):
    """What refers to it weakly starts it, and it completes the wait."""
    future = new_future()

    async def finish(future):
        set_result(future)

    async def wait(future, _finishing):
        await future

    finishing = finish(future)
    registry.finishing = weakref.ref(finishing)
    start(wait(future, finishing))
    del finishing
    return lambda: asyncio.ensure_future(registry.finishing())


@healthy
def attributes_of_a_task_of_a_class_of_its_own(start):
    class Attributes(asyncio.Task):
        pass

    class Slots(asyncio.Task):
        __slots__ = ("event",)

    class Python(asyncio.tasks._PyTask):
        pass

    registry.tasks = []
    for kind in (Attributes, Slots, Python):
        event = asyncio.Event()
        task = kind(event.wait(), loop=asyncio.get_running_loop())
        task.event = event
        registry.tasks.append(start(task))
        del event, task
    return lambda: [task.event.set() for task in registry.tasks]


@healthy
def cancelled_by_a_timer_of_a_thread(start):
    """A timeout made by hand, for loops that are blocked at times."""

    async def wait():
        try:
            await new_future()
        except asyncio.CancelledError:
            return

    loop, task = asyncio.get_running_loop(), start(wait())
    timer = threading.Timer(0.1, loop.call_soon_threadsafe, (task.cancel,))
    timer.daemon = True
    timer.start()


@healthy
def held_by_settrace_setprofile_and_the_last_exception(start):
    first, second, third = new_future(), new_future(), new_future()
    before = sys.getprofile()
    sys.setprofile(lambda *_, future=first: None)
    sys.last_value = ValueError(second)
    threading.settrace(lambda *_, future=third: None)
    futures = [weakref.ref(each) for each in (first, second, third)]
    for each in (first, second, third):
        start(on(each))
    del first, second, third, each

    def wake():
        found = [sys.getprofile().__kwdefaults__["future"], sys.last_value.args[0]]
        found.append(threading._trace_hook.__kwdefaults__["future"])
        sys.setprofile(before)
        threading.settrace(None)
        del sys.last_value
        assert [each() for each in futures] == found
        for each in found:
            set_result(each)

    return wake


@healthy
def held_by_a_context_and_its_token(start):
    variable = contextvars.ContextVar("variable", default=None)
    future = new_future()
    registry.token = variable.set(future)
    registry.token = variable.set(None)
    start(on(future))
    del future
    return lambda: set_result(registry.token.old_value)


@healthy
def held_by_the_context_of_a_handle(start):
    variable = contextvars.ContextVar("variable")
    context, future = contextvars.copy_context(), new_future()
    context.run(variable.set, future)
    asyncio.get_running_loop().call_later(0.1, lambda: set_result(variable.get()), context=context)
    start(on(future))
    del context, future


@healthy
def held_by_a_generator_suspended_in_another_thread(start):
    future, go = new_future(), threading.Event()
    loop = asyncio.get_running_loop()

    def generate(future):
        yield 1
        loop.call_soon_threadsafe(set_result, future)

    def consume(generator):
        next(generator)
        go.wait()
        next(generator, None)

    generator = generate(future)
    threading.Thread(target=consume, args=(generator,), daemon=True).start()
    start(on(future))
    del future, generator
    return go.set


@healthy
def held_by_a_generator_that_runs_in_another_thread(start):
    """Seen while it runs, with what it has just put on its stack."""
    resource, go = Resource(), threading.Event()
    loop = asyncio.get_running_loop()

    def generate(resource):
        with resource:
            yield loop.call_soon_threadsafe(resource.wake, go.wait())

    async def wait(generator, future):
        await future
        del generator

    generator = generate(resource)
    threading.Thread(target=next, args=(generator,), daemon=True).start()
    start(wait(generator, resource.future))
    del resource, generator
    return go.set


@healthy
def resurrected_by_del(start):
    class Phoenix:
        def __init__(self):
            self.future = new_future()

        def __del__(self):
            registry.again = self

    registry.phoenix = Phoenix()
    start(on(registry.phoenix.future))
    del registry.phoenix
    return lambda: set_result(registry.again.future)


@healthy
def dictionary_that_leaves_its_values_to_its_object(start):
    """So do those of 3.13; nobody holds the object itself."""
    resource = Resource()
    attributes = resource.__dict__

    async def wait(resource, attributes):
        await resource.future

    start(wait(resource, attributes))
    registry.attributes = attributes
    del resource, attributes
    return lambda: set_result(registry.attributes["future"])


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("name", sorted(WAITS))
def test_healthy_wait_is_not_proven(name, kind):
    """Whatever was proven must not wake; and every one of these does."""
    assert run_on(kind, prove_then_wake(WAITS[name])) == []
