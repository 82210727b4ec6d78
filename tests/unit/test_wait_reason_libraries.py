"""The wait reason of tasks that wait inside anyio and aiohttp."""

from __future__ import annotations

import asyncio
import threading

import anyio
import pytest
from suspended_tasks import application, reason, reason_of, socket_pair, suspended

aiohttp = pytest.importorskip("aiohttp")
web = pytest.importorskip("aiohttp.web")


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
