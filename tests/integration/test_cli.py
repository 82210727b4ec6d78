"""Every command against leaking services in processes of their own, as an operator runs them."""

import gzip
import json
import os
import re
import signal
import stat
import time
from pathlib import Path

import pytest
from services import PLAIN_SERVICE, QUEUE_SERVICE, UVLOOP_SERVICE, service

LEAKS = 100


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A service with a hundred tasks stuck in a queue, two that swallow cancellation and two that await each other."""
    with service(tmp_path_factory.mktemp("shop"), QUEUE_SERVICE, LEAKS) as running:
        running.wait_until(lambda facts: facts["unwakeable"] >= LEAKS)
        yield running


def test_ps_shows_live_and_leaked_counts(shop):
    """One row a process: number, agent, version, tasks, orphans, command."""
    done = shop.command("ps")
    assert (done.returncode, done.stderr) == (0, "")
    heading, *rows = done.stdout.splitlines()
    assert heading.split() == [
        "PID",
        "PARENT",
        "PYTHON",
        "TASKS",
        "THREADS",
        "ORPHANS",
        "GROWING",
        "UPTIME",
        "COMMAND",
    ]
    (row,) = [row for row in rows if row.split()[0] == str(shop.pid)]
    assert row.split()[2] == "*"
    facts = shop.facts()
    assert facts["tasks"] == LEAKS + 2 + 2 + 3 + 1
    assert facts["orphans"] >= LEAKS
    assert facts["service"] == "shop"
    assert facts["command"].endswith(f"service.py {LEAKS}")


def test_ps_is_the_default_and_can_be_filtered(shop):
    """No command is ``ps``."""
    assert str(shop.pid) in shop.command().stdout
    rows = json.loads(shop.command("ps", "--agents", "--json").stdout)
    assert all(row["agent"] for row in rows)


def test_stats_shows_totals_rates_and_top_lines(shop):
    """The line that leaks comes first, with its orphans."""
    done = shop.command("stats", shop.pid, "--interval", "200ms")
    assert done.returncode == 0, done.stderr
    top = next(line for line in done.stdout.splitlines() if "__main__.query" in line)
    # Memory and rate come first, where they are known.
    assert f" {LEAKS} {LEAKS} " in " ".join(["", *top.split()])
    assert re.search(rf"^tasks    {LEAKS + 8} live, orphans \d+ \(unwakeable \d+\), ", done.stdout, re.MULTILINE)
    assert re.search(r"^threads  .*, no orphans, ", done.stdout, re.MULTILINE)
    (facts,) = json.loads(shop.command("stats", shop.pid, "--interval", "200ms", "--json").stdout)
    assert facts["tasks"] == LEAKS + 8
    # The main thread and the worker: those of this package count only for the operating system.
    assert facts["os_threads"] > facts["threads"] == 2
    assert facts["loops"] == [{"type": "asyncio.unix_events._UnixSelectorEventLoop", "state": "running"}]
    assert facts["created"]["tasks"] >= LEAKS


def test_proof_by_hand_shows_in_every_command_and_in_metrics(tmp_path):
    """Tasks too young for a verdict, which only ``leaks`` proves; then all of them agree."""
    with service(tmp_path, QUEUE_SERVICE, 30, OTEL_PYTHON_CONCURRENCY_TASK_AGE="1h") as running:
        assert running.wait_until(lambda facts: (facts["tasks"] or 0) > 30)["orphans"] == 0
        done = running.command("leaks", running.pid, "--json")
        (leaks,) = json.loads(done.stdout)
        leaked = sum(one["verdict"] == "unwakeable" for one in leaks["live"])
        assert done.returncode == 1 and leaked >= 30
        facts = running.facts()
        assert (facts["orphans"], facts["unwakeable"]) == (leaked, leaked)
        (stats,) = json.loads(running.command("stats", running.pid, "--interval", "1ms", "--json").stdout)
        assert stats["verdicts"]["tasks"]["unwakeable"] == sum(site["unwakeable"] for site in stats["sites"]) == leaked
        (again,) = json.loads(running.command("leaks", running.pid, "--json").stdout)
        assert len(again["live"]) == leaked


def test_stack_groups_equal_tasks(shop):
    """One block for all that wait at the same place, the most first."""
    done = shop.command("stack", shop.pid)
    assert done.stdout.startswith(f"task profile: total {LEAKS + 8}\n{LEAKS} @ 0x")
    assert re.search(r"\[queue\.put, \d+ seconds?, unwakeable\]", done.stdout)
    assert "# created by __main__.query" in done.stdout


@pytest.mark.parametrize(
    ("options", "total"),
    [
        (["--wait", "queue.put"], LEAKS),
        (["--wait", "queue.get"], 0),
        (["--site", "*query"], LEAKS),
        (["--site", "*service.py"], LEAKS + 8),
        (["--verdict", "unwakeable", "--site", "*query"], LEAKS),
        (["--verdict", "orphaned", "--site", "*query"], 0),
    ],
)
def test_stack_can_be_filtered(shop, options, total):
    """By wait reason, site and verdict."""
    assert f"task profile: total {total}\n" in shop.command("stack", shop.pid, *options).stdout


def test_stack_output_has_no_control_characters(shop):
    """Names that would paint the terminal are shown escaped."""
    full = shop.command("stack", shop.pid, "--each").stdout
    assert full.count("created by __main__.query\n") == LEAKS
    assert "\x1b" not in full and "ask-0\\x1b[31m" in full
    threads = shop.command("stack", shop.pid, "--threads", "--each").stdout
    assert "thread" in threads and '"worker"' in threads
    (found,) = json.loads(shop.command("stack", shop.pid, "--json", "--site", "*query").stdout)
    assert found["pid"] == shop.pid and len(found["live"]) == LEAKS
    assert {one["wait_reason"] for one in found["live"]} == {"queue.put"}


def test_tree_shows_awaiters_and_cycles(shop):
    """The parent with its two children below; the circle is at the root and said to be one."""
    lines = shop.command("tree", shop.pid).stdout.splitlines()
    parent = next(number for number, line in enumerate(lines) if "[gather" in line)
    assert lines[parent + 1].startswith("└── 2 tasks like")
    assert any("deadlock: task" in line for line in lines)
    assert any(line.startswith(f"{LEAKS} tasks like") for line in lines)
    assert lines.index(next(line for line in lines if "unwakeable" in line)) == 0


def test_leaks_proves_now_and_ends_with_one(shop):
    """Verdicts with evidence, one block a group."""
    done = shop.command("leaks", shop.pid)
    assert done.returncode == 1, done.stderr
    assert f"{LEAKS} tasks unwakeable: created by __main__.query" in done.stdout
    assert "nothing that still runs holds what it waits for" in done.stdout
    (found,) = json.loads(shop.command("leaks", shop.pid, "--json").stdout)
    assert found["examined"] >= LEAKS and found["undecided"] == ""
    assert {one["verdict"] for one in found["live"]} == {"unwakeable"}


def test_profile_writes_every_format(shop, tmp_path):
    """For pprof, people and flame graphs, to a file or a pipe."""
    file = tmp_path / "tasks.pb.gz"
    assert shop.command("profile", shop.pid, "-o", file).returncode == 0
    assert b"__main__.query" in gzip.decompress(file.read_bytes())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = shop.command("profile", shop.pid, "--name", "taskleak", "--format", "text").stdout
    assert text.startswith("taskleak profile: total ")
    folded = shop.command("profile", shop.pid, "--format", "folded").stdout
    assert re.search(rf"__main__\.ask:\d+;asyncio\.queues\.Queue\.put:\d+;\[queue\.put\] {LEAKS}\n", folded)
    assert "task 1 " in shop.command("profile", shop.pid, "--format", "full").stdout
    assert json.loads(shop.command("profile", shop.pid, "--format", "json").stdout)["schema_version"] == 2
    assert "No creation site" in shop.command("profile", shop.pid, "--seconds", "0.1", "--format", "text").stdout
    for name in ("flame.svg", "flame.html"):
        assert shop.command("profile", shop.pid, "--flamegraph", tmp_path / name).returncode == 0
        assert "__main__.ask" in (tmp_path / name).read_text()


def test_snapshot_and_diff_show_growth(shop, tmp_path):
    """Against itself nothing grew; against a smaller snapshot the line is named and the exit code is 1."""
    file = tmp_path / "now.json"
    assert shop.command("snapshot", shop.pid, "-o", file).returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert shop.command("diff", file, shop.pid).returncode == 0
    smaller = json.loads(file.read_text())
    smaller["by_site"], smaller["by_stack"], smaller["tasks"], smaller["threads"] = [], [], [], []
    earlier = tmp_path / "earlier.json"
    earlier.write_text(json.dumps(smaller))
    done = shop.command("diff", earlier, file)
    assert done.returncode == 1
    assert re.search(rf"task +\+{LEAKS} +0 +{LEAKS} .*__main__\.query", done.stdout)
    assert json.loads(shop.command("diff", earlier, file, "--json").stdout)[0]["change"] == LEAKS


def test_cancel_needs_to_be_allowed(shop):
    """A dry run shows; more is refused with the way to allow it."""
    done = shop.command("cancel", shop.pid, "--site", "*query", "--dry-run")
    assert done.returncode == 0 and f"\n{LEAKS} tasks [queue.put, unwakeable] created by __main__.query" in done.stdout
    assert done.stdout.startswith("Cancelling is off in this process")
    done = shop.command("cancel", shop.pid, "--site", "*query", "--yes")
    assert done.returncode == 3 and "OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL=true" in done.stderr
    assert shop.facts()["tasks"] == LEAKS + 8


def test_cancel_ends_tasks_and_lists_those_that_go_on(tmp_path):
    """Through the loop, up to the limit; never those that await each other; the process' log says who did it."""
    with service(tmp_path, QUEUE_SERVICE, 30, OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL="true") as running:
        running.wait_until(lambda facts: facts["unwakeable"] >= 30)
        asked = running.command("cancel", running.pid, "--site", "*query")
        assert asked.returncode == 2 and "--yes" in asked.stderr
        done = running.command("cancel", running.pid, "--site", "*query", "--limit", "20", "--yes")
        assert done.returncode == 0, done.stderr
        assert "Cancelled 20: 20 ended." in done.stdout and "10 more tasks match" in done.stdout
        circle = running.command("cancel", running.pid, "--site", "*start_circle", "--yes")
        assert "2 matching tasks are in an await cycle" in circle.stdout and "Cancelled" not in circle.stdout
        stubborn = running.command("cancel", running.pid, "--site", "*stubborn", "--yes", "--wait", "300ms")
        assert "Cancelled 2: 0 ended.\n2 suppressed" in stubborn.stdout and stubborn.returncode == 1
        assert "\n2 tasks [future, unwakeable] created by __main__.start_stubborn" in stubborn.stdout
        assert circle.returncode == 1
        assert running.facts()["tasks"] == 10 + 8
        log = Path(tmp_path, "stderr").read_text()
        assert f"otel-concurrency cancel (site=*query, 20), by user {os.geteuid()}, process" in log


def test_uvloop_is_seen_as_well(tmp_path):
    """Another loop, the same answers."""
    pytest.importorskip("uvloop")
    with service(tmp_path, UVLOOP_SERVICE, 50) as running:
        running.wait_until(lambda facts: facts["orphans"] == 50)
        assert "50 @ 0x" in running.command("stack", running.pid).stdout
        assert running.command("leaks", running.pid).returncode == 1


def test_targets_are_numbers_families_globs_and_all(shop):
    """Each way to name a process leads to it."""
    for target in (shop.pid, f"{shop.pid}+", f"*service.py {LEAKS}"):
        assert f"total {LEAKS + 8}" in shop.command("stack", target).stdout
    assert str(shop.pid) in shop.command("stats", "all", "--json", "--interval", "1ms").stdout


def test_output_repeats_and_ends_with_ctrl_c(shop):
    """``--watch`` until an interrupt, which is exit code 130 and no traceback."""
    import subprocess
    import sys

    watch = subprocess.Popen(
        [sys.executable, "-m", "opentelemetry.instrumentation.concurrency", "ps", "--watch", "50ms"],
        env=shop.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    seen = 0
    for line in watch.stdout:
        seen += line.startswith("PID") or " PID" in line[:8]
        if seen == 3:
            break
    watch.send_signal(signal.SIGINT)
    _, stderr = watch.communicate(timeout=20)
    assert (watch.returncode, stderr) == (130, "")


def test_doctor_knows_the_process(shop):
    """A healthy process gets no bad mark but the exporter that the test has not."""
    done = shop.command("doctor", shop.pid)
    assert done.returncode == 0
    assert "The agent answers" in done.stdout
    assert "are as this version expects." in done.stdout
    assert "BAD" not in done.stdout and "is not as this version" not in done.stdout
    assert shop.command("doctor").returncode == 0


def test_killed_process_is_not_believed_any_more(tmp_path):
    """Its socket stays behind; nobody takes it for a process."""
    with service(tmp_path, PLAIN_SERVICE, 5) as running:
        running.wait_until(lambda facts: (facts["tasks"] or 0) > 0)
        sockets = Path(running.environment["OTEL_PYTHON_CONCURRENCY_AGENT_DIR"])
        assert [path.name.partition("-")[0] for path in sockets.iterdir()] == [str(running.pid)]
        os.kill(running.pid, signal.SIGKILL)
        running.process.wait()
        assert len(list(sockets.iterdir())) == 1
        assert running.facts() == {}
        done = running.command("stack", running.pid)
        assert done.returncode == 3 and f"There is no process {running.pid} here" in done.stderr


def test_next_process_removes_the_file_of_a_killed_one(tmp_path):
    """The stale socket is gone as soon as another agent opens its own; the socket of a living one stays."""
    for _ in range(2):
        with service(tmp_path, PLAIN_SERVICE, 5) as running:
            running.wait_until(lambda facts: (facts["tasks"] or 0) > 0)
            sockets = Path(running.environment["OTEL_PYTHON_CONCURRENCY_AGENT_DIR"])
            assert [path.name.partition("-")[0] for path in sockets.iterdir()] == [str(running.pid)]


def test_stopped_process_times_out_with_the_reason(tmp_path):
    """Exit code 3 and what would let it go on."""
    with service(tmp_path, PLAIN_SERVICE, 5) as running:
        running.wait_until(lambda facts: (facts["tasks"] or 0) > 0)
        os.kill(running.pid, signal.SIGSTOP)
        began = time.monotonic()
        done = running.command("stack", running.pid, "--timeout", "500ms")
        assert done.returncode == 3 and "It is stopped" in done.stderr
        assert time.monotonic() - began < 20
        os.kill(running.pid, signal.SIGCONT)


def test_socket_is_gone_after_a_clean_exit(tmp_path):
    """Nothing stays behind."""
    source = """
import asyncio, pathlib, sys
async def main():
    while not any(pathlib.Path(sys.argv[1]).glob("[0-9]*")):
        await asyncio.sleep(0.01)
asyncio.run(main())
"""
    with service(tmp_path, source, tmp_path / "agents", ready="") as running:
        assert running.process.wait(60) == 0
        assert list(Path(running.environment["OTEL_PYTHON_CONCURRENCY_AGENT_DIR"]).iterdir()) == []


def test_agent_can_be_disabled(tmp_path):
    """No socket, and the command says what to look for."""
    with service(tmp_path, QUEUE_SERVICE, 2, OTEL_PYTHON_CONCURRENCY_AGENT_DISABLED="true") as running:
        time.sleep(0.5)
        assert not Path(running.environment["OTEL_PYTHON_CONCURRENCY_AGENT_DIR"]).exists()
        done = running.command("stack", running.pid)
        assert done.returncode == 3 and "has no agent" in done.stderr
        doctor = running.command("doctor", running.pid)
        assert doctor.returncode == 3 and "OTEL_PYTHON_CONCURRENCY_AGENT_DISABLED=true disables it" in doctor.stdout


def test_control_needs_to_be_allowed_and_finds_the_planted_leak(tmp_path):
    """Exit code 0 where the proof finds it, and nothing is left of it; refused without ALLOW_CANCEL."""
    with service(tmp_path, QUEUE_SERVICE, 3, OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL="true") as running:
        before = running.facts()["tasks"]
        done = running.command("doctor", running.pid, "--control")
        assert done.returncode == 0, done.stdout
        assert "A planted leak was found" in done.stdout and "The planted task was removed." in done.stdout
        assert running.facts()["tasks"] == before
        assert "otel-concurrency control, by user" in Path(tmp_path, "stderr").read_text()


def test_control_is_refused_where_cancelling_is(shop):
    done = shop.command("doctor", shop.pid, "--control")
    assert done.returncode == 3 and "OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL=true" in done.stdout
