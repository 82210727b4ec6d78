"""The main job, as users run it: a leaking program under opentelemetry-instrument, read back from a real receiver."""

import json

import pytest
from otlp_receiver import OtlpReceiver
from programs import run_program
from services import OFFLINE

pytestmark = pytest.mark.every_python

FAST = {
    "OTEL_METRIC_EXPORT_INTERVAL": "300",
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "OTEL_BLRP_SCHEDULE_DELAY": "100",
    "OTEL_PYTHON_CONCURRENCY_TASK_AGE": "1s",
    "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "200ms",
}


LEAK = """
import asyncio
from opentelemetry import trace
held = set()
tracer = trace.get_tracer("app")

async def wait_for_ever():
    future = asyncio.get_running_loop().create_future()
    held.add(future)  # somebody could wake it: a leak all the same, and no proof
    await future

async def handle(number):
    with tracer.start_as_current_span(f"GET /{number % 3}", kind=trace.SpanKind.SERVER):
        task = asyncio.create_task(wait_for_ever())
        held.add(task)

async def worker():
    await wait_for_ever()

async def start():
    held.add(asyncio.create_task(worker()))

async def main():
    await asyncio.gather(start(), start())
    await asyncio.to_thread(int)
    await asyncio.gather(*(handle(number) for number in range(50)))
    await asyncio.sleep(SECONDS)

asyncio.run(main())
"""


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_leak_arrives_at_a_receiver_as_one_report(protocol):
    """Counts by line, one report of all fifty in both sinks, linked to a request; the workers are residents."""
    with OtlpReceiver(protocol) as receiver:
        done = run_program(LEAK.replace("SECONDS", "5"), env={**FAST, **receiver.environ})
        assert done.returncode == 0, done.stderr
        assert receiver.wait_for(lambda: receiver.reports("python.asyncio.task.orphaned"), 10)

    live = [p for p in receiver.points if p.name == "python.asyncio.task.count"]
    assert {(p.unit, p.kind, p.monotonic, p.scope) for p in live} == {
        ("{task}", "sum", False, "opentelemetry.instrumentation.concurrency")
    }
    leaking = [p for p in live if p.attributes["code.function.name"] == "__main__.handle"]
    assert max(p.value for p in leaking) == 50
    assert leaking[0].attributes["code.line.number"] == 14
    assert leaking[0].attributes["python.asyncio.task.coroutine"] == "__main__.wait_for_ever"
    orphans = [p for p in receiver.points if p.name == "python.asyncio.task.orphan.count"]
    assert max(p.value for p in orphans if p.attributes["code.function.name"] == "__main__.handle") == 50
    assert {p.value for p in orphans if p.attributes["code.function.name"] != "__main__.handle"} == {0}

    (report,) = receiver.reports("python.asyncio.task.orphaned")
    requests = {(span.trace_id, span.span_id) for span in receiver.spans if span.name.startswith("GET /")}
    assert report.parent == "" and len(report.links) == 8 and set(report.links) <= requests
    ((name, event),) = report.events
    assert name == "python.asyncio.task.orphaned"
    assert event["python.leak.count"] == 50
    assert event["python.asyncio.task.coroutine"] == report.attributes["python.asyncio.task.coroutine"]
    assert event["python.leak.verdict"] == "orphaned"
    assert event["python.leak.waiting_at"].startswith("__main__.wait_for_ever (")
    assert "wait_for_ever" in event["code.stacktrace"]
    assert "in __main__.handle" in event["python.leak.creation_stacktrace"]
    assert event["python.leak.creator.span_name"].startswith("GET /")
    (log,) = [log for log in receiver.logs if log.event_name == "python.asyncio.task.orphaned"]
    assert log.severity == 13
    assert log.trace_id == report.links[0][0]
    assert log.attributes == {**event, "otel.event.name": name}


def test_spans_are_dropped_by_the_sampler_and_counted():
    """With a sampler that keeps nothing, the log record still comes, and the lost span is counted."""
    with OtlpReceiver() as receiver:
        env = {**FAST, **receiver.environ, "OTEL_TRACES_SAMPLER": "always_off"}
        run_program(LEAK.replace("SECONDS", "5"), env=env)
    assert not receiver.spans
    assert receiver.last("python.concurrency.report.dropped", python__leak__drop_reason="sampler") == 1
    assert [log for log in receiver.logs if log.event_name == "python.asyncio.task.orphaned"]


LOOK_AGAIN = """
# A scan between the end of main and the end of the process, which else comes only sometimes.
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
held.clear()
current_installation().census.scan()
current_installation().census.scan()
"""


def test_leak_that_ends_with_main_is_not_resolved():
    """asyncio.run cancels what leaked: nobody mended it, whenever the next scan comes."""
    with OtlpReceiver() as receiver:
        env = {**FAST, **receiver.environ, "OTEL_TRACES_SAMPLER": "always_off"}
        done = run_program(LEAK.replace("SECONDS", "5") + LOOK_AGAIN, env=env)
        assert done.returncode == 0, done.stderr
    assert [log.event_name for log in receiver.logs] == ["python.asyncio.task.orphaned"]
    assert receiver.last("python.concurrency.report.dropped", python__leak__drop_reason="sampler") == 1


def test_program_runs_as_before_when_the_backend_is_down():
    """An exporter that reaches nobody costs nothing but its own messages."""
    env = {**FAST, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    done = run_program("print('fine')", env={**env, "OTEL_EXPORTER_OTLP_TIMEOUT": "1"})
    assert (done.returncode, done.stdout) == (0, "fine\n")


IS_PATCHED = "import asyncio; print(hasattr(asyncio.BaseEventLoop.create_task, '__wrapped__'))"


@pytest.mark.parametrize(
    ("env", "patched"),
    [
        ({}, "True"),
        ({"OTEL_PYTHON_CONCURRENCY_DISABLED": "true"}, "False"),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "concurrency"}, "False"),
    ],
)
def test_it_is_on_by_default_and_can_be_turned_off(env, patched):
    """opentelemetry-instrument loads us with no option set; two variables turn us off."""
    assert run_program(IS_PATCHED, env={**OFFLINE, **env}).stdout.strip() == patched


def test_configuration_file_sets_and_unknown_keys_warn(tmp_path):
    """A bare number in the file is milliseconds; one unknown key costs one warning and nothing else."""
    file = tmp_path / "otel.json"
    options = {"task_age": 1500, "thread_age": "7s", "tsak_age": 3}
    file.write_text(
        json.dumps({"file_format": "1.0", "instrumentation/development": {"python": {"concurrency": options}}})
    )
    done = run_program(
        "from opentelemetry.instrumentation.concurrency.instrumentor import current_installation as current\n"
        "settings = current()._settings; print(settings.task_age, settings.thread_age)",
        env={"OTEL_CONFIG_FILE": str(file)},
    )
    assert done.stdout.strip() == "1.5 7.0", done.stderr
    assert done.stderr.count("tsak_age") == 1


def test_forked_child_starts_empty_and_counts_for_itself():
    """The child forgets the parent's tasks, does not hang, and finds its own leak."""
    done = run_program(
        """
import asyncio, os, warnings
from opentelemetry.instrumentation.concurrency import live_counts, take_snapshot
warnings.simplefilter("error")
held = set()
async def leak(): held.add(asyncio.create_task(asyncio.sleep(60)))
async def main():
    await leak()
    await asyncio.sleep(0.5)
asyncio.run(main())
pid = os.fork()
if pid == 0:
    held.clear()
    asyncio.run(main())
    tasks = [task for task in take_snapshot().tasks]
    os._exit(len(tasks))
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
""",
        env={**OFFLINE, **FAST},
    )
    assert done.stdout.strip() == "0", done.stderr
    assert "Warning" not in done.stderr


def test_loop_closed_with_pending_tasks_is_harmless():
    """A program that ends badly ends as without us."""
    done = run_program(
        """
import asyncio
async def wait(): await asyncio.get_running_loop().create_future()
loop = asyncio.new_event_loop()
task = loop.create_task(wait())
loop.run_until_complete(asyncio.sleep(0))
loop.close()
print("end")
""",
        env={**OFFLINE, **FAST},
    )
    assert (done.returncode, done.stdout) == (0, "end\n")
