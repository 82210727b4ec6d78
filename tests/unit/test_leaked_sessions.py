"""Sessions of aiohttp and clients of httpx that a check's block leaves open, and those that nobody has to close."""

import asyncio
import functools
import gc
import subprocess
import sys
import warnings

import pytest

from opentelemetry.instrumentation.concurrency import LeakError, check_leaks
from opentelemetry.instrumentation.concurrency.testing import ignore_current, ignore_name
from opentelemetry.instrumentation.concurrency.testing.sessions import session_name

aiohttp = pytest.importorskip("aiohttp")
httpx = pytest.importorskip("httpx")

SHORT = 0.05
ME = __name__
LIBRARY = "/srv/venv/lib/python3/site-packages/client/__init__.py"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def served(ask):
    """Call ``ask`` with the address of a server, and close what it returns after the check."""
    connections = []

    async def answer(reader, writer):
        """Answer all requests of a connection, which stays open until the client closes it."""
        connections.append(asyncio.current_task())
        while await reader.read(10_000):
            writer.write(ANSWER)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    found, session = (), None
    try:
        async with check_leaks(SHORT, tasks=False, threads=False, sessions=True) as check:
            session = await ask(address)
    except LeakError:
        found = check.leaks
    if session is not None:
        await (session.aclose() if hasattr(session, "aclose") else session.close())
    await asyncio.gather(*connections)
    server.close()
    return found


def leaks_of(ask):
    """Return the leaks of a block that runs ``ask``, without the warnings of aiohttp's own finalizer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        return asyncio.run(served(ask))


class TestOpen:
    """Reported with the line that created them and what closes them."""

    def test_open_aiohttp_session_is_reported(self):
        async def ask(address):
            session = aiohttp.ClientSession()
            async with session.get(address) as response:
                assert await response.text() == "ok"
            return session

        (leak,) = leaks_of(ask)
        assert (leak.kind, leak.name, leak.ending) == ("session", "aiohttp.ClientSession", "alive")
        assert leak.site.function == f"{ME}.TestOpen.test_open_aiohttp_session_is_reported.ask"
        assert (leak.site.runs, "await session.close()" in leak.advice) == ("", True)

    def test_open_httpx_client_is_reported(self):
        async def ask(address):
            client = httpx.AsyncClient()
            assert (await client.get(address)).text == "ok"
            return client

        (leak,) = leaks_of(ask)
        assert (leak.kind, leak.name, leak.ending) == ("session", "httpx.AsyncClient", "alive")
        assert "await client.aclose()" in leak.advice

    def test_open_synchronous_client_is_reported(self):
        client = None
        with pytest.raises(LeakError) as raised, check_leaks(0, sessions=True):
            client = httpx.Client()
            with pytest.raises(httpx.ConnectError):
                client.get("http://127.0.0.1:9/")
        client.close()
        text = str(raised.value)
        assert text.startswith(f"1 session left behind, created by {ME}.TestOpen.test_open_synchronous")
        assert "* session 'httpx.Client'\n  still open; age: 0 seconds\n  created by " in text
        assert text.endswith("Open the client in 'with', or call client.close() on every path.")

    @pytest.mark.parametrize("kind", ["aiohttp", "httpx"])
    def test_destroyed_session_is_reported(self, kind):
        """A variable of a function that has returned: nothing closes the session any more."""

        async def ask(_address):
            if kind == "aiohttp":
                aiohttp.ClientSession()
            else:
                with pytest.raises(httpx.ConnectError):
                    httpx.Client().get("http://127.0.0.1:9/")
            gc.collect()

        (leak,) = leaks_of(ask)
        assert (leak.kind, leak.ending, leak.serial > 0) == ("session", "destroyed", True)
        assert "garbage-collected while open" in leak.headline

    def test_derived_class_is_reported_at_its_caller(self):
        class Client(httpx.AsyncClient):
            def __init__(self):
                super().__init__(timeout=5)

        async def ask(address):
            client = Client()
            await client.get(address)
            return client

        (leak,) = leaks_of(ask)
        assert leak.site.function.endswith("test_derived_class_is_reported_at_its_caller.ask")
        assert leak.name.endswith("test_derived_class_is_reported_at_its_caller.Client")

    def test_library_imported_by_the_block_is_seen(self):
        program = """
import sys
from opentelemetry.instrumentation.concurrency import LeakError, check_leaks
def ask():
    import httpx
    client = httpx.Client()
    try:
        client.get("http://127.0.0.1:9/")
    except httpx.ConnectError:
        return client
try:
    with check_leaks(0, sessions=True):
        assert not {"aiohttp", "httpx"} & set(sys.modules)
        ask()
except LeakError as error:
    print(error)
print(hasattr(sys.modules["httpx"].Client, "__del__"))
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.startswith("1 session left behind") and done.stdout.endswith("False\n")


class TestNotOpen:
    """Closed, never opened, of a library, or for the whole process."""

    def test_sessions_are_not_checked_by_default(self):
        async def main():
            async with check_leaks(0):
                return aiohttp.ClientSession()

        asyncio.run(asyncio.wait_for(closing(main()), 5))

    def test_closed_sessions_are_no_leaks(self):
        async def ask(address):
            async with aiohttp.ClientSession() as session, session.get(address) as response:
                await response.text()
            async with httpx.AsyncClient() as client:
                await client.get(address)
            with httpx.Client():
                pass

        assert leaks_of(ask) == ()

    def test_client_without_request_is_no_leak(self):
        """It holds nothing yet."""

        async def ask(_address):
            return httpx.AsyncClient()

        assert leaks_of(ask) == ()

    def test_client_without_connections_is_no_leak(self):
        """The application runs in the same process, or a test answers."""
        testclient = pytest.importorskip("starlette.testclient")

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"ok"})

        async def ask(_address):
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app))
            assert (await client.get("http://shop/")).text == "ok"
            mocked = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200)))
            await mocked.get("http://shop/")
            return client

        assert leaks_of(ask) == ()
        with check_leaks(5, sessions=True):
            assert testclient.TestClient(app).get("/").text == "ok"

    def test_session_with_shared_connector_is_no_leak(self):
        async def ask(_address):
            connector = aiohttp.TCPConnector()
            aiohttp.ClientSession(connector=connector, connector_owner=False)
            return connector

        assert leaks_of(ask) == ()

    def test_session_of_library_is_no_leak(self):
        namespace = {"__name__": "client", "httpx": httpx}
        exec(compile("def connect():\n    return httpx.AsyncClient()\n", LIBRARY, "exec"), namespace)

        async def ask(address):
            client = namespace["connect"]()
            await client.get(address)
            return client

        assert leaks_of(ask) == ()

    @pytest.mark.parametrize("frozen", [False, True], ids=["", "frozen"])
    @pytest.mark.parametrize("holder", ["module", "class", "lru_cache", "cache"])
    def test_session_for_the_process_is_no_leak(self, monkeypatch, holder, frozen):
        """Held by a variable of a module, a class or a cache; without the rule it is reported."""

        class Holder:
            client = None

        async def connected(address):
            client = httpx.AsyncClient()
            await client.get(address)
            return client

        @functools.lru_cache(maxsize=None if holder == "cache" else 2)
        def cached(key):
            return clients.pop()

        clients = []
        monkeypatch.setattr(sys.modules[ME], "CACHE", cached, raising=False)

        async def ask(address):
            client = await connected(address)
            clients.append(client)
            if holder == "module":
                monkeypatch.setattr(sys.modules[ME], "CLIENT", clients.pop(), raising=False)
            elif holder == "class":
                Holder.client = clients.pop()
            else:
                cached(1)
            if frozen:
                gc.freeze()
            return client

        assert leaks_of(ask) == ()

    def test_session_for_the_process_needs_the_rule(self, monkeypatch):
        with pytest.raises(LeakError), check_leaks(0, sessions=True, known=()):
            client = httpx.Client()
            monkeypatch.setattr(sys.modules[ME], "CLIENT", client, raising=False)
            with pytest.raises(httpx.ConnectError):
                client.get("http://127.0.0.1:9/")
        client.close()

    def test_filters_apply(self):
        client = None
        with check_leaks(0, sessions=True, ignore=ignore_name("httpx...")) as check:
            client = httpx.Client()
            with pytest.raises(httpx.ConnectError):
                client.get("http://127.0.0.1:9/")
            check.ignore(ignore_current())
        client.close()

    def test_destroyed_session_may_be_left_out(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)

            async def main():
                aiohttp.ClientSession()

            with check_leaks(0, sessions=True, destroyed=False):
                asyncio.run(main())


class TestHooks:
    """They are transparent, and installed only while a check wants sessions."""

    def test_hooks_are_removed_with_the_check(self):
        before = [(each.__init__, vars(each).get("__del__")) for each in (aiohttp.ClientSession, httpx.Client)]
        with check_leaks(sessions=True):
            assert aiohttp.ClientSession.__init__ is not before[0][0]
            assert "__del__" in vars(httpx.Client)
        assert before == [(each.__init__, vars(each).get("__del__")) for each in (aiohttp.ClientSession, httpx.Client)]

    def test_libraries_are_not_imported(self):
        program = """
import sys
from opentelemetry.instrumentation.concurrency import check_leaks
with check_leaks(sessions=True, timers=True):
    pass
print(sorted({"aiohttp", "httpx", "uvloop"} & set(sys.modules)))
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout == "[]\n"

    def test_code_of_derived_class_is_not_called(self):
        called = []

        class Hostile(httpx.Client):
            def __getattribute__(self, name):
                called.append(name)
                return super().__getattribute__(name)

            def __eq__(self, other):
                called.append("__eq__")
                return False

            def __repr__(self):
                called.append("__repr__")
                return "hostile"

            __hash__ = None

        with pytest.raises(LeakError) as raised, check_leaks(0, sessions=True):
            client = Hostile()
            with pytest.raises(httpx.ConnectError):
                client.get("http://127.0.0.1:9/")
            called.clear()
        assert called == [] and "Hostile" in str(raised.value)
        client.close()

    def test_debug_mode_shows_no_frame_of_the_hook(self):
        async def main():
            async with aiohttp.ClientSession() as session:
                return session._source_traceback[-1].name

        with check_leaks(sessions=True):
            assert asyncio.run(main(), debug=True) == "main"

    def test_name_is_that_which_users_write(self):
        assert session_name(aiohttp.ClientSession) == "aiohttp.ClientSession"
        assert session_name(httpx.AsyncClient) == "httpx.AsyncClient"
        assert session_name(type("Client", (), {"__module__": "shop.api"})) == "shop.api.Client"


async def closing(opening):
    """Close what a coroutine returns."""
    await (await opening).close()
