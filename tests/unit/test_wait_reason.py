"""The wait reason: one word of the contract's closed list for every task and thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import queue
import selectors
import socket
import subprocess
import sys
import threading
import time
import types

import anyio
import pytest
from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor

from opentelemetry.instrumentation.concurrency.diagnose.await_chain import AwaitChain, Frame, walk_await_chain
from opentelemetry.instrumentation.concurrency.diagnose.known_waits import (
    INNERMOST_THREAD_WAITS,
    PLAIN_FUTURE_WAITS,
    TASK_WAITS,
    THREAD_WAITS,
)
from opentelemetry.instrumentation.concurrency.diagnose.wait_reason import (
    WAIT_REASONS,
    thread_wait_reason,
    wait_reason,
)

uvloop = pytest.importorskip("uvloop")
aiohttp = pytest.importorskip("aiohttp")
web = pytest.importorskip("aiohttp.web")

needs_3_11 = pytest.mark.skipif(sys.version_info < (3, 11), reason="new in Python 3.11")


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Run a coroutine function to its end on a loop of each kind."""
    loop = uvloop.new_event_loop() if request.param == "uvloop" else asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # On ≤ 3.11 subprocesses are waited for by a watcher that must know the loop.
    yield lambda main: loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    asyncio.set_event_loop(None)


@contextlib.asynccontextmanager
async def suspended(coro, looks=6):
    """Start ``coro`` as a task, let it reach its await, and cancel it afterwards."""
    task = asyncio.create_task(coro)
    for _ in range(looks):
        await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def application(awaitable):
    """Stand for a frame of the application around the wait."""
    return await awaitable


def reason_of(task):
    return wait_reason(task, walk_await_chain(task.get_coro()))


async def reason(awaitable, looks=6):
    async with suspended(application(awaitable), looks) as task:
        return reason_of(task)


def future():
    return asyncio.get_running_loop().create_future()


class TestByFunction:
    """Waits that are named by the library function they happen in."""

    def test_sleep(self, run):
        """asyncio.sleep is `sleep`."""

        async def main():
            assert await reason(asyncio.sleep(3600)) == "sleep"

        run(main)

    def test_locks(self, run):
        """Locks and semaphores are named by what is acquired, through `async with` as well."""

        async def enter(lock):
            async with lock:
                pass

        async def main():
            lock, semaphore = asyncio.Lock(), asyncio.Semaphore(1)
            await lock.acquire()
            await semaphore.acquire()
            assert await reason(lock.acquire()) == "lock.acquire"
            assert await reason(enter(lock)) == "lock.acquire"
            assert await reason(semaphore.acquire()) == "semaphore.acquire"
            assert await reason(enter(semaphore)) == "semaphore.acquire"
            assert await reason(enter(asyncio.BoundedSemaphore(0))) == "semaphore.acquire"

        run(main)

    def test_event_and_condition(self, run):
        """Events and conditions are `event.wait` and `condition.wait`; entering a condition is `lock.acquire`."""

        async def wait_on(condition, predicate=None):
            async with condition:
                await (condition.wait_for(predicate) if predicate else condition.wait())

        async def main():
            assert await reason(asyncio.Event().wait()) == "event.wait"
            condition = asyncio.Condition()
            assert await reason(wait_on(condition)) == "condition.wait"
            assert await reason(wait_on(condition, lambda: False)) == "condition.wait"
            async with condition:
                assert await reason(wait_on(condition)) == "lock.acquire"

        run(main)

    @needs_3_11
    def test_barrier_is_not_its_condition(self, run):
        """The outermost known library frame names the wait: a barrier, not the condition inside it."""

        async def main():
            assert await reason(asyncio.Barrier(2).wait()) == "barrier.wait"

        run(main)

    @pytest.mark.parametrize("kind", [asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue])
    def test_queues(self, run, kind):
        """get, put and join of every queue; join is not the event inside it."""

        async def main():
            full = kind(1)
            await full.put(1)
            assert await reason(kind().get()) == "queue.get"
            assert await reason(full.put(2)) == "queue.put"
            assert await reason(full.join()) == "queue.join"

        run(main)

    def test_wait_for_is_what_it_waits_for(self, run):
        """wait_for is transparent on all versions, whether it makes a task (≤ 3.11) or not."""

        async def inside():
            await asyncio.Event().wait()

        async def main():
            assert await reason(asyncio.wait_for(asyncio.Queue().get(), 3600)) == "queue.get"
            assert await reason(asyncio.wait_for(inside(), 3600)) == "event.wait"
            assert await reason(asyncio.wait_for(future(), 3600)) == "future"
            assert await reason(asyncio.wait_for(asyncio.gather(future()), 3600)) == "gather"
            async with suspended(inside()) as watched:
                watched.add_done_callback(lambda task: None)
                waiting = asyncio.create_task(application(asyncio.wait_for(asyncio.shield(watched), 3600)))
                for _ in range(3):
                    await asyncio.sleep(0)
                assert reason_of(waiting) == "task"
                waiting.cancel()
                await asyncio.wait([waiting])

        run(main)

    @needs_3_11
    def test_timeout_is_transparent(self, run):
        """`async with asyncio.timeout` leaves no frame; what is inside it counts."""

        async def bounded():
            async with asyncio.timeout(3600):
                await asyncio.Queue().get()

        async def main():
            assert await reason(bounded()) == "queue.get"

        run(main)

    def test_wait_and_as_completed(self, run):
        """asyncio.wait and as_completed are `wait`, not the queue or future inside."""

        async def first(*awaitables):
            for each in asyncio.as_completed(awaitables):
                await each

        async def main():
            assert await reason(asyncio.wait([future(), future()])) == "wait"
            assert await reason(first(future(), future())) == "wait"

        run(main)

    @needs_3_11
    def test_task_group(self, run):
        """Leaving a task group waits for its children: `task_group`."""

        async def grouped():
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.Event().wait())

        async def main():
            assert await reason(grouped()) == "task_group"

        run(main)

    def test_wrapped_by_the_upstream_instrumentation(self, run):
        """Functions that an instrumentation replaced are recognised by the code they still run."""

        async def main():
            AsyncioInstrumentor().instrument()
            try:
                assert await reason(asyncio.wait([future()])) == "wait"
                assert await reason(asyncio.wait_for(asyncio.Queue().get(), 3600)) == "queue.get"
            finally:
                AsyncioInstrumentor().uninstrument()

        run(main)


class TestByAwaitedObject:
    """Waits that are named by the type of what is awaited."""

    def test_future_task_and_gather(self, run):
        """A plain future, a task and a gather are themselves."""

        async def main():
            assert await reason(future()) == "future"
            assert await reason(asyncio.futures._PyFuture(loop=asyncio.get_running_loop())) == "future"
            async with suspended(application(future())) as inner:
                assert await reason(inner) == "task"
            assert await reason(asyncio.gather(future(), future())) == "gather"

        run(main)

    def test_shield_is_what_it_shields(self, run):
        """shield's outer future is named after the inner one."""

        async def main():
            async with suspended(application(future())) as inner:
                assert await reason(asyncio.shield(inner)) == "task"
                assert await reason(asyncio.shield(asyncio.shield(inner))) == "task"
            assert await reason(asyncio.shield(future())) == "future"

        run(main)

    def test_executor(self, run):
        """run_in_executor and to_thread are `executor`; so is a wrapped concurrent future."""

        async def main():
            release = threading.Event()
            loop = asyncio.get_running_loop()
            assert await reason(loop.run_in_executor(None, release.wait)) == "executor"
            assert await reason(asyncio.to_thread(release.wait)) == "executor"
            assert await reason(asyncio.wrap_future(concurrent.futures.Future())) == "executor"
            release.set()

        run(main)

    def test_await_method_that_yields_a_future_itself(self, run):
        """Where the chain ends in a foreign iterator, the task's own waiter decides."""

        class Awaitable:
            def __await__(self):
                return iter([inner])

        async def main():
            nonlocal inner
            inner = future()
            inner._asyncio_future_blocking = True
            assert await reason(Awaitable()) == "future"

        inner = None
        run(main)


class TestStates:
    def test_running(self, run):
        """The task that runs is `running`."""

        async def main():
            assert reason_of(asyncio.current_task()) == "running"

        run(main)

    def test_runnable(self, run):
        """Not started, between two bare yields, or with a waiter that is done: `runnable`."""

        async def spin():
            while True:
                await asyncio.sleep(0)

        async def main():
            fresh = asyncio.create_task(application(asyncio.sleep(0)))
            assert reason_of(fresh) == "runnable"
            await fresh
            assert await reason(spin()) == "runnable"
            inner = future()
            async with suspended(application(inner)) as task:
                inner.set_result(None)
                assert reason_of(task) == "runnable"

        run(main)

    def test_done_task(self, run):
        """A task that ended waits for nothing that has a name."""

        async def main():
            task = asyncio.create_task(asyncio.sleep(0))
            await task
            assert reason_of(task) == "unknown"

        run(main)

    def test_async_generator_that_awaits_something_unknown(self):
        """Innermost an async generator that awaits a foreign iterator: `async_generator`; a coroutine: `unknown`."""

        class Foreign:
            def __await__(self):
                return self

            def __next__(self):
                return None

        async def generator():
            yield await Foreign()

        async def consume():
            async for _ in generator():
                pass

        def look(coro):
            coro.send(None)
            found = wait_reason(None, walk_await_chain(coro))
            coro.close()
            return found

        assert look(consume()) == "async_generator"
        assert look(application(Foreign())) == "unknown"

    def test_async_generator_that_awaits_something_known(self, run):
        """What is awaited inside an async generator counts, however deep."""

        async def generator(queue_):
            while True:
                yield await queue_.get()

        async def consume(queue_):
            async for _ in generator(queue_):
                pass

        async def main():
            assert await reason(consume(asyncio.Queue())) == "queue.get"

        run(main)

    @pytest.mark.parametrize("task", [None, 7, object()])
    def test_nonsense(self, task):
        """Whatever is given, one word of the closed list comes back."""
        frame = Frame(application.__code__, 1, "", 0)
        chains = [
            AwaitChain((), None, False, False, None),
            AwaitChain((frame,), object(), False, False, None),
            AwaitChain((frame,), None, False, True, "cut"),
            AwaitChain((frame,), None, True, False, None),
            types.SimpleNamespace(),
        ]
        assert [wait_reason(task, chain) for chain in chains] == ["unknown", "unknown", "unknown", "running", "unknown"]
        assert thread_wait_reason(task) in WAIT_REASONS


@contextlib.contextmanager
def socket_pair():
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    try:
        yield left, right
    finally:
        left.close()
        right.close()


@contextlib.asynccontextmanager
async def streams():
    """Two connected pairs of reader and writer; the second one does not read."""
    left, right = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=left)
    other_reader, other_writer = await asyncio.open_connection(sock=right)
    try:
        yield reader, writer
    finally:
        for each in (writer, other_writer):
            each.transport.abort()
        for each in (writer, other_writer):
            with contextlib.suppress(OSError):
                await each.wait_closed()
        del other_reader


class TestInputAndOutput:
    def test_sockets(self, run):
        """Receiving and accepting is `io.read`, sending `io.write`, on uvloop's own coroutines as well."""

        async def main():
            loop = asyncio.get_running_loop()
            with socket_pair() as (left, _):
                assert await reason(loop.sock_recv(left, 1)) == "io.read"
                assert await reason(loop.sock_recv_into(left, bytearray(1))) == "io.read"
            with socket_pair() as (left, _):
                assert await reason(loop.sock_sendall(left, bytes(50_000_000))) == "io.write"
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", 0))
                listener.listen()
                listener.setblocking(False)
                assert await reason(loop.sock_accept(listener)) == "io.read"

        run(main)

    def test_streams(self, run):
        """Every read of a stream is `io.read`, drain is `io.write`."""

        async def main():
            async with streams() as (reader, writer):
                assert await reason(reader.read(1)) == "io.read"
                assert await reason(reader.readline()) == "io.read"
                assert await reason(reader.readuntil(b"x")) == "io.read"
                assert await reason(reader.readexactly(10)) == "io.read"
                assert await reason(asyncio.wait_for(reader.readline(), 3600)) == "io.read"
                assert await reason(anext(reader)) == "io.read"
                writer.write(bytes(50_000_000))
                assert await reason(writer.drain()) == "io.write"

        run(main)

    def test_name_resolution_is_executor(self, run):
        """getaddrinfo runs in a thread of an executor, uvloop's in libuv's."""

        async def main():
            loop = asyncio.get_running_loop()
            busy = threading.Event()
            loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1))
            loop.run_in_executor(None, busy.wait)
            # The only worker is busy: on ≥ 3.14 an answer that is there at once would end the task in its first step.
            task = asyncio.create_task(loop.getaddrinfo("localhost", 80))
            await asyncio.sleep(0)
            assert reason_of(task) in {"executor", "runnable"}
            busy.set()
            await asyncio.wait([task])

        run(main)

    def test_subprocess(self, run):
        """Waiting for a process is `subprocess`, for its pipes `io.read`."""

        async def main():
            process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
            try:
                assert await reason(process.wait()) == "subprocess"
                assert await reason(process.stdout.read()) == "io.read"
            finally:
                process.stdin.close()
                await process.communicate()
            process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
            pending = asyncio.create_task(application(process.communicate(bytes(10_000_000))))
            await asyncio.sleep(0)
            assert reason_of(pending) == "subprocess"
            await pending

        run(main)


class TestAnyio:
    def test_synchronisation(self, run):
        """anyio's primitives are named like asyncio's."""

        async def wait_on(condition):
            async with condition:
                await condition.wait()

        async def enter(lock):
            async with lock:
                pass

        async def main():
            lock, semaphore, limiter = anyio.Lock(), anyio.Semaphore(0), anyio.CapacityLimiter(1)
            await lock.acquire()
            await limiter.acquire_on_behalf_of(object())
            assert await reason(anyio.Event().wait()) == "event.wait"
            assert await reason(enter(lock)) == "lock.acquire"
            assert await reason(enter(semaphore)) == "semaphore.acquire"
            assert await reason(enter(limiter)) == "semaphore.acquire"
            assert await reason(wait_on(anyio.Condition())) == "condition.wait"

        run(main)

    def test_streams_sleep_threads_and_groups(self, run):
        """Memory streams are queues, sleeps sleep, worker threads are an executor, leaving a group is `task_group`."""

        async def grouped():
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.Event().wait)

        async def started():
            async def never(task_status):
                await anyio.Event().wait()

            async with anyio.create_task_group() as group:
                await group.start(never)

        async def main():
            send, receive = anyio.create_memory_object_stream(0)
            async with send, receive:
                assert await reason(receive.receive()) == "queue.get"
                assert await reason(send.send(1)) == "queue.put"
            assert await reason(anyio.sleep(3600)) == "sleep"
            assert await reason(anyio.sleep_forever()) == "sleep"
            assert await reason(grouped()) == "task_group"
            assert await reason(started()) == "task"
            release = threading.Event()
            async with suspended(application(anyio.to_thread.run_sync(release.wait))) as task:
                assert reason_of(task) == "executor"
                release.set()

        run(main)

    def test_sockets(self, run):
        """Sockets that anyio waits for are `io.read`, a listener too."""

        async def main():
            with socket_pair() as (left, _):
                assert await reason(anyio.wait_readable(left)) == "io.read"
            listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
            port = listener.extra(anyio.abc.SocketAttribute.local_port)
            async with listener:
                (single,) = listener.listeners
                assert await reason(single.accept()) == "io.read"
                async with await anyio.connect_tcp("127.0.0.1", port) as client:
                    assert await reason(client.receive()) == "io.read"

        run(main)


class TestAiohttp:
    def test_client_and_server(self, run):
        """A client waits in `io.read` for the response, in `semaphore.acquire` for the pool; an idle server reads."""

        async def main():
            entered, release = asyncio.Event(), asyncio.Event()

            async def handle(request):
                handlers.append(asyncio.current_task())
                entered.set()
                await release.wait()
                return web.Response(text="done")

            handlers = []
            application_ = web.Application()
            application_.router.add_get("/", handle)
            runner = web.AppRunner(application_)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            connector = aiohttp.TCPConnector(limit=1)
            async with aiohttp.ClientSession(connector=connector) as session:
                first = asyncio.create_task(session.get(f"http://{host}:{port}/"))
                await entered.wait()
                second = asyncio.create_task(session.get(f"http://{host}:{port}/"))
                for _ in range(5):
                    await asyncio.sleep(0)
                assert reason_of(first) == "io.read"
                assert reason_of(second) == "semaphore.acquire"
                assert reason_of(handlers[0]) == "event.wait"
                release.set()
                for each in (first, second):
                    response = await each
                    assert await response.text() == "done"
                servers = [task for task in asyncio.all_tasks() if "RequestHandler" in str(task.get_coro())]
                assert {reason_of(task) for task in servers} == {"io.read"}
            await runner.cleanup()

        run(main)

    def test_websocket(self, run):
        """Both ends of an open websocket wait in `io.read`."""

        async def main():
            received = asyncio.Event()

            async def handle(request):
                websocket = web.WebSocketResponse()
                await websocket.prepare(request)
                handlers.append(asyncio.current_task())
                async for _ in websocket:
                    received.set()
                return websocket

            handlers = []
            application_ = web.Application()
            application_.router.add_get("/", handle)
            runner = web.AppRunner(application_)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            async with aiohttp.ClientSession() as session, session.ws_connect(f"http://{host}:{port}/") as websocket:
                await websocket.send_str("hello")
                await received.wait()
                await asyncio.sleep(0)
                assert reason_of(handlers[0]) == "io.read"
                assert await reason(websocket.receive()) == "io.read"
            await runner.cleanup()

        run(main)


def thread_reason(expected, target):
    """Start a thread on ``target`` and look until it waits for ``expected``; give what was last seen."""
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return look_until(expected, thread.ident), thread


def look_until(expected, ident):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        frame = sys._current_frames().get(ident)
        if frame is not None and (found := thread_wait_reason(frame)) == expected:
            return found
        del frame
    return found


class TestThreads:
    def test_queues(self):
        """The queue names the wait, not the condition inside it."""
        empty, full = queue.Queue(), queue.Queue(1)
        full.put(1)
        for expected, target, release in (
            ("queue.get", empty.get, lambda: empty.put(1)),
            ("queue.put", lambda: full.put(2), full.get),
            ("queue.join", full.join, full.task_done),
        ):
            found, thread = thread_reason(expected, target)
            release()
            if expected == "queue.join":
                full.get()
                full.task_done()
            thread.join()
            assert found == expected

    def test_primitives(self):
        """Events, conditions, semaphores and barriers by name; joining a thread is `lock.acquire`."""
        event, semaphore, barrier, condition = (
            threading.Event(),
            threading.Semaphore(0),
            threading.Barrier(2),
            threading.Condition(),
        )

        def wait_on():
            with condition:
                condition.wait()

        def notify():
            with condition:
                condition.notify_all()

        found, waiting = thread_reason("event.wait", event.wait)
        assert found == "event.wait"
        for expected, target, release in (
            ("semaphore.acquire", semaphore.acquire, semaphore.release),
            ("barrier.wait", barrier.wait, barrier.wait),
            ("condition.wait", wait_on, notify),
            ("lock.acquire", waiting.join, event.set),
        ):
            found, thread = thread_reason(expected, target)
            release()
            thread.join()
            assert found == expected
        waiting.join()

    def test_futures_and_executors(self):
        """Waiting for a result is `future`, for several `wait`; an idle pool worker is `executor`."""
        pending = concurrent.futures.Future()
        found, thread = thread_reason("future", pending.result)
        assert found == "future"
        found, other = thread_reason("wait", functools.partial(concurrent.futures.wait, [pending]))
        pending.set_result(None)
        thread.join()
        other.join()
        assert found == "wait"
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            ident = executor.submit(threading.get_ident).result()
            assert look_until("executor", ident) == "executor"
            parcels = queue.Queue()
            executor.submit(parcels.get)
            found = look_until("queue.get", ident)
            parcels.put(None)
            assert found == "queue.get"

    def test_sockets_and_selectors(self):
        """accept, a buffered read and select are `io.read`."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            found, thread = thread_reason("io.read", lambda: listener.accept()[0].close())
            socket.create_connection(listener.getsockname()).close()
            thread.join()
            assert found == "io.read"
        left, right = socket.socketpair()
        with left, right, left.makefile("rb") as stream, selectors.DefaultSelector() as selector:
            found, thread = thread_reason("io.read", stream.readline)
            right.sendall(b"line\n")
            thread.join()
            assert found == "io.read"
            selector.register(left, selectors.EVENT_READ)
            found, thread = thread_reason("io.read", selector.select)
            right.sendall(b"more\n")
            thread.join()
            assert found == "io.read"

    @pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
    def test_idle_event_loop(self, new_loop):
        """A thread whose loop has nothing to do reads, or runs when only C knows (a uvloop run by plain code)."""
        loop = new_loop()
        expected = "io.read" if new_loop is asyncio.new_event_loop else "running"
        found, thread = thread_reason(expected, lambda: loop.run_forever())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        assert found == expected

    def test_subprocess(self):
        """Waiting for a process is `subprocess`."""
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
            found, thread = thread_reason("subprocess", process.wait)
            process.stdin.close()
            thread.join()
        assert found == "subprocess"

    def test_application_code_is_running(self):
        """A thread in plain code runs, as far as its frames can tell, even inside a callback of a library."""
        stop = threading.Event()

        def spin():
            while not stop.is_set():
                pass

        found, thread = thread_reason("running", spin)
        stop.set()
        thread.join()
        assert found == "running"
        assert thread_wait_reason(sys._getframe()) == "running"


@pytest.mark.parametrize("table", [TASK_WAITS, PLAIN_FUTURE_WAITS, THREAD_WAITS, INNERMOST_THREAD_WAITS])
def test_tables_give_words_of_the_closed_list(table):
    """No table can bring a reason into a report that the contract does not have."""
    assert {reason for names in table.values() for reason in names.values()} <= WAIT_REASONS
