"""A hundred thousand garbage requests to the debug endpoint of a service that works meanwhile: is anything the worse?

Eight clients send half requests, endless headers, wild queries and random bytes; the service finishes a task every few
milliseconds and leaks 40. Printed: how the endpoint answered, how often the service's own loop turned in a second
before, meanwhile and after, and its memory. Exit status 1 if the endpoint or the service did not come out as it went
in. The number of requests may be given as argument.
"""

import json
import random
import re
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from debug_endpoint import free_port, garbage, get, service, throw, wait_for

REQUESTS, CLIENTS = 100_000, 8
STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d\d\d [ \w-]+)\r\n")
SERVICE = """
import asyncio, threading
held = set()
async def wait_for_ever():
    await asyncio.get_running_loop().create_future()
async def handle():
    held.add(asyncio.create_task(wait_for_ever()))
async def main():
    for _ in range(40):
        await asyncio.create_task(handle())
    print("READY", flush=True)
    while True:
        await asyncio.create_task(asyncio.sleep(0.005))
asyncio.run(main())
"""


def turns(base):
    """Return how many tasks the service has started for itself, and how many it has leaked."""
    sites = json.loads(get(f"{base}/concurrency/overview.json")[2])["sites"]
    by_function = {site["function"]: site for site in sites if site["kind"] == "task"}
    return by_function["__main__.main"]["created"], by_function["__main__.handle"]["live"]


def per_second(base, during):
    """Return the service's turns in a second while ``during`` runs."""
    began, before = time.perf_counter(), turns(base)[0]
    during()
    return (turns(base)[0] - before) / (time.perf_counter() - began)


def memory(process):
    """Return the resident memory of a process in MB."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return float("nan")
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmRSS"))


def attack(base, number):
    """Send garbage from several clients at once and count the answers by their first words."""

    def client(seed):
        dice, answers = random.Random(seed), Counter()
        for _ in range(number // CLIENTS):
            try:
                answer = throw(base, garbage(dice))
            except OSError as error:
                answers[type(error).__name__] += 1
                continue
            status = STATUS_LINE.match(answer)
            answers[status[1].decode() if status else "something else" if answer else "closed without an answer"] += 1
        return answers

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(client, range(CLIENTS)), Counter())


def main(number):
    port = free_port()
    base, answers = f"http://127.0.0.1:{port}/debug", Counter()
    with service(SERVICE, debug_address=f"127.0.0.1:{port}") as process:
        wait_for(lambda: turns(base)[1] == 40)
        attack(base, 2_000)
        held, quiet = memory(process), per_second(base, lambda: time.sleep(5))
        busy = per_second(base, lambda: answers.update(attack(base, number)))
        after, leaked = per_second(base, lambda: time.sleep(5)), turns(base)[1]
        print(f"{sum(answers.values()):,} garbage requests from {CLIENTS} clients; the endpoint answered")
        for answer, count in answers.most_common():
            print(f"{count:>9,}  {answer}")
        print(f"the service turned {quiet:.0f} times a second before, {busy:.0f} meanwhile, {after:.0f} after")
        print(f"its memory: {held:.0f} MB before, {memory(process):.0f} MB after; its leaked tasks: {leaked} of 40")
        well = process.poll() is None and leaked == 40 and after > quiet / 2
        well = well and get(f"{base}/pprof/task?debug=1")[0] == 200
    print("the endpoint still answers and the service works as before" if well else "SOMETHING IS THE WORSE")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1].replace("_", "")) if sys.argv[1:] else REQUESTS))
