"""A process that ends itself by a signal, as uvicorn does after SIGTERM: its last reports and metrics arrive."""

import signal
import time

import pytest
from otlp_receiver import OtlpReceiver
from programs import run_program
from served import line_of_leak, script, serve

UVICORN = [script("uvicorn"), "--host", "127.0.0.1", "--port", "{port}", "leaking_asgi:app"]
GUNICORN = [script("gunicorn"), "-b", "127.0.0.1:{port}", "-k", "uvicorn_worker.UvicornWorker", "leaking_asgi:app"]
# No verdict, no export and no batch before the end: what arrives was found and sent there.
SLOW = {
    "OTEL_PYTHON_CONCURRENCY_TASK_AGE": "1h",
    "OTEL_METRIC_EXPORT_INTERVAL": "3600000",
    "OTEL_BLRP_SCHEDULE_DELAY": "3600000",
    "OTEL_BSP_SCHEDULE_DELAY": "3600000",
}


@pytest.mark.parametrize("command", [UVICORN, GUNICORN], ids=["uvicorn", "gunicorn"])
def test_server_ended_by_sigterm_sends_its_last_report(tmp_path, command):
    pytest.importorskip("uvicorn_worker")
    with serve(tmp_path, command) as server:
        server.leak_in(1)
        began = time.monotonic()
        bare, bare_s = server.end(), time.monotonic() - began
    with OtlpReceiver() as receiver, serve(tmp_path, command, receiver=receiver, **SLOW) as server:
        server.leak_in(1)
        began = time.monotonic()
        assert server.end() == bare
        assert time.monotonic() - began < bare_s + 4
        assert receiver.wait_for(lambda: receiver.reports("python.asyncio.task.orphaned")), server.stderr.read_text()
        assert receiver.wait_for(lambda: receiver.points)
    [(_, attributes)] = receiver.reports("python.asyncio.task.orphaned")[0].events
    assert attributes["code.line.number"] == line_of_leak("leaking_asgi")
    assert "ended itself by a signal" in attributes["python.leak.reason"]
    assert "instrumentation/concurrency" not in server.stderr.read_text()


ENDS_ITSELF = """
import asyncio, signal, sys
held = set()
async def wait(): await asyncio.get_running_loop().create_future()
async def leak():
    for _ in range(LEAKED):
        held.add(asyncio.create_task(wait()))
async def main():
    await asyncio.create_task(leak())
    await asyncio.sleep(0.1)
    signal.raise_signal(signal.SIGTERM)
asyncio.run(main())
"""


@pytest.mark.every_python
@pytest.mark.parametrize("leaked", [40, 0])
def test_program_that_raises_sigterm_sends_its_leaks(leaked):
    with OtlpReceiver() as receiver:
        done = run_program(ENDS_ITSELF.replace("LEAKED", str(leaked)), env={**SLOW, **receiver.environ})
        assert done.returncode == -signal.SIGTERM, done.stderr
        if leaked:
            assert receiver.wait_for(lambda: receiver.logs and receiver.points)
    assert bool(receiver.logs) is bool(leaked)


def test_program_whose_backend_is_away_ends_all_the_same():
    """Within the set time, by the signal."""
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    began = time.monotonic()
    done = run_program(ENDS_ITSELF.replace("LEAKED", "40"), env={**SLOW, **nowhere})
    assert done.returncode == -signal.SIGTERM, done.stderr
    assert time.monotonic() - began < 25
    assert "could not be sent within 2 s" in done.stderr
