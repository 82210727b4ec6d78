"""An agent that answers whatever a test wants: the answers of a real one, changed."""

import contextlib
import json
import subprocess
import sys
import zlib
from pathlib import Path

from opentelemetry.instrumentation.concurrency.cli.processes import read_process

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\nFORGED line\x00\u202egnihton\u2028\ud800"
"""Window title, cleared screen, colour by one byte, a second line, a direction mark, half a surrogate pair."""

_PROGRAM = """
import json, os, socket, sys
directory, answers = sys.argv[1:3]
start = int(open("/proc/self/stat", "rb").read().rpartition(b")")[2].split()[19])
listener = socket.socket(socket.AF_UNIX)
listener.bind(f"{directory}/{os.getpid()}-{start}.sock")
listener.listen(64)
print("ready", flush=True)
while True:
    client, _ = listener.accept()
    try:
        name = json.loads(client.recv(1 << 16))["request"]
        with open(f"{answers}/{name}", "rb") as file:
            client.sendall(file.read())
    except (OSError, ValueError):
        pass
    client.close()
"""


class HostileAgent:
    """A process whose agent sends what it is given.

    Attributes:
        process: As the command line sees it.
        popen: As its parent sees it.
    """

    def __init__(self, process, popen, answers):
        self.process = process
        self.popen = popen
        self._answers = answers

    @property
    def pid(self):
        """Its number, as an argument."""
        return str(self.process.process_id)

    def send(self, request, raw):
        """Answer a request with these bytes from now on."""
        (self._answers / request).write_bytes(raw)

    def answer(self, request, facts, body=b"", **head):
        """Answer a request with these facts and this body from now on."""
        self.send(request, line_of({"protocol": 1, "ok": True, "facts": facts, **head}) + zlib.compress(body, 1))


def line_of(head):
    """Return the first line of a reply."""
    return json.dumps(head).encode() + b"\n"


@contextlib.contextmanager
def hostile_agent(directory, name, *arguments):
    """Run one inside the block, its socket in ``directory``, its command line ending with ``arguments``."""
    answers = Path(directory, f"answers-{name}")
    answers.mkdir()
    agents = Path(directory, "agents")
    agents.mkdir(mode=0o700, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(agents), str(answers), *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        yield HostileAgent(read_process(process.pid), process, answers)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def with_hostile_texts(value, *, but=frozenset()):
    """Return a value from JSON with an attack in every text, and in every name of an object that is not a field.

    Args:
        value: The value; unchanged.
        but: Names of fields whose texts stay.
    """
    if isinstance(value, dict):
        return {key: each if key in but else with_hostile_texts(each, but=but) for key, each in value.items()}
    if isinstance(value, list):
        return [with_hostile_texts(each, but=but) for each in value]
    return value + ESCAPES if isinstance(value, str) else value


def places_in(value, at=()):
    """Yield the place of everything in a value from JSON, of the elements of a list only the first."""
    yield at
    if isinstance(value, dict):
        for key, each in value.items():
            yield from places_in(each, (*at, key))
    elif isinstance(value, list) and value:
        yield from places_in(value[0], (*at, 0))


def with_replaced(value, at, new):
    """Return a copy of a value from JSON with another value at a place."""
    if not at:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = with_replaced(value[at[0]], at[1:], new)
    return copy


def without(value, at):
    """Return a copy of a value from JSON without what is at a place that is not the top."""
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(at) == 1:
        del copy[at[0]]
    else:
        copy[at[0]] = without(value[at[0]], at[1:])
    return copy
