"""Which directories and sockets an agent and its clients believe."""

import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from opentelemetry.instrumentation.concurrency import live_counts
from opentelemetry.instrumentation.concurrency.agent.socket_file import SocketFile
from opentelemetry.instrumentation.concurrency.agent.socket_paths import (
    SocketPathError,
    directories,
    open_directory,
    parse_socket_name,
    runtime_directory,
    socket_name,
    start_of,
)
from opentelemetry.instrumentation.concurrency.cli import connection, processes
from opentelemetry.instrumentation.concurrency.record.own_thread import start_own_thread

ME = os.geteuid() if hasattr(os, "geteuid") else 0


@pytest.fixture
def opened(tmp_path):
    """A socket file in a directory of its own."""
    made = SocketFile(str(tmp_path / "agents"))
    yield made
    made.close()


def test_socket_is_private_and_named_by_number_and_start(tmp_path, opened):
    """0700 and 0600, whatever the umask is; nothing unfinished stays."""
    (found,) = (tmp_path / "agents").iterdir()
    assert found.name == socket_name(os.getpid(), start_of("self"))
    assert parse_socket_name(found.name) == (os.getpid(), start_of(os.getpid()))
    assert stat.S_IMODE(found.stat().st_mode) == 0o600
    assert stat.S_IMODE(found.parent.stat().st_mode) == 0o700
    assert opened.path == str(found)


# The test runner has threads of its own.
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_closing_removes_the_file_and_a_forked_child_leaves_it(tmp_path):
    """The child closes what it inherited; the file is the parent's."""
    made = SocketFile(str(tmp_path / "agents"))
    child = os.fork()
    if child == 0:
        made.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert len(list((tmp_path / "agents").iterdir())) == 1
    made.close()
    assert list((tmp_path / "agents").iterdir()) == []


def test_directory_that_is_a_link_is_not_followed(tmp_path):
    """Somebody may have put it there to see our socket elsewhere."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "agents").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SocketPathError, match="AGENT_DIR"):
        SocketFile(str(tmp_path / "agents"))
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o1777, 0o701])
def test_directory_open_to_others_is_refused_with_a_command(tmp_path, mode):
    """Others could put their sockets there."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents").chmod(mode)
    with pytest.raises(SocketPathError, match=r"chmod 700 .*agents"):
        SocketFile(str(tmp_path / "agents"))


@pytest.mark.skipif(ME != 0, reason="only root can make a directory of somebody else's")
def test_directory_of_another_user_is_refused(tmp_path):
    """It says whose it is."""
    (tmp_path / "agents").mkdir(mode=0o700)
    os.chown(tmp_path / "agents", 12345, -1)
    with pytest.raises(SocketPathError, match="belongs to user 12345"):
        open_directory(str(tmp_path / "agents"), ME, create=True)


@pytest.mark.parametrize("path", ["missing/parent", "file"])
def test_place_that_can_not_be_made_is_explained(tmp_path, path):
    """A missing parent, a file in the way: what was tried, why not, what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SocketPathError, match="set OTEL_PYTHON_CONCURRENCY_AGENT_DIR"):
        SocketFile(str(tmp_path / path))


def test_deep_directory_works(tmp_path):
    """An address is short even where the path is longer than a socket's may be."""
    deep = tmp_path
    for _ in range(12):
        deep = deep / "directory-with-a-long-name"
        deep.mkdir()
    made = SocketFile(str(deep / "agents"))
    assert len(list((deep / "agents").iterdir())) == 1
    made.close()


def test_default_directory_has_a_fallback_a_configured_none():
    """Memory is writable where the file system is not."""
    assert directories(7) == ("/tmp/otel-concurrency-7", "/dev/shm/otel-concurrency-7")
    assert directories(7, "/tmp/otel-concurrency-7") == directories(7)
    assert directories(7, "/run/app") == ("/run/app",)


def test_runtime_directory_of_the_user_alone_comes_first(tmp_path, monkeypatch):
    """Set, absolute, the user's own, closed to others, and no link; else the usual places."""
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    assert runtime_directory(ME) == str(runtime)
    assert directories(ME, "", str(runtime))[0] == f"{runtime}/otel-concurrency-{ME}"
    made = SocketFile("")
    assert made.path.startswith(f"{runtime}/otel-concurrency-{ME}/")
    made.close()


@pytest.mark.parametrize("unsafe", ["open", "link", "missing", "relative", "file", "empty", "other"])
def test_runtime_directory_that_is_unsafe_is_not_used(tmp_path, monkeypatch, unsafe):
    """Somebody else could wait there."""
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    value = str(runtime)
    if unsafe == "open":
        runtime.chmod(0o777)
    elif unsafe == "link":
        (tmp_path / "link").symlink_to(runtime)
        value = str(tmp_path / "link")
    elif unsafe == "missing":
        value = str(tmp_path / "missing")
    elif unsafe == "relative":
        monkeypatch.chdir(tmp_path)
        value = "runtime"
    elif unsafe == "file":
        value = str(tmp_path / "file")
        (tmp_path / "file").touch(0o600)
    elif unsafe == "empty":
        value = ""
    monkeypatch.setenv("XDG_RUNTIME_DIR", value)
    assert runtime_directory(ME + 1 if unsafe == "other" else ME) == ""
    assert directories(7, "", runtime_directory(ME + 1 if unsafe == "other" else ME)) == directories(7)


def test_configured_directory_goes_before_the_runtime_directory():
    """What is said by name counts."""
    assert directories(7, "/run/app", "/run/user/7") == ("/run/app",)
    assert directories(7, "", "/run/user/7", "", "/run/user/7") == ("/run/user/7/otel-concurrency-7", *directories(7))


@pytest.mark.parametrize("what", ["link", "file", "pipe", "socket"])
def test_squatted_directory_is_named_as_such(tmp_path, what):
    """Not a read-only file system: what is there, whose it is, how to be rid of it."""
    path = tmp_path / "agents"
    expected = {"link": "a symbolic link to /elsewhere", "file": "a file", "pipe": "a pipe", "socket": "a socket"}[what]
    if what == "link":
        path.symlink_to("/elsewhere")
    elif what == "file":
        path.touch()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    for create in (True, False):
        with pytest.raises(SocketPathError, match=rf"is taken: it is {expected} .*{ME}; .*rm {path}") as error:
            open_directory(str(path), ME, create=create)
        assert "read-only" not in str(error.value)


@pytest.mark.skipif(ME != 0, reason="only root can make a directory of somebody else's")
def test_directory_of_another_user_is_reported_as_taken(tmp_path):
    """Only its owner or root can remove it."""
    (tmp_path / "agents").mkdir(mode=0o700)
    os.chown(tmp_path / "agents", 12345, -1)
    with pytest.raises(SocketPathError, match=r"is taken: .*as root\), or set OTEL_PYTHON_CONCURRENCY_AGENT_DIR"):
        open_directory(str(tmp_path / "agents"), ME, create=True)


class TestStaleFiles:
    """What is left of processes that were killed is removed; everything else is left alone."""

    def make(self, directory, name, *, listening):
        directory.mkdir(mode=0o700, exist_ok=True)
        made = socket.socket(socket.AF_UNIX)
        made.bind(str(directory / name))
        if listening:
            made.listen()
            return made
        made.close()
        return None

    def test_deaf_socket_of_a_dead_process_is_removed(self, tmp_path):
        """Nobody listens there."""
        self.make(tmp_path / "agents", "4194303-77.sock", listening=False)
        SocketFile(str(tmp_path / "agents")).close()
        assert list((tmp_path / "agents").iterdir()) == []

    def test_socket_in_use_stays(self, tmp_path):
        """The directory may be mounted in a container, whose process numbers are others."""
        kept = self.make(tmp_path / "agents", "4194303-77.sock", listening=True)
        SocketFile(str(tmp_path / "agents")).close()
        assert [path.name for path in (tmp_path / "agents").iterdir()] == ["4194303-77.sock"]
        kept.close()

    def test_other_files_and_links_stay(self, tmp_path):
        """Only sockets of our own name are ever removed."""
        directory = tmp_path / "agents"
        directory.mkdir(mode=0o700)
        (directory / "notes.txt").write_text("")
        (directory / "1-2.sock").write_text("no socket")
        (directory / "3-4.sock").symlink_to(directory / "notes.txt")
        (directory / "-1-0.sock").write_text("")
        before = sorted(path.name for path in directory.iterdir())
        SocketFile(str(directory)).close()
        assert sorted(path.name for path in directory.iterdir()) == before


@pytest.mark.parametrize("name", ["", "x", "1.sock", "0-1.sock", "01-2.sock", "1-2.sock\n", "1-2.sock.new", "٣-1.sock"])
def test_names_of_other_files_are_no_sockets(name):
    """Nothing but the exact form counts."""
    assert parse_socket_name(name) in (None, (3, 1)) if name.startswith("٣") else parse_socket_name(name) is None


def left_by_a_killed_process(directory, *, ending):
    """Make a socket file whose process ends without removing it, and return its path."""
    program = (
        "import os, sys, time; from opentelemetry.instrumentation.concurrency.agent.socket_file import SocketFile\n"
        f"made = SocketFile({str(directory)!r}); print(made.path, flush=True); {ending}"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    path = process.stdout.readline().strip()
    if ending != "os._exit(0)":
        process.terminate()
    process.wait(20)
    process.stdout.close()
    return path


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="start times are read from /proc")
@pytest.mark.parametrize("ending", ["os._exit(0)", "time.sleep(60)"], ids=["os._exit", "SIGTERM"])
@pytest.mark.parametrize("met_by", ["process", "command"])
def test_stale_socket_file_is_removed_when_found(tmp_path, monkeypatch, ending, met_by):
    path = left_by_a_killed_process(tmp_path / "agents", ending=ending)
    assert Path(path).exists()
    if met_by == "process":
        SocketFile(str(tmp_path / "agents")).close()
    else:
        monkeypatch.setenv("OTEL_PYTHON_CONCURRENCY_AGENT_DIR", str(tmp_path / "agents"))
        connection.has_agent(processes.read_process(os.getpid()))
    assert list((tmp_path / "agents").iterdir()) == []


def test_live_counts_leaves_out_our_own_threads(tmp_path):
    """As bare: a test that compares thread counts must not see ours come or go."""
    before = live_counts().threads
    release = threading.Event()
    started = start_own_thread(release.wait, "OtelConcurrencyTest")
    assert threading.active_count() > before
    assert live_counts().threads == before
    release.set()
    started.join()
