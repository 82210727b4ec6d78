"""Ways to wake a task past all that counts references: none of these is ever proven."""

import asyncio
import contextlib
import contextvars
import ctypes
import gc
import sys
import threading
import weakref

import pytest
from healthy_waits import LOOPS, forget_registry, new_future, on, prove_then_wake, registry, run_on, set_result

WAITS = {}
WOKEN_BY_THE_COLLECTOR = {}


def healthy(wait):
    """Register a wait: given ``start(coro)``, it returns how to wake what it started, or None if it wakes alone."""
    WAITS[wait.__name__] = wait
    return wait


def ended_by_the_collector(wait):
    """Register a wait that is woken when the collector ends a task that nobody holds."""
    WOKEN_BY_THE_COLLECTOR[wait.__name__] = wait
    return wait


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


@healthy
def callback_of_a_weak_reference_that_the_waiting_frame_keeps(start):
    """What it refers to is not reached from it, and dies when somebody else lets it go."""

    async def wait(owner):
        future = new_future()
        reference = weakref.ref(owner, lambda _: set_result(future))
        del owner
        await future
        del reference

    owner = registry.owner = Resource()
    start(wait(owner))
    del owner
    return lambda: registry.__dict__.pop("owner") and None


@healthy
def callback_of_a_weak_proxy(start):
    async def wait(owner):
        future = new_future()
        proxy = weakref.proxy(owner, lambda _: set_result(future))
        del owner
        await future
        del proxy

    owner = registry.owner = Resource()
    start(wait(owner))
    del owner
    return lambda: registry.__dict__.pop("owner") and None


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
def message_of_a_socket_of_zeromq(start):
    """A client in C whose threads wake it through a descriptor that the loop watches."""
    zmq = pytest.importorskip("zmq.asyncio")
    context = zmq.Context()

    async def wait():
        with context.socket(7) as pulling:  # PULL
            registry.port = pulling.bind_to_random_port("tcp://127.0.0.1")
            await pulling.recv()
        ended.set()

    ended = asyncio.Event()
    start(wait())

    async def wake():
        while not hasattr(registry, "port"):
            await asyncio.sleep(0.01)
        with context.socket(8) as pushing:  # PUSH
            pushing.connect(f"tcp://127.0.0.1:{registry.port}")
            await pushing.send(b"x")
            await ended.wait()
        context.term()

    return wake


@healthy
def attribute_of_a_task_that_somebody_holds(start):
    """Whoever holds a task holds what was hung on it."""
    future = new_future()
    task = registry.task = start(on(future))
    task.wake_up = lambda: set_result(future)
    del task
    return lambda: registry.task.wake_up()


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


@ended_by_the_collector
def lock_that_a_finally_lets_go(start):
    """Nobody holds the task with the lock; the collector ends it, and its frame lets the lock go."""
    lock = asyncio.Lock()

    async def left(lock):
        async with lock:
            await new_future()

    async def wait(lock):
        await asyncio.sleep(0)
        async with lock:
            return

    registry.task = start(wait(lock))
    asyncio.get_running_loop().create_task(left(lock))


@ended_by_the_collector
def task_that_a_finally_cancels(start):
    async def wait():
        try:
            await new_future()
        except asyncio.CancelledError:
            return

    async def left(task):
        try:
            await new_future()
        finally:
            task.cancel()

    asyncio.get_running_loop().create_task(left(start(wait())))


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
def protocol_that_holds_its_future(start):
    """No stream and so no weak reference; the loop alone knows the transport."""

    class Protocol(asyncio.Protocol):
        def __init__(self):
            self.future = new_future()

        def data_received(self, data):
            set_result(self.future)

    async def wait(theirs):
        transport, protocol = await asyncio.get_running_loop().create_connection(Protocol, sock=theirs)
        await protocol.future
        transport.close()

    import socket

    ours, theirs = socket.socketpair()
    registry.sockets = (ours,)
    start(wait(theirs))
    del theirs
    return lambda: ours.send(b"x")


@healthy
def datagrams_and_pipes_of_a_protocol(start):
    import os
    import socket

    class Protocol(asyncio.DatagramProtocol):
        def __init__(self):
            self.future = new_future()

        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, address):
            set_result(self.future)

        data_received = eof_received = lambda self, *_: set_result(self.future)

    async def datagram():
        transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
            Protocol, local_addr=("127.0.0.1", 0)
        )
        registry.address = transport.get_extra_info("sockname")
        del transport
        await protocol.future
        protocol.transport.close()

    async def pipe(reading):
        transport, protocol = await asyncio.get_running_loop().connect_read_pipe(Protocol, reading)
        await protocol.future
        transport.close()

    reading, registry.writing = os.pipe()
    start(datagram())
    start(pipe(os.fdopen(reading, "rb", 0)))

    async def wake():
        while not hasattr(registry, "address"):
            await asyncio.sleep(0.01)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", registry.address)
        os.write(registry.writing, b"x")
        os.close(registry.writing)

    return wake


@healthy
def process_of_a_protocol(start):
    class Protocol(asyncio.SubprocessProtocol):
        def __init__(self):
            self.future = new_future()

        def process_exited(self):
            set_result(self.future)

    async def wait():
        transport, protocol = await asyncio.get_running_loop().subprocess_exec(
            Protocol, sys.executable, "-c", "input()", stdout=None, stderr=None
        )
        registry.pipe = transport.get_pipe_transport(0)
        await protocol.future
        transport.close()

    start(wait())

    async def wake():
        while not hasattr(registry, "pipe"):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        registry.__dict__.pop("pipe").close()

    return wake


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


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("name", sorted(WOKEN_BY_THE_COLLECTOR))
def test_who_wakes_with_the_next_collection_is_not_proven(name, kind):
    """The task that nobody holds never wakes and is proven; what its ``finally`` will wake is not."""

    def wait(start):
        WOKEN_BY_THE_COLLECTOR[name](start)
        return wake

    def wake():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        gc.enable()
        gc.collect()

    gc.disable()
    try:
        proven = run_on(kind, prove_then_wake(wait, collect=False))
    finally:
        gc.enable()

    assert [each.rpartition(".")[2] for each in proven] == ["left"]
