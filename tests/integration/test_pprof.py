"""The real ``go tool pprof`` reads the profiles of a leaking program: counts, labels, lines, differences, its pages."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from programs import run_program

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="needs Go's toolchain for go tool pprof")

QUIET = {
    "OTEL_SDK_DISABLED": "true",
    # Upstream's wraps coroutines, which adds a frame of its own to each chain.
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "asyncio,threading",
}

PROGRAM = """
import asyncio, threading
from opentelemetry.instrumentation.concurrency import write_profile
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.live_profile import write_difference
held, release = set(), threading.Event()

async def ask(queue):
    await queue.put("question")

async def query():
    full = asyncio.Queue(1)
    full.put_nowait("nobody takes this")
    held.add(asyncio.create_task(ask(full)))

async def work(inbox):
    await inbox.get()

async def leak(number):
    for _ in range(number):
        await query()
    await asyncio.sleep(0)

def write(when):
    for name in ("task", "thread", "taskleak"):
        with open(f"{when}-{name}.pb.gz", "wb") as file:
            write_profile(name, file, 0)
        for debug in (1, 2):
            with open(f"{when}-{name}.{debug}.txt", "w") as file:
                write_profile(name, file, debug)

async def main():
    inbox = asyncio.Queue()
    workers = [asyncio.create_task(work(inbox)) for _ in range(4)]
    waiting = threading.Thread(target=release.wait)
    waiting.start()
    await leak(10)
    write("before")

    def happens(seconds):
        loop.call_soon_threadsafe(workers.pop().cancel)
        asyncio.run_coroutine_threadsafe(leak(7), loop).result()

    loop = asyncio.get_running_loop()
    with open("delta-task.pb.gz", "wb") as file:
        await asyncio.to_thread(write_difference, current_installation().live, "task", file, 30, wait=happens)
    write("after")
    release.set()
    waiting.join()

asyncio.run(main())
"""


def line_of(text):
    return PROGRAM.splitlines().index(next(line for line in PROGRAM.splitlines() if text in line)) + 1


@pytest.fixture(scope="module")
def profiles(tmp_path_factory):
    """A folder with the profiles of the program before and after it leaked more."""
    folder = tmp_path_factory.mktemp("profiles")
    done = run_program(f"import os; os.chdir({str(folder)!r})" + PROGRAM, env=QUIET)
    assert done.returncode == 0, done.stderr
    return folder


def pprof(folder, *arguments):
    done = subprocess.run(
        ["go", "tool", "pprof", "-symbolize=none", *arguments],
        cwd=folder,
        env={**os.environ, "PPROF_TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def flat(text):
    """Return the first column of ``-top`` by function."""
    rows = [line.split() for line in text.partition("flat%")[2].splitlines()[1:]]
    return {" ".join(row[5:]): row[0] for row in rows}


def cumulative(text):
    rows = [line.split() for line in text.partition("flat%")[2].splitlines()[1:]]
    return {" ".join(row[5:]): row[3] for row in rows}


def tags(text):
    """Return counts by key and value of ``-tags``."""
    found = {}
    key = ""
    for line in text.splitlines():
        if ": Total" in line:
            key = line.split(":")[0].strip()
        elif line.strip():
            count, _, value = line.partition("(")
            found[key, value.partition("): ")[2]] = int(count)
    return found


def test_top_counts_tasks_by_where_they_wait(profiles):
    """The count is the default sample type, and names need no binary."""
    text = pprof(profiles, "-top", "after-task.pb.gz")
    assert "Type: task\n" in text and "File: program\n" in text and "Showing nodes accounting for 21, 100%" in text
    assert flat(text)["asyncio.queues.Queue.put"] == "17"
    assert flat(text)["asyncio.queues.Queue.get"] == "3"
    assert cumulative(text)["__main__.ask"] == "17"


def test_lines_are_those_of_the_program(profiles):
    """Function, file and line of each frame."""
    text = pprof(profiles, "-top", "-lines", "after-task.pb.gz")
    assert cumulative(text)[f"__main__.ask <string>:{line_of('await queue.put')}"] == "17"


def test_ages_are_a_sample_type_in_a_unit_that_pprof_scales(profiles):
    """``-sample_index=age``."""
    text = pprof(profiles, "-top", "-sample_index=age", "after-task.pb.gz")
    assert "Type: age\n" in text
    assert re.search(r"\d(ms|s) .*__main__.ask\n", text)


def test_traces_show_whole_chains_with_their_labels(profiles):
    """Innermost first, as pprof prints them; the creating line is the last."""
    text = pprof(profiles, "-traces", "after-taskleak.pb.gz")
    (trace,) = [part for part in text.split("-----------+") if "creation_site" in part]
    assert re.sub(r" +", " ", trace.partition("\n")[2]) == (
        " loop: MainThread\n"
        " runs: __main__.ask\n"
        " verdict: unwakeable\n"
        f"creation_site: __main__.query:{line_of('create_task(ask')}\n"
        "wait_reason: queue.put\n"
        " 17 asyncio.queues.Queue.put\n"
        " __main__.ask\n"
        " __main__.query\n"
        "-----------+"
    ).removesuffix("-----------+")


def test_tags_count_tasks_by_wait_reason_and_creation_site(profiles):
    """What the profile of tasks holds without a proof; the verdict stands in the leak profile."""
    found = tags(pprof(profiles, "-tags", "after-task.pb.gz"))
    assert found["wait_reason", "queue.put"] == 17
    assert found["wait_reason", "queue.get"] == 3
    assert found["creation_site", f"__main__.query:{line_of('create_task(ask')}"] == 17
    assert found["loop", "MainThread"] == 21
    assert not any(key == "verdict" for key, _ in found)
    leaks = tags(pprof(profiles, "-tags", "after-taskleak.pb.gz"))
    assert leaks["verdict", "unwakeable"] == 17
    assert ("wait_reason", "queue.get") not in leaks


def test_tagfocus_selects_by_label(profiles):
    """One wait reason of all."""
    text = pprof(profiles, "-top", "-tagfocus=wait_reason=queue.get", "after-task.pb.gz")
    assert flat(text)["asyncio.queues.Queue.get"] == "3"
    assert "asyncio.queues.Queue.put" not in text


def test_tagroot_puts_creation_sites_at_the_root(profiles):
    """A tree from who created them to where they wait."""
    text = pprof(profiles, "-top", "-tagroot=creation_site", "after-task.pb.gz")
    assert cumulative(text)[f"__main__.query:{line_of('create_task(ask')}"] == "17"


def test_diff_base_shows_added_and_removed_tasks(profiles):
    """Groups of the two profiles are recognised as the same."""
    text = pprof(profiles, "-top", "-diff_base=before-task.pb.gz", "after-task.pb.gz")
    found = flat(text)
    assert (found["asyncio.queues.Queue.put"], found["asyncio.queues.Queue.get"]) == ("7", "-1")


def test_our_difference_is_that_of_pprof(profiles):
    """``?seconds=N`` and ``-diff_base`` agree on what changed."""
    ours = pprof(profiles, "-top", "delta-task.pb.gz")
    assert "Duration: 30s" in ours
    found = flat(ours)
    assert (found["asyncio.queues.Queue.put"], found["asyncio.queues.Queue.get"]) == ("7", "-1")


def test_threads_are_read_too(profiles):
    """The planted thread waits for its event."""
    started = f"creation_site=__main__.main:{line_of('waiting.start')}"
    text = pprof(profiles, "-top", f"-tagfocus={started}", "after-thread.pb.gz")
    assert "Type: thread\n" in text
    assert cumulative(text)["threading.Event.wait"] == "1"


@pytest.mark.parametrize("name", ["task", "thread", "taskleak"])
def test_the_text_is_read_as_the_older_form_of_go(profiles, name):
    """Names are lost there, counts are not, and like is subtracted from like."""
    total = re.match(rf"{name} profile: total (\d+)\n", (profiles / f"after-{name}.1.txt").read_text())[1]
    text = pprof(profiles, "-top", f"after-{name}.1.txt")
    assert f"Type: {name}\n" in text
    assert f"Showing nodes accounting for {total}, 100%" in text


def test_the_text_can_be_a_base_too(profiles):
    """The same frame has the same address in both texts."""
    raw = pprof(profiles, "-raw", "-base=before-task.1.txt", "after-task.1.txt")
    samples = raw.partition("Samples:\n")[2].partition("Locations")[0]
    # The line of main that waits is another one, too.
    assert sorted(map(int, re.findall(r"^ +(-?\d+):", samples, re.MULTILINE))) == [-1, -1, 1, 7]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def page(address):
    """Return a page of a server that is about to start."""
    ends_at = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                return answer.read().decode()
        except urllib.error.URLError:
            assert time.monotonic() < ends_at
            time.sleep(0.05)


def test_pages_of_pprof_show_the_profile(profiles):
    """``go tool pprof -http``: the table and the flame graph."""
    address = f"127.0.0.1:{free_port()}"
    server = subprocess.Popen(
        ["go", "tool", "pprof", "-symbolize=none", "-no_browser", f"-http={address}", "after-task.pb.gz"],
        cwd=profiles,
        env={**os.environ, "PPROF_TMPDIR": str(profiles)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for name in ("top", "flamegraph"):
            assert "asyncio.queues.Queue.put" in page(f"http://{address}/ui/{name}")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(10)
