"""Verdicts as they arrive at a real receiver: proofs, what was left at exit, blocked loops, growth."""

import pytest
from otlp_receiver import OtlpReceiver
from programs import run_program, run_program_until

pytestmark = pytest.mark.every_python

FAST = {
    "OTEL_METRIC_EXPORT_INTERVAL": "300",
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "OTEL_BLRP_SCHEDULE_DELAY": "100",
    "OTEL_PYTHON_CONCURRENCY_TASK_AGE": "1s",
    "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "200ms",
    "OTEL_PYTHON_CONCURRENCY_PROOF_INTERVAL": "1s",
    "OTEL_PYTHON_CONCURRENCY_REPORTS": "log",
}

DEADLOCK = """
import asyncio, os

async def follow(tasks, number):
    await tasks[1 - number]

async def main():
    tasks = {}
    for number in range(2):
        tasks[number] = asyncio.create_task(follow(tasks, number))
    while not os.path.exists(SEEN):
        await asyncio.sleep(0.05)

loop = asyncio.new_event_loop()
loop.run_until_complete(main())
"""

LEFT_AT_EXIT = """
import asyncio

async def wait():
    await asyncio.get_running_loop().create_future()

async def main():
    tasks = [asyncio.create_task(wait()) for _ in range(40)]
    await asyncio.sleep(0.3)
    HEALED

asyncio.run(main())
"""

GROWING = """
import asyncio
kept = []

async def wait(future):
    await future

async def serve():
    loop = asyncio.get_running_loop()
    for _ in range(40):
        kept.append(loop.create_future())
        kept.append(asyncio.create_task(wait(kept[-1])))
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)

asyncio.run(serve())
"""


def events(receiver, verdict):
    return [log.attributes for log in receiver.logs if log.attributes.get("python.leak.verdict") == verdict]


def series(receiver, verdict):
    name = "python.asyncio.task.orphan.count"
    return [p for p in receiver.points if p.name == name and p.attributes.get("python.leak.verdict") == verdict]


def test_deadlock_arrives_as_report_and_series(tmp_path):
    with OtlpReceiver() as receiver:

        def arrived():
            return events(receiver, "unwakeable") and max((p.value for p in series(receiver, "unwakeable")), default=0)

        done = run_program_until(arrived, DEADLOCK, tmp_path / "seen", env={**FAST, **receiver.environ})
        assert done.returncode == 0, done.stderr

    ((report),) = events(receiver, "unwakeable")
    assert report["python.leak.count"] == 2
    assert "await each other in a cycle" in report["python.leak.reason"]
    assert "in __main__.follow" in report["code.stacktrace"]
    assert max(p.value for p in series(receiver, "unwakeable")) == 2
    assert {p.value for p in series(receiver, "orphaned")} <= {0}


def test_task_cancelled_by_asyncio_run_is_reported_at_exit():
    with OtlpReceiver() as receiver:
        leaking = run_program(LEFT_AT_EXIT.replace("HEALED", ""), env={**FAST, **receiver.environ})
        assert leaking.returncode == 0, leaking.stderr
        receiver.wait_for(lambda: events(receiver, "orphaned"), 10)

    ((report),) = events(receiver, "orphaned")
    assert report["python.leak.count"] == 40
    assert "asyncio.run had to cancel it" in report["python.leak.reason"]


def test_tasks_that_main_cancels_itself_are_no_news_at_exit():
    heal = "[task.cancel() for task in tasks]; await asyncio.gather(*tasks, return_exceptions=True)"
    with OtlpReceiver() as receiver:
        healthy = run_program(LEFT_AT_EXIT.replace("HEALED", heal), env={**FAST, **receiver.environ})
        assert healthy.returncode == 0, healthy.stderr
        assert receiver.wait_for(lambda: receiver.points, 10)
    assert receiver.logs == []


def test_growing_line_arrives_as_suspicion_and_as_metric():
    settings = {
        "OTEL_PYTHON_CONCURRENCY_GROWTH_WINDOW": "500ms",
        "OTEL_PYTHON_CONCURRENCY_GROWTH_SCANS": "3",
        "OTEL_PYTHON_CONCURRENCY_GROWTH_MIN": "10",
        "OTEL_PYTHON_CONCURRENCY_TASK_AGE": "10m",
    }
    with OtlpReceiver() as receiver:
        done = run_program(GROWING, env={**FAST, **settings, **receiver.environ})
        assert done.returncode == 0, done.stderr
        receiver.wait_for(lambda: events(receiver, "growing"), 10)

    report, *_ = events(receiver, "growing")
    assert "never fell" in report["python.leak.reason"]
    assert max(p.value for p in receiver.points if p.name == "python.leak.suspect.count") == 1
