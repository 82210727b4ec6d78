"""The growth rule over simulated days: false suspicions of healthy shapes of load, and how soon leaks are found.

Births and deaths are drawn one by one with fixed seeds; every five simulated seconds a scan counts those alive by age,
as the census does. Fails if a healthy shape is suspected more than once in thirty site-days, or a leak without load is
found too late.
"""

import argparse
import heapq
import math
import random
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator

from opentelemetry.instrumentation.concurrency.diagnose.growth.growth import GrowthWatch

SCAN_S = 5.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

Life = Callable[[random.Random], float]
Rate = Callable[[float], float]


def poisson(rate: Rate, top: float, life: Life, seed: int, until: float) -> Iterator[tuple[float, float]]:
    """Yield birth and death of every task of a Poisson process with a rate that changes, by thinning."""
    dice = random.Random(seed)
    now = 0.0
    while now < until:
        now += dice.expovariate(top)
        if dice.random() * top < rate(now):
            yield now, now + life(dice)


def leak(every: float, begin: float, until: float) -> Iterator[tuple[float, float]]:
    now = begin
    while now < until:
        now += every
        yield now, math.inf


def merged(*streams: Iterator[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    return heapq.merge(*streams)


def suspicions(tasks: Iterator[tuple[float, float]], until: float) -> Iterator[float]:
    """Yield when the site begins to be suspected, each time."""
    watch: GrowthWatch[str] = GrowthWatch(window_s=MINUTE, scans=5, minimum=20)
    ages = watch.ages_s
    coming = next(tasks, None)
    # By birth; those that are dead leave with the scan that counts past them.
    alive: list[tuple[float, float]] = []
    suspected, now = False, 0.0
    births: list[float] = []
    deaths: list[float] = []
    while now < until:
        now += SCAN_S
        while coming is not None and coming[0] <= now:
            # Who does not live to be older than a window is never counted.
            if coming[1] - coming[0] > ages[0]:
                heapq.heappush(alive, (coming[1], coming[0]))
                births.append(coming[0])
            coming = next(tasks, None)
        while alive and alive[0][0] <= now:
            deaths.append(heapq.heappop(alive)[1])
        if len(deaths) > 64 or now >= until:
            gone = sorted(deaths)
            births, deaths = _without(births, gone), []
        dead = sorted(deaths)
        counts = [bisect_right(births, now - age) - bisect_right(dead, now - age) for age in ages]
        found = bool(watch.scan(now, {"site": counts}))
        if found and not suspected:
            yield now
        suspected = found


def _without(births: list[float], gone: list[float]) -> list[float]:
    kept, place = [], 0
    for birth in births:
        if place < len(gone) and gone[place] == birth:
            place += 1
        else:
            kept.append(birth)
    return kept


def lasting(mean: float) -> Life:
    return lambda dice: dice.expovariate(1 / mean)


def day_curve(mean: float, life: float) -> tuple[Rate, float]:
    top = mean / life
    return (lambda now: top * (0.55 - 0.45 * math.cos(2 * math.pi * now / DAY))), top


def healthy(days: float, scale: float) -> Iterator[tuple[str, Iterator[tuple[float, float]]]]:
    """Yield the shapes; `scale` makes them smaller for a quick run."""
    until = days * DAY
    for mean in (20, 50, 100, 300, 1000):
        for life in (30.0, 90.0, 300.0, 1800.0):
            rate = mean * scale / life
            name = f"flat, mean {mean}, lasting {life:g} s"
            yield name, poisson(lambda _, rate=rate: rate, rate, lasting(life), mean, until)
    for life in (90.0, 1800.0):
        rate_at, top = day_curve(300 * scale, life)
        yield f"day curve, lasting {life:g} s", poisson(rate_at, top, lasting(life), 7, until)
    yield "sawtooth of six hours", sawtooth(6 * HOUR, 200 * scale, until)
    yield "burst of 500, drained in 30 min", bursts(500 * scale, until)
    for life in (90.0, 1800.0):
        top = 300 * scale / life
        yield (
            f"ramp-up of 30 min, lasting {life:g} s",
            poisson(lambda now, top=top: top * min(1.0, now / (30 * MINUTE)), top, lasting(life), 3, until),
        )
    mailer = 0.5 * scale
    yield "mailer with a heavy tail", poisson(lambda _: mailer, mailer, lambda d: 5 * d.paretovariate(1.3), 5, until)
    yield "websockets of the day", websockets(500 * scale, until)


def sawtooth(period: float, height: float, until: float) -> Iterator[tuple[float, float]]:
    now = 0.0
    while now < until:
        now += period / height
        yield now, (math.floor(now / period) + 1) * period


def bursts(size: float, until: float) -> Iterator[tuple[float, float]]:
    dice = random.Random(11)
    now = HOUR
    while now < until:
        for number in range(int(size)):
            yield now + number * 0.01, now + dice.uniform(10, 30 * MINUTE)
        now += 6 * HOUR


def websockets(mean: float, until: float) -> Iterator[tuple[float, float]]:
    """Connections come from eight to noon and last for hours."""
    top = mean / (4 * HOUR)

    def rate(now: float) -> float:
        return top if 8 <= (now % DAY) / HOUR < 12 else top / 20

    return poisson(rate, top, lambda dice: dice.lognormvariate(math.log(4 * HOUR), 0.5), 13, until)


def leaks() -> Iterator[tuple[str, float, float, float, bool]]:
    """Yield name, seconds between two, mean of the load beside it, allowed delay, and whether it is required."""
    for load in (0, 50, 300):
        beside = f" beside a load of {load}" if load else ""
        yield f"1 a second{beside}", 1.0, load, 30 * MINUTE, not load
        yield f"20 an hour{beside}", 180.0, load, 6 * HOUR, not load
        yield f"2 an hour{beside}", 1800.0, load, DAY, not load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--scale", type=float, default=1, help="makes every load this much smaller or larger")
    options = parser.parse_args()
    failed = False
    print(f"{'healthy shape':<36} {'site-days':>9} {'false suspicions':>17}")
    for name, tasks in healthy(options.days, options.scale):
        count = sum(1 for _ in suspicions(tasks, options.days * DAY))
        failed |= count > max(1, options.days / 30)
        print(f"{name:<36} {options.days:>9g} {count:>17}", flush=True)
    print(f"\n{'leak':<36} {'found after':>12} {'allowed':>10}")
    for name, every, load, allowed, required in leaks():
        begin = 2 * DAY if load else HOUR
        rate = max(load / 60.0, 1e-9)
        streams = [leak(every, begin, begin + 2 * DAY)]
        if load:
            streams.append(poisson(lambda _, rate=rate: rate, rate, lasting(60.0), 17, begin + 2 * DAY))
        at = next((at for at in suspicions(merged(*streams), begin + 2 * DAY) if at >= begin), math.inf)
        failed |= required and at - begin > allowed
        shown = f"{(at - begin) / MINUTE:.0f} min" if at < math.inf else "not in 2 days"
        print(f"{name:<36} {shown:>12} {allowed / MINUTE:>6g} min", flush=True)
    sys.exit("the growth rule misses its requirements" if failed else 0)


if __name__ == "__main__":
    main()
