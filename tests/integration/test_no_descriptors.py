"""A process that has run out of file descriptors for a while: what listens goes on, scans and proofs do their work."""

import sys

import pytest
from programs import run_program
from services import OFFLINE

pytestmark = [
    pytest.mark.every_python,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="descriptors are limited and counted otherwise"),
]
ENV = {**OFFLINE, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}

LISTENING = """
import http.client, os, resource, socket, sys, time, threading
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
ConcurrencyInstrumentor().instrument(debug_address="127.0.0.1:0", agent_dir=AGENTS, scan_interval=0.05)
thread = threading.Thread(target=int); thread.start(); thread.join()
installation = current_installation()
port = int(installation._debug_server.address.split(":")[2].split("/")[0])
while installation._agent._agent is None or not installation._agent._agent.path:
    time.sleep(0.01)
agent = installation._agent._agent.path

def status():
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/debug/pprof/thread?debug=1")
    reply = connection.getresponse()
    reply.read()
    connection.close()
    return reply.status

def asked():
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(agent)
        client.sendall(b'{"no": "request"}\\n')
        return bool(client.recv(1))

print(status(), asked(), flush=True)
clients = [socket.socket(), socket.socket(socket.AF_UNIX)]
held = []
try:
    while True:
        held.append(os.dup(0))
except OSError:
    pass
clients[0].connect(("127.0.0.1", port))
clients[1].connect(agent)
time.sleep(1)
for each in held: os.close(each)
for each in clients: each.close()
print(status(), asked(), flush=True)
"""


def test_debug_server_and_agent_out_of_descriptors_go_on(tmp_path):
    """With a log line, not one per attempt."""
    done = run_program(LISTENING.replace("AGENTS", repr(str(tmp_path / "agents"))), env=ENV)
    assert done.stdout == "200 True\n200 True\n", done.stderr
    assert done.stderr.count("could not accept a connection; it continues") in (1, 2), done.stderr


PROVING = """
import asyncio, os, resource
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
logs, exporter = LoggerProvider(), InMemoryLogRecordExporter()
logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
ConcurrencyInstrumentor().instrument(
    logger_provider=logs, reports="log", agent_disabled=True, task_age=0.2, scan_interval=3600, resident_limit=0)
held = set()

async def wait(): await asyncio.get_running_loop().create_future()
async def leak(): held.add(asyncio.create_task(wait()))

async def main():
    census, taken = current_installation().census, []
    await asyncio.create_task(leak())
    census.scan()
    await asyncio.sleep(0.5)
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        pass
    for _ in range(4):
        census.scan()
        await asyncio.sleep(0.05)
    for each in taken: os.close(each)
    proof = current_installation().diagnosis.memory.of(census.tasks).proof
    print(bool(proof[-1]), current_installation().hook_failures())
    census.scan()
    print(sorted({each.log_record.attributes["python.leak.verdict"] for each in exporter.get_finished_logs()}))
asyncio.run(main())
"""


def test_proof_without_descriptors_keeps_its_report_due():
    """No scan fails; a report for which a module must be imported is made when that can be."""
    done = run_program(PROVING, env=ENV)
    proven, verdicts = done.stdout.splitlines()
    assert proven == "True 0", done.stderr
    assert "unwakeable" in verdicts, done.stderr
