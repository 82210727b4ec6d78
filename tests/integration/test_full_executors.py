"""The default executor of a loop, full of calls that never return, in ``stats``; and its healthy twin."""

import json
import time

from services import service

QUEUED = 298

SERVICE = f"""
import asyncio, threading
from concurrent.futures import ThreadPoolExecutor

gate = threading.Event()

def make_twin():
    return ThreadPoolExecutor(2)

async def main():
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(4))
    calls = [asyncio.create_task(asyncio.to_thread(gate.wait)) for _ in range({QUEUED} + 4)]
    twin = make_twin()
    await asyncio.gather(*(loop.run_in_executor(twin, int) for _ in range(300)))
    print("ready", flush=True)
    await asyncio.sleep(3600)

try:
    asyncio.run(main())
finally:
    gate.set()
"""


def executors_of(shop):
    (facts,) = json.loads(shop.command("stats", shop.pid, "--interval", "200ms", "--json").stdout)
    return {each["function"].rpartition(".")[2]: each for each in facts["executors"]}


def waited_s(executors):
    return executors.get("main", {}).get("oldest_queued_s") or 0


def test_stats_show_the_queue_of_a_full_executor(tmp_path):
    with service(tmp_path, SERVICE) as shop:
        # The first scan that sees a queued call begins its age; under load it is late.
        deadline = time.monotonic() + 30
        while waited_s(found := executors_of(shop)) <= 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        full, twin = found["main"], found["make_twin"]
        assert (full["busy"], full["idle"], full["limit"], full["queued"]) == (4, 0, 4, QUEUED)
        assert 1 < full["oldest_queued_s"] < 60
        assert (twin["busy"], twin["queued"], twin["oldest_queued_s"]) == (0, 0, 0)
        text = shop.command("stats", shop.pid, "--interval", "200ms").stdout
    line = next(line for line in text.partition("executors:")[2].splitlines() if "__main__.main" in line)
    assert line.split()[:3] == ["4", "4", str(QUEUED)]
