"""Which directories and sockets an agent and its clients believe."""

import os
import socket
import stat

import pytest

from opentelemetry.instrumentation.concurrency.agent.places import (
    PlaceError,
    directories,
    open_directory,
    parse_socket_name,
    socket_name,
    start_of,
)
from opentelemetry.instrumentation.concurrency.agent.socket_file import SocketFile

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
    with pytest.raises(PlaceError, match="AGENT_DIR"):
        SocketFile(str(tmp_path / "agents"))
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o1777, 0o701])
def test_directory_open_to_others_is_refused_with_the_command_that_mends_it(tmp_path, mode):
    """Others could put their sockets there."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents").chmod(mode)
    with pytest.raises(PlaceError, match=r"chmod 700 .*agents"):
        SocketFile(str(tmp_path / "agents"))


@pytest.mark.skipif(ME != 0, reason="only root can make a directory of somebody else's")
def test_directory_of_somebody_else_is_refused(tmp_path):
    """It says whose it is."""
    (tmp_path / "agents").mkdir(mode=0o700)
    os.chown(tmp_path / "agents", 12345, -1)
    with pytest.raises(PlaceError, match="belongs to user 12345"):
        open_directory(str(tmp_path / "agents"), ME, create=True)


@pytest.mark.parametrize("path", ["missing/parent", "file"])
def test_place_that_can_not_be_made_is_explained(tmp_path, path):
    """A missing parent, a file in the way: what was tried, why not, what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(PlaceError, match="set OTEL_PYTHON_CONCURRENCY_AGENT_DIR"):
        SocketFile(str(tmp_path / path))


def test_deep_directory_is_no_trouble(tmp_path):
    """An address is short even where the path is longer than a socket's may be."""
    deep = tmp_path
    for _ in range(12):
        deep = deep / "directory-with-a-long-name"
        deep.mkdir()
    made = SocketFile(str(deep / "agents"))
    assert len(list((deep / "agents").iterdir())) == 1
    made.close()


def test_default_has_a_fallback_and_a_configured_directory_has_none():
    """Memory is writable where the file system is not."""
    assert directories(7) == ("/tmp/otel-concurrency-7", "/dev/shm/otel-concurrency-7")
    assert directories(7, "/tmp/otel-concurrency-7") == directories(7)
    assert directories(7, "/run/app") == ("/run/app",)


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

    def test_socket_that_somebody_listens_on_stays(self, tmp_path):
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
