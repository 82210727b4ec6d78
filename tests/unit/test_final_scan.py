"""The scans before an end destroy nothing of the application, and what they find goes out within a set time."""

import gc
import signal
import subprocess
import sys
import threading
import time

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.record.garbage_collection import collector_off
from opentelemetry.instrumentation.concurrency.report.flush import flush_providers

# Only cycles hold the workers when main has returned; what a collection of ours destroys ends without its `finally`.
HELD_BY_MAIN_ALONE = """
import asyncio, sys
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, live_counts

ended = 0

async def work():
    global ended
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await asyncio.sleep(0)
        ended += 1

async def main(count):
    workers = [asyncio.create_task(work()) for _ in range(count)]
    await asyncio.sleep(0)

def run_by_hand(count):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main(count))
    BETWEEN
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.close()

ConcurrencyInstrumentor().instrument(agent_disabled=True, scan_interval=3600, reports="none")
lost = {}
for count in range(300, 1500, 23):
    ended = 0
    RUN
    if ended != count:
        lost[count] = count - ended
print(lost)
"""


@pytest.mark.parametrize(
    ("run", "between"),
    [
        ("asyncio.run(main(count))", ""),
        ("run_by_hand(count)", "live_counts()"),
        ("run_by_hand(count)", "ConcurrencyInstrumentor().uninstrument()"),
    ],
    ids=["asyncio.run", "live_counts", "uninstrument"],
)
def test_final_scan_of_tasks_in_cycles_destroys_none(run, between):
    """Forty-odd numbers of tasks: where a collection would come depends on it."""
    program = HELD_BY_MAIN_ALONE.replace("RUN", run).replace("BETWEEN", between or "pass")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "{}\n", done.stderr


@pytest.mark.parametrize("was_on", [True, False])
def test_collector_off_restores_the_previous_state(was_on):
    try:
        (gc.enable if was_on else gc.disable)()
        with pytest.raises(KeyError), collector_off():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() is was_on
    finally:
        gc.enable()


class Provider:
    """A provider whose flush waits, fails or ends."""

    def __init__(self, flush):
        self.force_flush = flush


def test_flush_of_a_provider_that_hangs_ends_in_time(caplog):
    release, flushed = threading.Event(), []
    providers = [Provider(lambda _: release.wait()), Provider(flushed.append), object()]
    began = time.monotonic()
    assert flush_providers(providers, 0.2) is False
    assert time.monotonic() - began < 5
    assert flushed == [200]
    assert "could not be sent within" in caplog.text
    release.set()


def test_flush_of_a_provider_that_fails_is_logged(caplog):
    def fail(_limit_ms):
        raise OSError("no route")

    assert flush_providers([Provider(fail)], 5) is True
    assert "failed to flush" in caplog.text


def test_raise_signal_after_uninstrument_is_the_original():
    before = signal.raise_signal
    ConcurrencyInstrumentor().instrument(agent_disabled=True)
    import asyncio  # noqa: F401  # the hook comes with it

    assert signal.raise_signal.__name__ == before.__name__
    ConcurrencyInstrumentor().uninstrument()
    assert signal.raise_signal is before


def test_raise_signal_with_a_handler_scans_nothing(monkeypatch):
    """The handler decides what happens; the process may go on."""
    from opentelemetry.instrumentation.concurrency.instrumentor import current_installation

    received = []
    old = signal.signal(signal.SIGTERM, lambda number, _frame: received.append(number))
    ConcurrencyInstrumentor().instrument(agent_disabled=True)
    try:
        census = current_installation().census
        monkeypatch.setattr(census, "scan", lambda **_: pytest.fail("scanned"))
        signal.raise_signal(signal.SIGTERM)
        assert received == [signal.SIGTERM]
    finally:
        ConcurrencyInstrumentor().uninstrument()
        signal.signal(signal.SIGTERM, old)
