"""Other people's patches, broken providers, wrong use: the program behaves as without us, with one warning at most."""

import itertools
import re

import pytest
from otlp_receiver import OtlpReceiver
from programs import run_program, run_program_until
from services import OFFLINE

pytestmark = pytest.mark.every_python


FAST = {
    "OTEL_PYTHON_CONCURRENCY_TASK_AGE": "500ms",
    "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "100ms",
    "OTEL_METRIC_EXPORT_INTERVAL": "200",
}
ALONE = {**OFFLINE, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}

# Works on until what the test looks for is there, or for twenty seconds.
LEAK_AND_WORK = """
held = set()
async def wait(future): await future
async def leak():
    future = asyncio.get_running_loop().create_future()
    held.add(future)
    held.add(asyncio.create_task(wait(future)))
async def work():
    for _ in range(40):
        await asyncio.create_task(leak())
    thread = threading.Thread(target=print, args=("thread",))
    thread.start()
    thread.join()
    for _ in range(400):
        if enough():
            break
        await asyncio.sleep(0.05)
    print(await asyncio.to_thread(int, "42"))
    for task in held:
        task.cancel()
"""

PROVIDER = """
import asyncio, sys, threading
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor

class Throwing:
    def __getattr__(self, name):
        raise RuntimeError(f"no {name} for you")

class Late(Throwing):
    # Gives out what throws only when it is used.
    def get_tracer(self, *args, **options): return Throwing()
    def get_logger(self, *args, **options): return Throwing()
"""


@pytest.mark.parametrize("kind", ["Throwing", "Late"])
@pytest.mark.parametrize("signal", ["tracer_provider", "logger_provider"])
def test_throwing_provider_is_one_warning_and_no_trouble(signal, kind):
    """The reports of its sink are lost; that is counted, and the program does not notice."""
    source = f"""{PROVIDER}
ConcurrencyInstrumentor().instrument({signal}={kind}(), reports={"span" if "tracer" in signal else "log"!r})
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
def enough(): return sum(current_installation().reports_dropped().values()) >= 1
{LEAK_AND_WORK}
asyncio.run(work())
print(enough())
"""
    done = run_program(source, env={**ALONE, **FAST})
    assert done.returncode == 0, done.stderr
    assert done.stdout == "thread\n42\nTrue\n"
    assert done.stderr.count("Traceback (most recent call last)") == 1, done.stderr


@pytest.mark.parametrize("fails_at", ["get_meter", "create_histogram", "record"])
def test_raising_meter_provider_is_one_warning(fails_at):
    """Wherever it throws: the scans go on, the leak is found, the loop has no trouble."""
    source = f"""{PROVIDER}
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
class Meters:
    def __getattr__(self, name):
        def call(*args, **options):
            if name == {fails_at!r}:
                raise RuntimeError("no meters today")
            return self
        return call
logs, exporter = LoggerProvider(), InMemoryLogRecordExporter()
logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
ConcurrencyInstrumentor().instrument(meter_provider=Meters(), logger_provider=logs, reports="log")
enough = exporter.get_finished_logs
{LEAK_AND_WORK}
asyncio.run(work())
print({{record.log_record.event_name for record in exporter.get_finished_logs()}})
"""
    done = run_program(source, env={**ALONE, **FAST})
    assert done.returncode == 0, done.stderr
    assert done.stdout == "thread\n42\n{'python.asyncio.task.orphaned'}\n"
    assert done.stderr.count("Traceback (most recent call last)") == 1, done.stderr
    assert "Exception in" not in done.stderr


def test_provider_that_raises_leaves_the_other_sink():
    """Under ``auto`` the log records come all the same; each lost span is one error in the count."""
    source = f"""{PROVIDER}
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
logs, exporter = LoggerProvider(), InMemoryLogRecordExporter()
logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
ConcurrencyInstrumentor().instrument(tracer_provider=Late(), logger_provider=logs)
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
def enough(): return exporter.get_finished_logs() and current_installation().reports_dropped()
{LEAK_AND_WORK}
asyncio.run(work())
sent = len(exporter.get_finished_logs())
print(sent > 0, current_installation().reports_dropped() == {{"error": sent}})
"""
    done = run_program(source, env={**ALONE, **FAST})
    assert (done.returncode, done.stdout) == (0, "thread\n42\nTrue True\n"), done.stderr
    assert done.stderr.count("Traceback (most recent call last)") == 1, done.stderr


ORDER = """
import asyncio, threading, warnings
warnings.simplefilter("error")
from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, take_snapshot
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
before = (asyncio.create_task, asyncio.BaseEventLoop.create_task, threading.Thread.start, asyncio.gather)
ours, upstream = [ConcurrencyInstrumentor()], [AsyncioInstrumentor(), ThreadingInstrumentor()]
def instrument(them):
    for each in them: each.instrument()
def uninstrument(them):
    for each in them: each.uninstrument()
async def wait(future): await future
async def main(*expected):
    future = asyncio.get_running_loop().create_future()
    exporter.clear()
    seen = []
    with trace.get_tracer("app").start_as_current_span("request") as span:
        task = asyncio.create_task(wait(future))
        thread = threading.Thread(target=lambda: seen.append(trace.get_current_span() is span))
        thread.start()
        thread.join()
    if "ours" in expected:
        sites = {each.site.function for each in take_snapshot().tasks}
        assert "__main__.main" in sites, sites
    future.set_result(None)
    await asyncio.gather(task)
    # What upstream is for: the thread is in the span of its starter, the coroutine has a span.
    assert seen == ["upstream" in expected], seen
    names = {each.name for each in exporter.get_finished_spans()}
    assert ("asyncio coro-wait" in names) == ("upstream" in expected), names
"""


@pytest.mark.parametrize(("first_in", "first_out"), list(itertools.product(["ours", "upstream"], repeat=2)))
def test_upstream_instrumentations_work_in_every_order(first_in, first_out):
    """Put in and taken out before or after, all three work, and at the end nothing is left patched."""
    second_in, second_out = ({"ours", "upstream"} - {who} for who in (first_in, first_out))
    source = f"""{ORDER}
instrument({first_in}); instrument({second_in.pop()})
asyncio.run(main("ours", "upstream"))
uninstrument({first_out})
asyncio.run(main({next(iter(second_out))!r}))
uninstrument({second_out.pop()})
asyncio.run(main())
after = (asyncio.create_task, asyncio.BaseEventLoop.create_task, threading.Thread.start, asyncio.gather)
print([one is other for one, other in zip(before, after)])
"""
    done = run_program(source, env={**ALONE, "OTEL_PYTHON_ASYNCIO_COROUTINE_NAMES_TO_TRACE": "wait"})
    assert (done.stdout, done.stderr) == ("[True, True, True, True]\n", "")


@pytest.mark.parametrize(
    "replacement",
    [
        "asyncio.BaseEventLoop.create_task = lambda self, coro, **options: original(self, coro, **options)",
        "asyncio.BaseEventLoop.create_task = lambda self, coro, **options: asyncio.Task(coro, loop=self, **options)",
        "asyncio.create_task = lambda coro, **options: asyncio.get_running_loop().create_task(coro, **options)",
        "threading.Thread.start = lambda self: start(self)",
    ],
    ids=["wraps ours", "goes around ours", "module function", "thread"],
)
def test_application_patching_after_us_is_unaffected(replacement):
    """Whoever patches later wins; what does not come by our hook is found by the census."""
    source = f"""
import asyncio, threading
original, start = asyncio.BaseEventLoop.create_task, threading.Thread.start
{replacement}
from opentelemetry.instrumentation.concurrency import live_counts, ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
def enough():
    ours = current_installation()
    return ours is None or (ours.census.last_scan is not None and ours.census.last_scan.number > 2)
{LEAK_AND_WORK}
async def count():
    await work()
    return live_counts().tasks
print(asyncio.run(count()))
mine = asyncio.BaseEventLoop.create_task, asyncio.create_task, threading.Thread.start
ConcurrencyInstrumentor().uninstrument()
print(mine == (asyncio.BaseEventLoop.create_task, asyncio.create_task, threading.Thread.start) or "restored")
asyncio.run(count())
"""
    done = run_program(source, env={**OFFLINE, **FAST})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("thread\n42\n41\n"), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    replaces_ours = not replacement.startswith("asyncio.create_task")
    assert done.stderr.count("was replaced by other code") == replaces_ours, done.stderr


def test_wrong_use_warns_at_most_once_and_the_defaults_hold():
    source = """
import asyncio
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation as current
instrumentor = ConcurrencyInstrumentor()
instrumentor.uninstrument()
instrumentor.instrument(WRONG)
print(current()._settings.task_age)
instrumentor.instrument()
instrumentor.uninstrument()
instrumentor.uninstrument()
print(current(), hasattr(asyncio.BaseEventLoop.create_task, "__wrapped__"))
"""
    for wrong, named in (
        ("declarative=5", "got 5"),
        ("declarative=['task_age']", "declarative"),
        ("task_age='soon'", "soon"),
        ("task_age=object()", "task_age"),
        ("tsak_age=3", "tsak_age"),
    ):
        done = run_program(source.replace("WRONG", wrong), env=ALONE)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "60.0\nNone False\n", wrong
        warnings = [line for line in done.stderr.splitlines() if named in line]
        assert len(warnings) == 1, done.stderr
        assert "Traceback" not in done.stderr


# When an automatic collection comes depends on every allocation of the process; what it finds does not.
MESSAGES = """
import asyncio, gc, sys
gc.disable()
async def wait(): await asyncio.get_running_loop().create_future()
async def fail(): raise ValueError("never retrieved")
async def never(): pass
async def main():
    asyncio.create_task(wait(), name="left alone")
    task = asyncio.create_task(fail(), name="failed")
    await asyncio.sleep(0)
    del task
    gc.collect()
    never()
    asyncio.create_task(wait(), name="left at the end")
    await asyncio.sleep(0)
asyncio.run(main(), debug=DEBUG)
loop = asyncio.new_event_loop()
left = loop.create_task(wait(), name="closed under")
loop.run_until_complete(asyncio.sleep(0))
loop.close()
del left, loop
gc.collect()
"""


@pytest.mark.parametrize("debug", [False, True])
def test_python_says_the_same_with_us_and_without(debug):
    """Destroyed while pending, never awaited, never retrieved: every message comes, at the same line, as often."""
    said = []
    for disabled in ("true", "false"):
        env = {**ALONE, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "asyncio,threading,logging"}
        done = run_program(
            MESSAGES.replace("DEBUG", str(debug)), env={**env, "OTEL_PYTHON_CONCURRENCY_DISABLED": disabled}
        )
        assert done.returncode == 0
        # How long a callback took, debug mode says of whatever the machine was busy with.
        lines = [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]
        said.append(re.sub(r"0x[0-9a-f]+", "0x", "\n".join(lines)))
    bare, instrumented = said
    assert "destroyed but it is pending" in bare and "never awaited" in bare and "never retrieved" in bare
    assert instrumented == bare


EXACT = """
import asyncio, os
async def one(): await asyncio.sleep(0)
async def burst(number):
    for _ in range(number):
        await asyncio.create_task(one())
async def wait(future): await future
async def main():
    loop = asyncio.get_running_loop()
    kept = []
    for number in (10, 100, 1000):
        await burst(number)
        for _ in range(number // 10):
            future = loop.create_future()
            kept += [future, asyncio.create_task(wait(future))]
        await asyncio.sleep(0.5)
    while not os.path.exists(SEEN):
        await asyncio.sleep(0.1)
asyncio.run(main())
"""


def live_in_main(receiver):
    return [
        point.value
        for point in receiver.points
        if point.name == "python.asyncio.task.count" and point.attributes["code.function.name"] == "__main__.main"
    ]


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_counts_are_exact_in_both_temporalities(temporality, tmp_path):
    """An independent count: 1,110 short tasks and 111 that stay, seen over several exports."""
    env = {**FAST, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": temporality}
    with OtlpReceiver() as receiver:
        env |= receiver.environ
        done = run_program_until(lambda: 111 in live_in_main(receiver), EXACT, tmp_path / "seen", env=env)
        assert done.returncode == 0, done.stderr
    created = [point for point in receiver.points if point.name == "python.asyncio.task.created"]
    assert {point.temporality for point in created} == {1 if temporality == "delta" else 2}
    whole = sum if temporality == "delta" else max

    def created_at(site):
        return whole([point.value for point in created if point.attributes["code.function.name"] == site] or [0])

    # A site has a series of its own from the scan on that saw one of its tasks; earlier creations stay in `_OTHER`. The
    # last two are created by `asyncio.run`, to shut down asynchronous generators and the default executor.
    assert created_at("__main__.main") == 111
    assert created_at("_OTHER") + created_at("__main__.burst") == 1110 + 2
    # An up-down counter is cumulative under both preferences, as the specification says.
    assert max(live_in_main(receiver)) == 111


def test_healthy_twin_has_no_orphan_after_ten_thousand_requests():
    """With workers whose starters have ended, and a default executor; the age limit is passed many times over."""
    source = """
import asyncio
from shop import search

async def handle():
    await search.query_fixed()

async def main():
    workers = [search.Worker("stock"), search.Worker("mail")]
    await asyncio.gather(*(worker.start() for worker in workers))
    await asyncio.to_thread(int)
    places = asyncio.Semaphore(200)
    async def request():
        async with places:
            await handle()
    loop = asyncio.get_running_loop()
    for _ in range(20):
        await asyncio.gather(*(request() for _ in range(500)))
    await asyncio.sleep(2)
    return workers
asyncio.run(main())
"""
    with OtlpReceiver() as receiver:
        done = run_program(source, env={**FAST, **receiver.environ, "PYTHONPATH": "examples"})
        assert done.returncode == 0, done.stderr
    assert not receiver.logs and not receiver.reports("python.asyncio.task.orphaned")
    orphans = [point for point in receiver.points if point.name.endswith("orphan.count")]
    assert orphans and {point.value for point in orphans} == {0}
    created = [point.value for point in receiver.points if point.name == "python.asyncio.task.created"]
    assert max(created) >= 10_000
