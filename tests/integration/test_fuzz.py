"""Random input to the agent, the debug endpoint and the command line, for some seconds each, from a seed.

``FUZZ_SEED`` chooses another seed, ``FUZZ_SECONDS`` more time. Whatever comes: the service lives, logs no traceback and
answers the next client; the command ends with one of its exit codes and prints printable lines.
"""

import contextlib
import io
import json
import os
import random
import socket
import time
import zlib
from pathlib import Path

import pytest
from debug_endpoint import free_port, garbage, get, throw
from hostile_agent import ESCAPES, hostile_agent, line_of, places_in, with_replaced
from services import AGENT_DIR, QUEUE_SERVICE, service

from opentelemetry.instrumentation.concurrency.cli import sources
from opentelemetry.instrumentation.concurrency.cli.connection import ask
from opentelemetry.instrumentation.concurrency.cli.main import COMMANDS, main
from opentelemetry.instrumentation.concurrency.cli.processes import read_process

SEED = os.environ.get("FUZZ_SEED", "2026")
SECONDS = float(os.environ.get("FUZZ_SECONDS", "4"))
REQUESTS = ("hello", "snapshot", "counted", "stats", "leaks", "status", "cancel", "control", "announce")
JUNK = (None, True, -1, 0, 10**30, 1e308, float("nan"), "", "x" * 3000, ESCAPES, [], {}, [[]], {"": {}})
OPTIONS = ("kind", "split_loops", "site", "verdict", "limit", "wait_s", "serials", "dry_run", "action", "address")
ASKED = ("hello", "snapshot", "counted", "stats", "leaks", "status")
WORDS = """-h --version -o wide json --json --no-headers --full --threads --created --site * [ --wait io.* --verdict any
growing --format text folded full --by creation --name taskleak --seconds 1ms --flamegraph a.svg --timeout 100ms
--max-answer 1kb --interval 1ms --top -3 --min 0 --limit --dry-run --yes --control --url http://127.0.0.1:1 http://[
https://:x file:///etc/passwd - -- 1e99 nan -1 0 1+ + no-such-program / ./x/y é = --site="""
NEVER = ("demo", "serve", "mcp", "top", "attach", "completion")
"""Commands that do not end by themselves, need a terminal, look into processes that are not of the test, or take no
target."""


def rounds(name):
    """Yield dice as long as there is time."""
    dice = random.Random(f"{SEED} {name}")
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        yield dice


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A service with agent and endpoint. Afterwards it must still live, answer, and have logged no traceback."""
    directory, port = tmp_path_factory.mktemp("shop"), free_port()
    with (
        service(directory, QUEUE_SERVICE, 3, OTEL_PYTHON_CONCURRENCY_DEBUG_ADDRESS=f"127.0.0.1:{port}") as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv(AGENT_DIR, running.environment[AGENT_DIR])
        running.wait_until(lambda facts: facts["tasks"] > 5)
        running.base = f"http://127.0.0.1:{port}/debug"
        running.seen = read_process(running.pid)
        yield running
        assert running.process.poll() is None
        assert "Traceback" not in Path(directory, "stderr").read_text()


def request(dice):
    """Return the bytes of a request, mostly one that was understood up to some place."""
    kind = dice.random()
    if kind < 0.15:
        return dice.randbytes(dice.randrange(300))
    asked = {"protocol": 1, "request": dice.choice(REQUESTS), "wait_s": 0}
    for _ in range(dice.randrange(4)):
        asked[dice.choice((*OPTIONS, "protocol", "request", ESCAPES))] = dice.choice(JUNK)
    sent = json.dumps(asked).encode() + b"\n"
    if kind < 0.3:
        sent = mutated(dice, sent)
    if kind > 0.95:
        sent = b"[" * dice.randrange(70_000) + sent
    return sent


def mutated(dice, sent):
    """Return bytes with some of them changed, left out, or more of them."""
    made = bytearray(sent)
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(made) + 1)
        made[at : at + dice.randrange(4)] = dice.randbytes(dice.randrange(4))
    return bytes(made[: dice.randrange(len(made) + 1)] if dice.random() < 0.2 else made)


def test_agent_given_random_requests_goes_on(shop):
    """Cut, malformed, of the wrong types, longer than a line may be; clients that leave at any moment."""
    (path,) = Path(os.environ[AGENT_DIR]).glob("*.sock")
    for dice in rounds("agent"):
        sent = request(dice)
        with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
            client.settimeout(2)
            client.connect(str(path))
            client.sendall(sent)
            if dice.random() < 0.1:
                continue
            if b"\n" not in sent:
                client.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := client.recv(1 << 16):
                answer += piece
            head = json.loads(answer.partition(b"\n")[0]) if answer else {"ok": False, "message": ""}
            assert head["ok"] or head["message"].isprintable(), (sent, head)
    assert ask(shop.seen, "hello").facts["pid"] == shop.pid


def test_endpoint_given_random_requests_goes_on(shop):
    """Each is answered in HTTP or closed, and no answer is a 500."""
    for dice in rounds("endpoint"):
        sent = garbage(dice)
        if b"seconds=" in sent:
            sent = sent.replace(b"seconds=", b"second=")
        answer = throw(shop.base, mutated(dice, sent) if dice.random() < 0.3 else sent)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 "), sent
        assert not answer.startswith(b"HTTP/1.1 500"), sent
    assert get(f"{shop.base}/pprof/")[0] == 200


@pytest.fixture
def agent(shop, tmp_path, monkeypatch):
    """An agent that answers what the real one answers, until it is told otherwise."""
    answers = {name: ask(shop.seen, name, {"kind": "task"}) for name in ASKED}
    monkeypatch.setenv(AGENT_DIR, str(tmp_path / "agents"))
    monkeypatch.chdir(tmp_path)
    with hostile_agent(tmp_path, "one", ESCAPES.replace("\0", "").replace("\ud800", "")) as running:
        running.replies = {name: (answer.facts, answer.body) for name, answer in answers.items()}
        allowed = {"allowed": True, "refused": {"cycle": 0, "limit": 0}}
        running.replies["cancel"] = (allowed, running.replies["snapshot"][1])
        for name, (facts, body) in running.replies.items():
            running.answer(name, facts, body)
        # Random targets such as * must not reach other programs on this machine.
        monkeypatch.setattr(sources, "python_processes", lambda: iter([running.process]))
        yield running


def run(arguments):
    """Run the command in this process; every way to end but an exit code fails the test."""
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = ended.code
        except BaseException as error:
            raise AssertionError(arguments) from error
        out.flush()
    raw = out.buffer.getvalue()
    text = raw.decode("utf-8", "replace") if not raw.startswith(b"\x1f\x8b") else ""
    harmful = {each for each in text + err.getvalue() if not each.isprintable() and each not in "\n\t"}
    assert (code or 0) in (0, 1, 2, 3), (arguments, code)
    assert not harmful, (arguments, harmful)


def test_command_given_random_answers_ends(agent):
    """Bytes changed in head or body, values replaced at several places at once."""
    commands = {"ps": "hello", "stats": "stats", "leaks": "leaks", "doctor": "status", "stack": "counted"}
    commands |= {"tree": "snapshot", "snapshot": "snapshot", "cancel": "cancel"}
    for dice in rounds("answers"):
        command, name = dice.choice(list(commands.items()))
        facts, body = agent.replies[name]
        if dice.random() < 0.5:
            for _ in range(dice.randrange(1, 4)):
                facts = with_replaced(facts, dice.choice(list(places_in(facts))), dice.choice(JUNK))
        if body and dice.random() < 0.5:
            body = mutated(dice, body)
        reply = line_of({"protocol": 1, "ok": True, "facts": facts}) + zlib.compress(body, 1)
        agent.send(name, mutated(dice, reply) if dice.random() < 0.3 else reply)
        more = {"stats": ["--interval", "1ms"], "cancel": ["--site", "*", "--dry-run"]}.get(command, [])
        form = dice.choice(([], ["--json"], ["-o", "wide"])) if command != "snapshot" else []
        run([command, *([] if command == "ps" else [agent.pid]), *more, *form])
        agent.answer(name, *agent.replies[name])


def test_command_given_random_arguments_ends(agent):
    """Usage errors, odd targets, every option with every value."""
    words = [*WORDS.split(), "", "9" * 5000, ESCAPES.replace("\0", "")]
    names = [*(name for name in COMMANDS if name not in NEVER), "nonsense"]
    for dice in rounds("arguments"):
        chosen = [dice.choice(words) if dice.random() < 0.7 else agent.pid for _ in range(dice.randrange(6))]
        run([dice.choice(names), *chosen] if dice.random() < 0.95 else chosen)
