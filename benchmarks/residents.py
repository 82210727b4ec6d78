"""The resident rule over simulated days: which healthy pools are accused, and how soon leaks are found.

Every shape is a service with real tasks, watched by the real census and diagnosis at default settings. Only the clock
is simulated; a scan is made every simulated minute, or every ten while nothing changes. Tasks are started by requests
that end, so that nothing but the resident rule keeps them from a verdict. Each shape runs once for each number of rises
from which a site recurs (`residents.RISES`). Fails if, at the number in force, a healthy shape is accused or a leak is
found too late.
"""

import argparse
import asyncio
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from corpus.park import SimulatedTime
from corpus.runner import instrumented

from opentelemetry.instrumentation.concurrency.diagnose.ownership import residents
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation

SCAN_S = 60.0
"""Seconds between two scans in the five minutes after a change; `QUIET_S` is between later ones."""
QUIET_S = 600.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
NUMBERS = (2, 3, 4, 5, 8)
IN_FORCE = residents.RISES

Change = tuple[float, int, int]
"""When, how many tasks start, and how many of the oldest end."""


class Service:
    """A service whose tasks come and go as a shape says."""

    def __init__(self) -> None:
        self.clock = SimulatedTime()
        self.stops: list[asyncio.Event] = []
        self.tasks: set[asyncio.Task[bool]] = set()

    async def change(self, starts: int, ends: int) -> None:
        await asyncio.gather(*(asyncio.create_task(self.request()) for _ in range(starts)))
        for _ in range(ends):
            self.stops.pop(0).set()
        for _ in range(3 if ends else 0):
            await asyncio.sleep(0)

    async def request(self) -> None:
        stop = asyncio.Event()
        self.stops.append(stop)
        task = asyncio.create_task(stop.wait())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def accused_at(self, changes: Iterator[Change], until: float) -> float:
        """Return when anything is accused, in simulated seconds; infinity if nothing is."""
        installation, now, changed_at = current_installation(), 0.0, 0.0
        coming = next(changes, None)
        while now < until:
            pause = SCAN_S if now - changed_at < 5 * MINUTE else QUIET_S
            due = min(now + pause, coming[0] if coming is not None else math.inf)
            self.clock.jump(max(0.0, due - now))
            now = max(due, now)
            if coming is not None and coming[0] <= now:
                await self.change(coming[1], coming[2])
                changed_at = now
                coming = next(changes, None)
                if coming is None or coming[0] - now < 1:
                    continue
            installation.census.scan()
            if installation.live.diagnosed.orphans or installation.diagnosed.suspects:
                return now
        return math.inf


def run(changes: Iterator[Change], until: float, rises: int) -> float:
    service = Service()
    # Nothing is proven here: all that these tasks wait for is held.
    settings = {"scan_interval": QUIET_S, "proof_interval": 0}
    with mock.patch.object(residents, "RISES", rises), instrumented(service.clock, settings):
        # Scans pause so that the application can run; here it waits for them.
        current_installation().census._pause = lambda: None

        async def serve() -> float:
            at = await service.accused_at(changes, until)
            for task in service.tasks:
                task.cancel()
            return at

        return asyncio.run(serve())


def at_times(*changes: Change) -> Iterator[Change]:
    return iter(changes)


def pool_by_records(size: int, mean: float, seed: int, days: float) -> Iterator[Change]:
    """A pool grows to the highest number of requests at once, which is Poisson's, drawn anew every minute."""
    dice, opened, now = random.Random(seed), 0, 0.0
    while now < days * DAY and opened < size:
        now += MINUTE
        drawn, limit = 0, math.exp(-mean)
        product = dice.random()
        while product > limit:
            drawn, product = drawn + 1, product * dice.random()
        if drawn > opened:
            yield now, min(drawn, size) - opened, 0
            opened = min(drawn, size)


def tenants(count: int, each: float, seed: int, days: float) -> Iterator[Change]:
    """Every tenant has a worker from its first request on; requests of all tenants come at random."""
    dice = random.Random(seed)
    return ((at, 1, 0) for at in sorted(dice.expovariate(1 / each) for _ in range(count)) if at < days * DAY)


def reconnects(shards: int, every: float, seed: int, days: float) -> Iterator[Change]:
    """Each shard reconnects now and then, and all at once every day: the new one starts before the old one ends."""
    dice = random.Random(seed)
    yield MINUTE, shards, 0
    now, storm = MINUTE, DAY
    while now < days * DAY:
        now += dice.expovariate(shards / every)
        if now >= storm:
            yield storm, shards, 0
            yield storm + 30, 0, shards
            now, storm = storm + 60, storm + DAY
        yield now, 1, 0
        yield now + 30, 0, 1
        now += 30


def autoscaled(low: int, high: int, step: int, pause: float, days: float) -> Iterator[Change]:
    """Shards are added every morning, ``step`` after each ``pause``, and taken away in the evening."""
    yield MINUTE, low, 0
    for day in range(int(days)):
        now = day * DAY + 8 * HOUR
        for _ in range((high - low) // step):
            yield now, step, 0
            now += pause
        yield day * DAY + 20 * HOUR, 0, (high - low) // step * step


def restarts(workers: int, every: float, days: float) -> Iterator[Change]:
    """A deployment starts all workers anew, the new ones first."""
    yield MINUTE, workers, 0
    now = every
    while now < days * DAY:
        yield now, workers, 0
        yield now + 45, 0, workers
        now += every


KNOWN = {"12 tenants, found within hours": "like a leak of six an hour, for the first ten of them"}
"""Healthy shapes that are accused, and why."""


def healthy(days: float) -> Iterator[tuple[str, Callable[[], Iterator[Change]]]]:
    yield "pool of 5: one at the start, four in a rush", lambda: at_times((5, 1, 0), (77, 4, 0))
    yield "pool of 15: rushes in hours 1, 9 and 48", lambda: at_times((HOUR, 5, 0), (9 * HOUR, 5, 0), (2 * DAY, 5, 0))
    for mean in (0.5, 2.0):
        yield (
            f"pool that grows to the load, {mean:g} at once",
            lambda mean=mean: pool_by_records(10, mean, 5, days),
        )
    yield "12 tenants, found within hours", lambda: tenants(12, 2 * HOUR, 7, days)
    yield "18 tenants, found within days", lambda: tenants(18, 2 * DAY, 9, days)
    yield "8 shards reconnect every 2 h, all daily", lambda: reconnects(8, 2 * HOUR, 11, days)
    yield "3 shards reconnect every 10 min", lambda: reconnects(3, 10 * MINUTE, 13, min(days, 2))
    yield "autoscaled 4 to 8, two each 20 min", lambda: autoscaled(4, 8, 2, 20 * MINUTE, days)
    yield "autoscaled 4 to 16, four each 30 min", lambda: autoscaled(4, 16, 4, 30 * MINUTE, days)
    yield "autoscaled up by one every 6 h to 16", lambda: ((6 * HOUR * n, 1, 0) for n in range(1, 17))
    yield "6 workers, deployed every 6 h", lambda: restarts(6, 6 * HOUR, days)
    yield "9 workers, reloaded every 10 min", lambda: restarts(9, 10 * MINUTE, min(days, 3))


def leak(every: float, begin: float, size: int = 1) -> Iterator[Change]:
    now = begin
    while True:
        yield now, size, 0
        now += every


def leaks() -> Iterator[tuple[str, float, float, Callable[[], Iterator[Change]]]]:
    """Yield name, when it begins, allowed delay, and the changes."""
    for begin, since in ((MINUTE, "from minute 1"), (10 * HOUR, "from hour 10")):
        for every, size, name, allowed in (
            (1.0, 1, "1 a second", 10 * MINUTE),
            (9.0, 1, "1 every 9 s", 15 * MINUTE),
            (60.0, 1, "1 a minute", 15 * MINUTE),
            (180.0, 1, "20 an hour", 30 * MINUTE),
            (1800.0, 1, "2 an hour", 3 * HOUR),
            (1800.0, 5, "5 at once, every 30 min", 3 * HOUR),
            (3 * HOUR, 10, "10 at once, every 3 h", 9 * HOUR),
        ):
            yield (
                f"{name}, {since}",
                begin,
                allowed,
                lambda every=every, begin=begin, size=size: leak(every, begin, size),
            )
    yield (
        "20 an hour, at the line of a pool of 8",
        10 * HOUR,
        HOUR,
        lambda: chain(((MINUTE, 8, 0),), leak(180.0, 10 * HOUR)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--numbers", type=int, nargs="*", default=NUMBERS, help="of rises from which a site recurs")
    options = parser.parse_args()
    failed = False
    heads = "".join(f"{number:>10}" for number in options.numbers)
    print(f"Rises from which a site recurs; in force: {IN_FORCE}\n\n{'healthy shape, accused after':<46}{heads}")
    for name, make in healthy(options.days):
        print(f"{name:<46}", end="", flush=True)
        for number in options.numbers:
            at = run(make(), options.days * DAY, number)
            failed |= number == IN_FORCE and at < math.inf and name not in KNOWN
            print(f"{_shown(at):>10}", end="", flush=True)
        print(f"  known: {KNOWN[name]}" if name in KNOWN else "")
    print(f"\n{'leak, found after':<46}{heads}{'allowed':>10}")
    for name, begin, allowed, make in leaks():
        print(f"{name:<46}", end="", flush=True)
        for number in options.numbers:
            at = run(make(), begin + 2 * DAY, number) - begin
            failed |= number == IN_FORCE and at > allowed
            print(f"{_shown(at):>10}", end="", flush=True)
        print(f"{_shown(allowed):>10}")
    print(f"\n{options.days:g} days each at most; {time.process_time():.0f} s of CPU")
    sys.exit("the resident rule misses its requirements" if failed else 0)


def _shown(seconds: float) -> str:
    if seconds == math.inf:
        return "never"
    return f"{seconds / MINUTE:.0f} min" if seconds < 3 * HOUR else f"{seconds / HOUR:.1f} h"


if __name__ == "__main__":
    main()
