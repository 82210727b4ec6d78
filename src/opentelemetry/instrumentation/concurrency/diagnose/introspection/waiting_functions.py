"""Functions of asyncio, the standard library and other libraries that wait, by module and wait reason.

The names span all supported versions: a version lacks some of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Table = Mapping[str, Mapping[str, str]]


def _names(**names_by_reason: str) -> dict[str, str]:
    """Convert ``lock_acquire="Lock.acquire …"`` to one entry per name; the underscore represents the reason's dot."""
    return {
        name: reason if reason == "task_group" else reason.replace("_", ".")
        for reason, names in names_by_reason.items()
        for name in names.split()
    }


_SOCKET_CALLS: Final = {
    "io_read": "sock_recv sock_recv_into sock_recvfrom sock_recvfrom_into sock_accept start_tls "
    "connect_accepted_socket connect_read_pipe _create_connection_transport",
    "io_write": "sock_sendall sock_sendto sock_connect sock_sendfile _sock_sendfile_native _sock_sendfile_fallback "
    "sendfile _sendfile_native _sendfile_fallback connect_write_pipe _connect_sock create_unix_connection",
    "executor": "getaddrinfo getnameinfo shutdown_default_executor",
    "subprocess": "subprocess_exec subprocess_shell _make_subprocess_transport",
}


def _methods(owner: str) -> dict[str, str]:
    return _names(
        **{reason: " ".join(owner + name for name in names.split()) for reason, names in _SOCKET_CALLS.items()}
    )


TASK_WAITS: Final[Table] = {
    "asyncio.tasks": _names(
        sleep="sleep",
        wait="wait _wait as_completed.<locals>._wait_for_one _AsCompletedIterator._wait_for_one",
        task="_cancel_and_wait",
    ),
    "asyncio.locks": _names(
        lock_acquire="Lock.acquire",
        event_wait="Event.wait",
        condition_wait="Condition.wait Condition.wait_for",
        semaphore_acquire="Semaphore.acquire",
        barrier_wait="Barrier.wait",
    ),
    "asyncio.queues": _names(queue_get="Queue.get", queue_put="Queue.put", queue_join="Queue.join"),
    "asyncio.taskgroups": _names(task_group="TaskGroup.__aexit__ TaskGroup._aexit"),
    "asyncio.threads": _names(executor="to_thread"),
    "asyncio.staggered": _names(io_write="staggered_race"),
    "asyncio.streams": _names(
        io_read="StreamReader.read StreamReader.readline StreamReader.readuntil StreamReader.readexactly "
        "StreamReader._wait_for_data StreamWriter.start_tls",
        io_write="StreamWriter.drain StreamWriter.wait_closed FlowControlMixin._drain_helper",
    ),
    "asyncio.subprocess": _names(subprocess="Process.wait Process.communicate"),
    "asyncio.base_subprocess": _names(
        subprocess="BaseSubprocessTransport._wait BaseSubprocessTransport._connect_pipes"
    ),
    "asyncio.base_events": _methods("BaseEventLoop.") | _names(io_write="_SendfileFallbackProtocol.drain"),
    "asyncio.selector_events": _methods("BaseSelectorEventLoop."),
    "asyncio.proactor_events": _methods("BaseProactorEventLoop."),
    "asyncio.unix_events": _methods("_UnixSelectorEventLoop."),
    "asyncio.windows_events": _methods("ProactorEventLoop.") | _names(io_write="IocpProactor.connect_pipe"),
    "uvloop.loop": _methods("Loop.") | _names(io_write="Loop.create_connection", subprocess="Loop.__subprocess_run"),
    "uvloop.handles.process": _names(subprocess="UVProcessTransport._wait"),
    "anyio._backends._asyncio": _names(
        task_group="TaskGroup.__aexit__",
        task="TaskGroup.start",
        sleep="AsyncIOBackend.sleep",
        event_wait="Event.wait",
        lock_acquire="Lock.acquire",
        semaphore_acquire="Semaphore.acquire CapacityLimiter.acquire CapacityLimiter.acquire_on_behalf_of",
        executor="AsyncIOBackend.run_sync_in_worker_thread",
        subprocess="Process.wait Process.aclose AsyncIOBackend.open_process",
        io_read="StreamReaderWrapper.receive SocketStream.receive UNIXSocketStream.receive UDPSocket.receive "
        "UNIXSocketStream.receive_fds ConnectedUDPSocket.receive UNIXDatagramSocket.receive "
        "ConnectedUNIXDatagramSocket.receive TCPSocketListener.accept UNIXSocketListener.accept "
        "AsyncIOBackend.wait_readable",
        io_write="StreamWriterWrapper.send SocketStream.send UNIXSocketStream.send UNIXSocketStream.send_fds "
        "UDPSocket.send ConnectedUDPSocket.send UNIXDatagramSocket.send ConnectedUNIXDatagramSocket.send "
        "AsyncIOBackend.wait_writable AsyncIOBackend.connect_tcp AsyncIOBackend.connect_unix",
    ),
    "anyio._core._synchronization": _names(
        event_wait="Event.wait EventAdapter.wait",
        lock_acquire="Lock.acquire LockAdapter.acquire Condition.acquire",
        condition_wait="Condition.wait Condition.wait_for",
        semaphore_acquire="Semaphore.acquire SemaphoreAdapter.acquire CapacityLimiter.acquire "
        "CapacityLimiterAdapter.acquire CapacityLimiterAdapter.acquire_on_behalf_of",
    ),
    "anyio._core._eventloop": _names(sleep="sleep sleep_forever sleep_until"),
    "anyio._core._tasks": _names(task="TaskHandle.wait"),
    "anyio._core._sockets": _names(io_write="connect_tcp connect_unix"),
    "anyio._core._subprocesses": _names(subprocess="run_process"),
    "anyio.streams.memory": _names(
        queue_get="MemoryObjectReceiveStream.receive", queue_put="MemoryObjectSendStream.send"
    ),
    "anyio.to_thread": _names(executor="run_sync"),
    "anyio.to_process": _names(executor="run_sync"),
    "anyio.to_interpreter": _names(executor="run_sync"),
    "aiohttp.streams": _names(
        io_read="StreamReader._wait StreamReader.wait_eof DataQueue.read FlowControlDataQueue.read"
    ),
    "aiohttp._websocket.reader_py": _names(io_read="WebSocketDataQueue.read"),
    "aiohttp._websocket.reader_c": _names(io_read="WebSocketDataQueue.read"),
    "aiohttp.base_protocol": _names(io_write="BaseProtocol._drain_helper"),
    "aiohttp.connector": _names(semaphore_acquire="BaseConnector._wait_for_available_connection"),
    "aiohappyeyeballs.impl": _names(io_write="start_connection"),
    "nats.aio.client": _names(io_write="Client._flusher"),
    "nats.aio.subscription": _names(io_read="Subscription._wait_for_msgs"),
}
"""Functions that wait for as long as they run, whatever they call; the outermost one determines the reason."""

PLAIN_FUTURE_WAITS: Final[Table] = {
    "aiohttp.web_protocol": _names(io_read="RequestHandler.start"),
    "aiohttp.client_reqrep": _names(io_read="ClientRequest.write_bytes"),
    "aiohttp.web_ws": _names(io_read="WebSocketResponse.close"),
    "aiohttp.client_ws": _names(io_read="ClientWebSocketResponse.close"),
    "aiohttp.connector": _names(semaphore_acquire="BaseConnector.connect"),
    "distributed.comm.inproc": _names(io_read="InProc.read InProcListener._listen"),
    "asyncpg.protocol.protocol": _names(
        io_read="BaseProtocol.prepare BaseProtocol.bind_execute BaseProtocol.bind_execute_many BaseProtocol.bind "
        "BaseProtocol.execute BaseProtocol.query BaseProtocol.copy_out BaseProtocol.copy_in "
        "BaseProtocol.close_statement BaseProtocol.close_portal BaseProtocol.close",
    ),
}
"""Functions that do other work as well; they determine the reason only as the innermost frame, for a plain future."""

THREAD_WAITS: Final[Table] = {
    "threading": _names(
        lock_acquire="Thread.join Thread._wait_for_tstate_lock _shutdown Condition.__enter__ _RLock.acquire",
        condition_wait="Condition.wait Condition.wait_for",
        event_wait="Event.wait",
        semaphore_acquire="Semaphore.acquire",
        barrier_wait="Barrier.wait",
    ),
    "queue": _names(queue_get="Queue.get _PySimpleQueue.get", queue_put="Queue.put", queue_join="Queue.join"),
    "concurrent.futures._base": _names(
        future="Future.result Future.exception",
        wait="wait as_completed",
        executor="Executor.map.<locals>.result_iterator",
    ),
    "concurrent.futures.process": _names(executor="_ExecutorManagerThread.wait_result_broken_or_wakeup"),
    "selectors": _names(
        io_read="SelectSelector.select _PollLikeSelector.select EpollSelector.select KqueueSelector.select"
    ),
    "asyncio.windows_events": _names(io_read="IocpProactor.select IocpProactor._poll"),
    "asyncio.unix_events": _names(subprocess="ThreadedChildWatcher._do_waitpid _ThreadedChildWatcher._do_waitpid"),
    "socket": _names(
        io_read="socket.accept SocketIO.readinto recv_fds",
        io_write="SocketIO.write create_connection socket.sendfile socket._sendfile_use_sendfile send_fds",
    ),
    "ssl": _names(
        io_read="SSLSocket.read SSLSocket.recv SSLSocket.recv_into SSLSocket.recvfrom SSLSocket.accept "
        "SSLSocket.do_handshake SSLSocket.unwrap",
        io_write="SSLSocket.write SSLSocket.send SSLSocket.sendall SSLSocket.sendfile SSLSocket.connect",
    ),
    "subprocess": _names(
        subprocess="Popen.wait Popen._wait Popen._try_wait Popen.communicate Popen._communicate",
        io_read="Popen._readerthread",
    ),
    "multiprocessing.popen_fork": _names(subprocess="Popen.wait Popen.poll"),
    "multiprocessing.connection": _names(io_read="wait Connection._recv", io_write="Connection._send"),
    "multiprocessing.queues": _names(
        queue_get="Queue.get SimpleQueue.get", queue_put="Queue.put SimpleQueue.put", queue_join="JoinableQueue.join"
    ),
    "multiprocessing.synchronize": _names(condition_wait="Condition.wait Condition.wait_for", event_wait="Event.wait"),
}
"""Functions that block a thread, whatever they call; the outermost one determines the reason."""

INNERMOST_THREAD_WAITS: Final[Table] = {
    # These block in C code (SimpleQueue.get, libuv), so their own frame is the innermost. With a frame inside it, they
    # are running a work item instead.
    "concurrent.futures.thread": _names(executor="_worker"),
    "concurrent.futures.process": _names(executor="_process_worker"),
    "asyncio.runners": _names(io_read="Runner.run run"),
    "uvloop": _names(io_read="run"),
}
"""Functions that block a thread only while their frame is the innermost."""
