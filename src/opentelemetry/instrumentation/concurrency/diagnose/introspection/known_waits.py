"""Internals of asyncio and other libraries: waiting functions, fields of futures.

All names that other projects may change are in this module. Functions are recognized by the identity of their code
objects, which are looked up by the names below when the first frame of their module is seen. Nothing is imported, names
that a version lacks are never looked up, and Python 3.10, whose code objects have no qualified names, needs no special
case. Fields of futures and tasks are read through asyncio's own C descriptors, never through an override of a subclass.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple

from ...record.raw_fields import c_field, type_dict
from .first_callbacks import first_callbacks

Table = Mapping[str, Mapping[str, str]]

_type_module: Final[Any] = type.__dict__["__module__"]
_module_dict: Final[Any] = type_dict(ModuleType)["__dict__"].__get__


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


def known_wait(table: Table, code: CodeType, module: str) -> str | None:
    """Return the wait reason in ``table`` for the function with this code, or None.

    Cost: one lookup; the first frame of each library function searches its module by name.
    """
    names = table.get(module)
    if names is None:
        return None
    key = (id(names), id(code))
    known = _reasons.get(key)
    if known is None:
        # The entry keeps the code alive, so that its id is not reused.
        known = _reasons[key] = (code, _search_reason(names, code, module))
    return known[1]


_reasons: dict[tuple[int, int], tuple[CodeType, str | None]] = {}


def _search_reason(names: Mapping[str, str], code: CodeType, module: str) -> str | None:
    for name, reason in names.items():
        bare = name.rpartition(".")[2]
        if bare != code.co_name:
            continue
        # Functions of Cython have no code object to compare until one of their coroutines runs.
        if is_relative(code.co_filename) or _find_code(module, name) is code:
            return reason
    # A replaced function cannot be found by its name, but its code still has its qualified name.
    return names.get(getattr(code, "co_qualname", ""))


def _find_code(module: str, name: str) -> CodeType | None:
    target: Any = sys.modules.get(module)
    for part in name.split("."):
        kind = type(target)
        if issubclass(kind, ModuleType):
            target = _module_dict(target).get(part)
        elif issubclass(kind, type):
            target = type_dict(target).get(part)
        elif part != "<locals>":
            outer = _code_of(target)
            constants = outer.co_consts if outer is not None else ()
            target = next((each for each in constants if type(each) is CodeType and each.co_name == part), None)
    return _code_of(target)


def _code_of(target: Any) -> CodeType | None:
    for _ in range(10):
        kind = type(target)
        if kind is CodeType:
            return target  # type: ignore[no-any-return]  # narrowed by identity of the type
        if kind is FunctionType:
            inner = target.__dict__.get("__wrapped__")
            if inner is None:
                return target.__code__  # type: ignore[no-any-return]  # narrowed by identity of the type
        elif kind is staticmethod or kind is classmethod:
            inner = target.__func__
        else:
            # Proxies of wrapt, with which instrumentations replace asyncio's functions.
            wrapped = c_field(kind, "__wrapped__")
            inner = wrapped.__get__(target) if wrapped is not None else None
        target = inner
    return None


def is_relative(path: str) -> bool:
    """Return whether a path is relative, as in Cython's code objects: to the root of the sources they come from."""
    return not path.startswith(("/", "\\", "<")) and ":" not in path


def type_module(kind: type) -> str:
    """Return the module of a type without running a metaclass written in Python; empty if it is not a string."""
    try:
        # Cython's coroutine types store their module in a field of their own metaclass.
        getter = None if type(kind) is type else c_field(type(kind), "__module__")
        module = (getter or _type_module).__get__(kind)
    except AttributeError:
        return ""
    return module if type(module) is str else ""


class _Asyncio(NamedTuple):
    c_future: Any
    c_task: Any
    py_future: Any
    py_task: Any
    gathering: Any
    source_paths: tuple[str, str]


_asyncio: _Asyncio | None = None


def known_asyncio() -> _Asyncio | None:
    """Return asyncio's classes once asyncio was imported, also during interpreter shutdown."""
    global _asyncio
    if _asyncio is None and "asyncio" in sys.modules:
        from asyncio import futures, tasks

        _asyncio = _Asyncio(
            futures.Future,
            tasks.Task,
            futures._PyFuture,  # type: ignore[attr-defined]  # private, and therefore not in typeshed
            tasks._PyTask,  # type: ignore[attr-defined]  # private, and therefore not in typeshed
            tasks._GatheringFuture,  # type: ignore[attr-defined]  # private, and therefore not in typeshed
            (tasks.shield.__code__.co_filename, futures.wrap_future.__code__.co_filename),
        )
    return _asyncio


def field(future: object, name: str) -> Any:
    """Return a field of an asyncio future or task, bypassing overrides; None for other objects."""
    known, kind = _asyncio or known_asyncio(), type(future)
    if known is None:
        return None
    if known.c_task is not known.py_task and issubclass(kind, known.c_task):
        return getattr(known.c_task, name).__get__(future)
    if known.c_future is not known.py_future and issubclass(kind, known.c_future):
        return getattr(known.c_future, name).__get__(future)
    fields: dict[str, Any] = type_dict(known.py_future)["__dict__"].__get__(future)
    return fields.get(name)


def is_task(candidate: object) -> bool:
    """Return whether an object is an asyncio task, in C or in Python, whatever its ``__class__``."""
    known, kind = _asyncio or known_asyncio(), type(candidate)
    return known is not None and (issubclass(kind, known.c_task) or issubclass(kind, known.py_task))


def is_future(candidate: object) -> bool:
    """Return whether an object is an asyncio future or task, in C or in Python, whatever its ``__class__``."""
    known, kind = _asyncio or known_asyncio(), type(candidate)
    return known is not None and (issubclass(kind, known.c_future) or issubclass(kind, known.py_future))


def is_gather(candidate: object) -> bool:
    """Return whether an object is the outer future of ``asyncio.gather``."""
    known = _asyncio or known_asyncio()
    return known is not None and type(candidate) is known.gathering


def is_pending(future: object) -> bool:
    """Return whether an asyncio future or task is not done; False for other objects."""
    return is_future(future) and field(future, "_state") in {None, "PENDING"}


def waiter_of(task: object) -> object | None:
    """Return the future that an asyncio task is suspended on; None without one or for other objects."""
    waiter: object | None = field(task, "_fut_waiter") if is_task(task) else None
    return waiter


def coroutine_of(task: object) -> object | None:
    """Return the coroutine of an asyncio task; None for other objects."""
    coroutine: object | None = field(task, "_coro") if is_task(task) else None
    return coroutine


def callbacks_of(future: object) -> Sequence[Any]:
    """Return the done callbacks of an asyncio future, without their contexts."""
    return [each[0] for each in field(future, "_callbacks") or ()] if is_future(future) else []


def first_undone_child(future: object) -> object | None:
    """Return the first pending child of a ``gather``; None for other futures or without pending children."""
    if not is_gather(future):
        return None
    children: Sequence[object] = future._children  # type: ignore[attr-defined]  # is_gather() has checked the type
    return next((child for child in tuple(children) if is_pending(child)), None)


def shielded_by(future: object) -> object | None:
    """Return the inner future of ``asyncio.shield`` if ``future`` is its outer one, else None."""
    return _captured(future, 0, "_outer_done_callback", "inner")


def executor_future_of(future: object) -> object | None:
    """Return the ``concurrent.futures.Future`` whose result ``future`` copies (``run_in_executor``), or None."""
    source = _captured(future, 1, "_call_check_cancel", "source")
    concurrent_base = sys.modules.get("concurrent.futures._base")
    if concurrent_base is None or source is None or not issubclass(type(source), concurrent_base.Future):
        return None
    return source


def _captured(future: object, source: int, callback_name: str, variable: str) -> object | None:
    """Return the variable that a done callback defined in one of asyncio's files has captured, or None."""
    known = known_asyncio()
    for callback in first_callbacks(future) if known is not None and is_future(future) else ():
        code = callback.__code__
        if code.co_name != callback_name or known is None or code.co_filename != known.source_paths[source]:
            continue
        if variable in code.co_freevars and callback.__closure__ is not None:
            captured: object = callback.__closure__[code.co_freevars.index(variable)].cell_contents
            return captured
    return None
