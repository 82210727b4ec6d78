"""Agents that answer with attacks: no command lets a byte of them reach the terminal, or fails with a traceback."""

import json
import os
import signal
import time
import zlib

import pytest
from hostile_agent import ESCAPES, hostile_agent, line_of, places_in, with_hostile_texts, with_replaced, without
from services import AGENT_DIR, QUEUE_SERVICE, service

from opentelemetry.instrumentation.concurrency.cli import connection, sources
from opentelemetry.instrumentation.concurrency.cli.connection import ask
from opentelemetry.instrumentation.concurrency.cli.main import main
from opentelemetry.instrumentation.concurrency.cli.processes import read_process

REQUESTS = {
    "hello": {},
    "stats": {},
    "leaks": {},
    "status": {},
    "counted": {"kind": "task"},
    "snapshot": {},
    "cancel": {"site": "*ask*", "dry_run": True},
    "control": {},
}
GROWING = {
    "kind": "task",
    "function": "shop.search.query",
    "path": "/app/shop/search.py",
    "line": 31,
    "runs": "shop.search.ask",
    "via": [{"function": "shop.util.spawn", "path": "/app/shop/util.py", "line": 9}],
    "count": 500,
    "reason": "it grows",
    "waits": [{"at": {"function": "f", "path": "/f.py", "line": 7}, "wait_reason": "sleep", "count": 480}],
    "wait_reason": "sleep",
    "stalled_s": 2.0,
    "stack": [{"function": "f", "path": "/f.py", "line": 7}],
    "creation_stack": [{"function": "f", "path": "/f.py", "line": 7}],
    "creation_sampled": True,
}
IMPACT = {"held_by": "shop.kept", "waits_on": "shop.lock", "advice": "Release the lock."}
MORE = {
    "silent_loops": [{"thread": "main", "silent_s": 9.0, "waiting_at": "f (f.py:1)", "stack": [["f", "/f.py", 1]]}],
    "growing": [GROWING],
    "young_threads": [{**GROWING, "kind": "thread", "counts": True}],
    "ended_badly": [{**GROWING, "created": 3, "destroyed": 1, "unretrieved": 1}],
    "impacts": [{**GROWING, "verdict": "growing", "memory": 3, "memory_text": "3 B", "memory_note": "", **IMPACT}],
    "finished_kept": [{**GROWING, "held_by": "shop.kept", "before": 100, "over_s": 600.0}],
    "stale_spans": [{**GROWING, "span": "GET /first", "ended_s": 300.0}],
    "generators_left": [GROWING],
    "never_awaited": [{**GROWING, "dropped": {"function": "f", "path": "/f.py", "line": 7}}],
    "undecided": "a loop of another library",
    "delays": {"main": 0.001},
    "reports_dropped": {"limit": 3},
    "loops": [{"type": "asyncio.Loop", "state": "running"}],
    "hooks_replaced": ["asyncio.create_task"],
    "hook_failures": 1,
    "telemetry": {"traces": "none"},
    "found": True,
    "removed": True,
    "reason": "it waits",
}
COMMANDS = {
    "hello": ["ps", "ps -o wide", "ps --json"],
    "stats": ["stats PID --interval 1ms", "stats PID --interval 1ms -o wide", "stats PID --interval 1ms --json"],
    "leaks": ["leaks PID", "leaks PID --full", "leaks PID --json", "profile PID --name taskleak --format text"],
    "status": ["doctor PID", "doctor PID --json"],
    "control": ["doctor --control PID"],
    "counted": [
        "stack PID",
        "stack PID --threads",
        "stack PID+",
        "profile PID --format text",
        "profile PID --format folded",
        "profile PID --format folded --by creation",
        "profile PID --format pprof -o FILE",
        "profile PID --flamegraph FILE.svg",
    ],
    "snapshot": [
        "stack PID --full",
        "stack PID --json",
        "tree PID",
        "tree PID --created",
        "tree PID --json",
        "snapshot PID",
        "profile PID --format full",
        "profile PID --format json",
        "diff OLD PID",
        "diff OLD PID --json",
        "profile PID --format text --seconds 1ms",
    ],
    "cancel": ["cancel PID --site * --dry-run", "cancel PID --site * --yes", "cancel PID --site * --yes --json"],
}
JUNK = (None, "text", -1, 1e300, float("nan"), True, [], {}, [[]], 10**30)
TABLES = frozenset({"kind", "schema_version"})


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """What a real agent answers, by request: its facts and the body."""
    patch = pytest.MonkeyPatch()
    directory = tmp_path_factory.mktemp("honest")
    with service(directory, QUEUE_SERVICE, 5, OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL="true") as running:
        running.wait_until(lambda facts: facts["unwakeable"] >= 5)
        patch.setenv(AGENT_DIR, str(directory / "agents"))
        process = read_process(running.pid)
        found = {request: ask(process, request, options) for request, options in REQUESTS.items()}
    patch.undo()
    answers = {request: ({**answer.facts}, answer.body) for request, answer in found.items()}
    for facts, _ in answers.values():
        facts.update({name: value for name, value in MORE.items() if name in facts or name == "silent_loops"})
    answers["cancel"][0].update(asked=1, ended=1, swallowed=1, not_running=1)
    return answers


@pytest.fixture
def agent(tmp_path, monkeypatch, honest):
    """An agent in a process with a hostile command line, which answers honestly at first."""
    monkeypatch.setenv(AGENT_DIR, str(tmp_path / "agents"))
    with hostile_agent(tmp_path, "one", "manage.py", ESCAPES.replace("\0", "").replace("\ud800", "")) as running:
        for request, (facts, body) in honest.items():
            running.answer(request, facts, body)
        (tmp_path / "old.json").write_bytes(honest["snapshot"][1])
        yield running


@pytest.fixture
def run(agent, tmp_path, capsys):
    """Run a command in this process; returns its exit code and both outputs, of which no byte may do harm."""

    def run(command):
        places = {"PID": agent.pid, "PID+": f"{agent.pid}+", "FILE": str(tmp_path / "out")}
        places |= {"FILE.svg": str(tmp_path / "out.svg"), "OLD": str(tmp_path / "old.json")}
        try:
            code = main([places.get(word, word) for word in command.split()])
        except SystemExit as ended:
            code = ended.code
        output = capsys.readouterr()
        text = output.out + output.err
        assert code in (0, 1, 3), (command, text)
        harmful = {each for each in text if not each.isprintable() and each not in "\n\t"}
        assert not harmful, (command, harmful, text)
        assert not any(line.strip().startswith("FORGED") for line in text.splitlines()), (command, text)
        return code, text

    return run


ALL = [(request, command) for request, commands in COMMANDS.items() for command in commands]


@pytest.mark.parametrize(("request_name", "command"), ALL, ids=[command for _, command in ALL])
def test_command_given_escapes_in_every_text_prints_none(agent, run, honest, request_name, command):
    """In the command line of the process, in every fact and in every text of a body."""
    facts, body = honest[request_name]
    agent.answer(request_name, with_hostile_texts(facts, but=TABLES), _hostile_body(body))
    assert run(command)[1] or "FILE" in command
    # Those who look deeper get as far as the values are read: names of kinds and modules as they have to be.
    agent.answer(request_name, with_hostile_texts(facts), body)
    run(command)


@pytest.mark.parametrize("name", ["message", "protocol", "error"])
@pytest.mark.parametrize(
    "command", ["ps", "stats PID", "stack PID", "leaks PID", "tree PID", "doctor PID", "snapshot PID"]
)
def test_refusal_given_escapes_prints_none(agent, run, name, command):
    """The paragraph of a refusal, and the version of the protocol."""
    head = {"protocol": 1, "ok": name == "protocol", "message": "no", "error": "busy", name: ESCAPES}
    for request in REQUESTS:
        agent.send(request, line_of(head))
    assert run(command)[1]


@pytest.mark.parametrize("request_name", COMMANDS)
def test_command_given_a_wrong_value_at_any_place_says_so(agent, run, honest, request_name):
    """Each fact in turn is something else, or missing: shown as far as it goes, or one sentence. Never a traceback."""
    facts, body = honest[request_name]
    command = COMMANDS[request_name][0]
    for number, place in enumerate(places_in(facts)):
        agent.answer(request_name, with_replaced(facts, place, JUNK[number % len(JUNK)]), body)
        run(command)
        if place:
            agent.answer(request_name, without(facts, place), body)
            run(command)


@pytest.mark.parametrize("command", ["stack PID", "tree PID", "leaks PID"])
def test_command_given_a_wrong_value_in_the_body_says_so(agent, run, honest, command):
    """The same for the bodies: counts line by line, and snapshots."""
    request_name = {"stack PID": "counted", "tree PID": "snapshot", "leaks PID": "leaks"}[command]
    facts, body = honest[request_name]
    parsed = [json.loads(line) for line in body.splitlines()] if request_name == "counted" else json.loads(body)
    for number, place in enumerate(places_in(parsed)):
        for changed in (with_replaced(parsed, place, JUNK[number % len(JUNK)]), place and without(parsed, place)):
            lines = changed if request_name == "counted" and isinstance(changed, list) else [changed]
            agent.answer(request_name, facts, "\n".join(map(json.dumps, lines)).encode())
            run(command)


def test_answer_that_inflates_to_gigabytes_is_not_read(agent, run):
    """Two hundred megabytes in one: the command says 64 MB, and how to take more."""
    compressor = zlib.compressobj(1)
    zeros = bytes(1 << 20)
    bomb = b"".join(compressor.compress(zeros) for _ in range(200)) + compressor.flush()
    agent.send("snapshot", line_of({"protocol": 1, "ok": True, "facts": {}}) + bomb)
    code, text = run("snapshot PID")
    assert code == 3
    assert "larger than 64 MB" in text
    assert "--max-answer" in text


def test_larger_limit_takes_a_larger_answer(agent, run, honest):
    """``--max-answer``; the limit is on what comes out, to the byte."""
    body = honest["snapshot"][1]
    agent.answer("snapshot", {}, body)
    assert run(f"snapshot PID --max-answer {len(body)}")[0] == 0
    assert run(f"snapshot PID --max-answer {len(body) - 1}")[0] == 3


def test_tree_of_shared_owners_ends(agent, run, honest):
    """Two tasks on each of forty levels, each owned by both above: a tree of 2^40 lines."""
    snapshot = json.loads(honest["snapshot"][1])
    usual = {**snapshot["tasks"][0], "creator": None}
    usual.pop("deadlock", None)
    usual.pop("verdict", None)
    tasks = []
    for level in range(40):
        owners = [2 * level - 1, 2 * level] if level else []
        tasks += [{**usual, "serial": 2 * level + side, "owners": owners} for side in (1, 2)]
    agent.answer("snapshot", {}, json.dumps({**snapshot, "tasks": tasks}).encode())
    code, text = run("tree PID")
    assert code == 0
    assert len(text.splitlines()) < 500
    assert "only the first" in text


@pytest.fixture
def two(agent, tmp_path, honest):
    """Two agents; the second answers nothing until a test says what."""
    with hostile_agent(tmp_path, "two", "manage.py") as other:
        yield agent, other


SEVERAL = [
    f"{each} manage.py" for each in ("stats --interval 1ms", "leaks", "stack", "tree", "stack --json", "tree --json")
]


@pytest.mark.parametrize("command", SEVERAL)
def test_stopped_process_among_several_is_named(two, run, command):
    """The answer of the other is shown, and the exit code is 3; nobody waits for the timeout of two minutes."""
    _, stopped = two
    os.kill(stopped.process.process_id, signal.SIGSTOP)
    began = time.monotonic()
    code, text = run(command)
    assert code == 3
    assert time.monotonic() - began < 30
    assert f"Process {stopped.pid} is stopped" in text
    assert "__main__" in text


@pytest.mark.parametrize("command", SEVERAL)
def test_process_that_vanishes_among_several_is_named(two, run, monkeypatch, command):
    """Between the listing and the question."""
    _, vanished = two
    ask_one = connection.ask

    def ask_after_the_end(process, *args, **options):
        if process.process_id == vanished.process.process_id:
            os.kill(process.process_id, signal.SIGKILL)
            vanished.popen.wait()
        return ask_one(process, *args, **options)

    monkeypatch.setattr(sources, "ask", ask_after_the_end)
    code, text = run(command)
    assert code == 3
    assert f"Process {vanished.pid} has ended" in text
    assert "__main__" in text


@pytest.mark.parametrize("command", SEVERAL)
def test_process_that_answers_nonsense_among_several_is_named(two, run, command):
    """Another version, an attack: the others count all the same."""
    _, other = two
    for request in REQUESTS:
        other.send(request, line_of({"protocol": 1, "ok": False, "message": "no, never"}))
    code, text = run(command)
    assert code == 3
    assert "no, never" in text
    assert "__main__" in text


def test_several_that_do_not_answer_are_all_named(two, run):
    """Nothing is shown, and the exit code is the same."""
    for one in two:
        one.send("stats", line_of({"protocol": 1, "ok": False, "message": f"not {one.pid}"}))
    code, text = run("stats manage.py")
    assert code == 3
    assert all(f"not {one.pid}" in text for one in two)


def _hostile_body(body):
    lines = body.splitlines()
    try:
        parsed = [json.loads(line) for line in lines] if not body.startswith(b"{\n") else [json.loads(body)]
    except ValueError:
        return body
    return "\n".join(json.dumps(with_hostile_texts(each, but=TABLES)) for each in parsed).encode()
