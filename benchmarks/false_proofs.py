"""Proves over everything that is healthy, again and again: one proof of something that wakes is a defect.

The healthy waits of the unit tests are each proven over and then really woken; the healthy programs of the corpus are
run in simulated minutes. Both on the standard loop and on uvloop.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit"))

import test_unwakeable_holders
import test_unwakeable_loop
from corpus import runner
from healthy_waits import LOOPS, forget_registry, prove_then_wake, run_on


def waits(repetitions):
    """Return how many proofs were run over healthy waits, and what was proven of them."""
    proofs, wrong = 0, set()
    for _ in range(repetitions):
        for module in (test_unwakeable_holders, test_unwakeable_loop):
            for name, wait in module.WAITS.items():
                for loop in LOOPS:
                    if run_on(loop, prove_then_wake(wait)):
                        wrong.add(f"{name} on {loop}")
                    forget_registry()
                    proofs += 1
    return proofs, wrong


def programs(repetitions):
    """Return how many proofs were run over healthy programs, and what was proven of them."""
    proofs, wrong = 0, set()
    for _ in range(repetitions):
        for path in runner.programs("healthy"):
            for loop in LOOPS:
                if not runner.obstacle(path, loop):
                    result = runner.run(path, loop)
                    wrong |= {f"{path.stem}, {one.function} on {loop}" for one in result.flagged["unwakeable"]}
                    proofs += 1
    return proofs, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waits", type=int, default=200, help="repetitions of the healthy waits")
    parser.add_argument("--programs", type=int, default=200, help="repetitions of the healthy programs")
    options = parser.parse_args()
    failed = []
    print(f"{sys.version.split()[0]}{'':<20}{'repetitions':>12}{'proofs':>9}{'false':>7}{'minutes':>9}")
    for name, run, repetitions in (
        ("healthy waits", waits, options.waits),
        ("healthy programs", programs, options.programs),
    ):
        began = time.monotonic()
        proofs, wrong = run(repetitions)
        minutes = (time.monotonic() - began) / 60
        print(f"{name:<26}{repetitions:>12}{proofs:>9}{len(wrong):>7}{minutes:>9.1f}", flush=True)
        failed += sorted(wrong)
    sys.exit("proven, though it wakes: " + "; ".join(failed) if failed else 0)


if __name__ == "__main__":
    main()
