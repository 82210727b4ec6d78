"""What is known of the insides of asyncio and other libraries: which of their functions are waits, and their futures.

All that depends on names that other projects may change is here. Functions are recognised by the identity of their
code objects, found under the names below when the first frame of their module is met; so nothing is imported, a name
that a version lacks is never looked for, and Python 3.10, whose code objects have no qualified names, needs no rule of
its own. Fields of futures and tasks are read by asyncio's own C descriptors, never by an override of a subclass.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from types import CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import Any, Final, NamedTuple

from .first_callbacks import first_callbacks

Table = Mapping[str, Mapping[str, str]]

# Of types, too, only what C keeps is read: a metaclass may run anything on plain attribute access.
type_name: Final[Any] = type.__dict__["__name__"].__get__
type_mro: Final[Any] = type.__dict__["__mro__"].__get__
type_dict: Final[Any] = type.__dict__["__dict__"].__get__
_type_module: Final[Any] = type.__dict__["__module__"]
_module_dict: Final[Any] = type_dict(ModuleType)["__dict__"].__get__


def _names(**names_by_reason: str) -> dict[str, str]:
    """Turn ``lock_acquire="Lock.acquire …"`` into one entry a name; the underscore stands for the dot of the reason."""
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
}
"""Functions whose whole stay is the wait, whatever they call: the outermost one names the reason."""

PLAIN_FUTURE_WAITS: Final[Table] = {
    "aiohttp.web_protocol": _names(io_read="RequestHandler.start"),
    "aiohttp.client_reqrep": _names(io_read="ClientRequest.write_bytes"),
    "aiohttp.web_ws": _names(io_read="WebSocketResponse.close"),
    "aiohttp.client_ws": _names(io_read="ClientWebSocketResponse.close"),
    "aiohttp.connector": _names(semaphore_acquire="BaseConnector.connect"),
}
"""Functions that do much else besides: they name the reason only as innermost frame that awaits a plain future."""

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
"""Functions in which a thread blocks, whatever they call: the outermost one names the reason."""

INNERMOST_THREAD_WAITS: Final[Table] = {
    # What these wait in is C (SimpleQueue.get, libuv), so nothing but their own frame shows; with a frame inside they
    # run somebody's work instead.
    "concurrent.futures.thread": _names(executor="_worker"),
    "concurrent.futures.process": _names(executor="_process_worker"),
    "asyncio.runners": _names(io_read="Runner.run run"),
    "uvloop": _names(io_read="run"),
}
"""Functions in which a thread blocks only while theirs is the innermost frame."""


def known_wait(table: Table, code: CodeType, module: str) -> str | None:
    """Return the wait reason that ``table`` has for the function with this code, or None.

    Cost: one look-up; the first frame of each library function searches its module by name.
    """
    names = table.get(module)
    if names is None:
        return None
    key = (id(names), id(code))
    known = _reasons.get(key)
    if known is None:
        # The code is kept with its reason, so its id cannot come to mean another one.
        known = _reasons[key] = (code, _search_reason(names, code, module))
    return known[1]


_reasons: dict[tuple[int, int], tuple[CodeType, str | None]] = {}


def _search_reason(names: Mapping[str, str], code: CodeType, module: str) -> str | None:
    for name, reason in names.items():
        bare = name.rpartition(".")[2]
        if bare != code.co_name:
            continue
        # Cython's functions have no code object to compare before one of their coroutines runs.
        if is_relative(code.co_filename) or _find_code(module, name) is code:
            return reason
    # A function that somebody replaced is not found by its name, but its code still knows how it was called.
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
            return target  # type: ignore[no-any-return]
        if kind is FunctionType:
            inner = target.__dict__.get("__wrapped__")
            if inner is None:
                return target.__code__  # type: ignore[no-any-return]
        elif kind is staticmethod or kind is classmethod:
            inner = target.__func__
        else:
            # wrapt's proxies, with which instrumentations replace asyncio's functions.
            wrapped = c_field(kind, "__wrapped__")
            inner = wrapped.__get__(target) if wrapped is not None else None
        target = inner
    return None


def c_field(kind: type, name: str) -> Any:
    """Return the descriptor of a field that a type keeps in C, or None if it has none or overrides it in Python."""
    for base in type_mro(kind):
        descriptor = type_dict(base).get(name)
        if descriptor is not None:
            is_c = type(descriptor) is GetSetDescriptorType or type(descriptor) is MemberDescriptorType
            return descriptor if is_c else None
    return None


def is_relative(path: str) -> bool:
    """Tell whether a code object's path is relative, as Cython's are: to the root of the sources it was built from."""
    return not path.startswith(("/", "\\", "<")) and ":" not in path


def type_module(kind: type) -> str:
    """Return the module of a type without asking its metaclass, unless that one is C's; empty if it is no string."""
    try:
        # Cython's coroutine types keep their module in a field of their own metaclass.
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
    """Return what is known of asyncio, once it was imported; also while the interpreter shuts down."""
    global _asyncio
    if _asyncio is None and "asyncio" in sys.modules:
        from asyncio import futures, tasks

        _asyncio = _Asyncio(
            futures.Future,
            tasks.Task,
            futures._PyFuture,  # type: ignore[attr-defined]
            tasks._PyTask,  # type: ignore[attr-defined]
            tasks._GatheringFuture,  # type: ignore[attr-defined]
            (tasks.shield.__code__.co_filename, futures.wrap_future.__code__.co_filename),
        )
    return _asyncio


def field(future: object, name: str) -> Any:
    """Return a field of an asyncio future or task, past all overrides; None for anything else."""
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
    """Tell whether ``candidate`` really is an asyncio task, of C or of Python, whatever its ``__class__`` says."""
    known, kind = _asyncio or known_asyncio(), type(candidate)
    return known is not None and (issubclass(kind, known.c_task) or issubclass(kind, known.py_task))


def is_future(candidate: object) -> bool:
    """Tell whether ``candidate`` really is an asyncio future or task, of C or of Python."""
    known, kind = _asyncio or known_asyncio(), type(candidate)
    return known is not None and (issubclass(kind, known.c_future) or issubclass(kind, known.py_future))


def is_gather(candidate: object) -> bool:
    """Tell whether ``candidate`` is the outer future of ``asyncio.gather``."""
    known = _asyncio or known_asyncio()
    return known is not None and type(candidate) is known.gathering


def is_pending(future: object) -> bool:
    """Tell whether an asyncio future or task is not done; False for anything else."""
    return is_future(future) and field(future, "_state") in {None, "PENDING"}


def waiter_of(task: object) -> object | None:
    """Return the future that an asyncio task is suspended on; None if there is none or it is no task."""
    waiter: object | None = field(task, "_fut_waiter") if is_task(task) else None
    return waiter


def coroutine_of(task: object) -> object | None:
    """Return the coroutine of an asyncio task."""
    coroutine: object | None = field(task, "_coro") if is_task(task) else None
    return coroutine


def callbacks_of(future: object) -> Sequence[Any]:
    """Return the done callbacks of an asyncio future, without their contexts."""
    return [each[0] for each in field(future, "_callbacks") or ()] if is_future(future) else []


def first_undone_child(future: object) -> object | None:
    """Return the first pending child of a ``gather``; None if ``future`` is no gather or has none left."""
    if not is_gather(future):
        return None
    children: Sequence[object] = future._children  # type: ignore[attr-defined]
    return next((each for each in tuple(children) if is_pending(each)), None)


def shielded_by(future: object) -> object | None:
    """Return the inner future of ``asyncio.shield`` if ``future`` is its outer one."""
    return _captured(future, 0, "_outer_done_callback", "inner")


def executor_future_of(future: object) -> object | None:
    """Return the ``concurrent.futures.Future`` whose outcome ``future`` copies (``run_in_executor``), or None."""
    source = _captured(future, 1, "_call_check_cancel", "source")
    concurrent_base = sys.modules.get("concurrent.futures._base")
    if concurrent_base is None or source is None or not issubclass(type(source), concurrent_base.Future):
        return None
    return source


def _captured(future: object, source: int, callback_name: str, variable: str) -> object | None:
    """Return what a done callback defined in one of asyncio's files has captured under the name ``variable``."""
    known = known_asyncio()
    for callback in first_callbacks(future) if known is not None and is_future(future) else ():
        code = callback.__code__
        if code.co_name != callback_name or known is None or code.co_filename != known.source_paths[source]:
            continue
        if variable in code.co_freevars and callback.__closure__ is not None:
            captured: object = callback.__closure__[code.co_freevars.index(variable)].cell_contents
            return captured
    return None
