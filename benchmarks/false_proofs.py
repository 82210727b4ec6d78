"""Proves over everything that is healthy, again and again: one proof of something that wakes is a defect.

Each healthy wait of the unit tests is proven over and then really woken, that often as repetitions say. Each healthy
program of the corpus is run several times, and in each run proven over at many moments of its life, whatever it does
just then: a thread makes one proof after the other from the program's first line to its last. A program is run again
until as many proofs were made over it as repetitions say, and never less often than `RUNS`; the least that any program
got is printed. Each proof is what a profile on request makes, over every suspended task: two that have to agree.
Everything runs on the standard loop and on uvloop, and once more with OpenTelemetry's own instrumentations of asyncio
and threading installed, whose wrappers lie around every coroutine and every thread.
"""

import argparse
import contextlib
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit"))

import test_unwakeable_adversaries
import test_unwakeable_coroutines
import test_unwakeable_groups
import test_unwakeable_holders
import test_unwakeable_io
import test_unwakeable_loop
from corpus import runner
from healthy_waits import LOOPS, forget_registry, prove_then_wake, run_on
from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor
from opentelemetry.instrumentation.threading import ThreadingInstrumentor

from opentelemetry.instrumentation.concurrency.diagnose.proof_now import prove_now
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation

RUNS = 10
PAUSE_S = 0.002
"""Between two proofs: the program has to get on."""
WAITS = {
    **test_unwakeable_holders.WAITS,
    **test_unwakeable_io.WAITS,
    **test_unwakeable_loop.WAITS,
    **test_unwakeable_adversaries.WAITS,
    **test_unwakeable_coroutines.WAITS,
    **test_unwakeable_groups.WAITS,
}


def waits(repetitions):
    """Return how many proofs were made over healthy waits, the least of any, and what was proven of them."""
    wrong = set()
    for _ in range(repetitions):
        for name, wait in WAITS.items():
            for loop in LOOPS:
                if run_on(loop, prove_then_wake(wait)):
                    wrong.add(f"{name} on {loop}")
                forget_registry()
    return repetitions * len(WAITS) * len(LOOPS), repetitions, repetitions, wrong


def programs(repetitions):
    """Return how many proofs were made over healthy programs, the least of any, and what was proven of them."""
    proofs, runs, wrong = [], [], set()
    for path in runner.programs("healthy"):
        for loop in LOOPS:
            if runner.obstacle(path, loop):
                continue
            made, again = 0, 0
            while made < repetitions or again < RUNS:
                prover = Prover()
                runner.run(path, loop, during=prover)
                wrong |= {f"{path.stem}, {site} on {loop}" for site in prover.proven}
                made, again = made + prover.proofs, again + 1
            proofs.append(made)
            runs.append(again)
    return sum(proofs), min(runs), min(proofs), wrong


class Prover:
    """Proves over a program for as long as its ``main`` runs; what is left after that is no longer healthy."""

    def __init__(self):
        self.proofs = 0
        self.proven = set()

    def __call__(self, main):
        self._main, self._installation = main, current_installation()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prover", daemon=True)
        return self

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _work(self):
        while not self._ended.wait(PAUSE_S):
            found = prove_now(self._installation.census, self._installation.diagnosis)
            # A coroutine that has returned has no frame any more; a proof after its end says nothing.
            if self._main.cr_frame is not None:
                self.proofs += found.examined > 0
                self.proven |= self._sites(found.reasons)

    def _sites(self, serials):
        census = self._installation.census
        with census.locked():
            rows = zip(census.tasks.serials, census.tasks.sites, strict=True)
            return {census.recorder.task_sites.sites[site].function for serial, site in rows if serial in serials}


@contextlib.contextmanager
def upstream():
    """Install OpenTelemetry's instrumentations of asyncio and threading."""
    instrumentors = [AsyncioInstrumentor(), ThreadingInstrumentor()]
    for each in instrumentors:
        each.instrument()
    try:
        yield
    finally:
        for each in instrumentors:
            each.uninstrument()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waits", type=int, default=200, help="repetitions of each healthy wait; 0 leaves them out")
    parser.add_argument("--programs", type=int, default=200, help="proofs over each healthy program; 0 leaves them out")
    parser.add_argument("--upstream", type=int, default=50, help="the same with OpenTelemetry's own instrumentations")
    options = parser.parse_args()
    failed = []
    titles = f"{'runs of each':>14}{'proofs of each':>16}{'proofs':>9}{'false':>7}{'minutes':>9}"
    print(f"{sys.version.split()[0]:<32}{titles}", flush=True)
    for name, run, repetitions, beside in (
        ("healthy waits", waits, options.waits, contextlib.nullcontext),
        ("healthy programs", programs, options.programs, contextlib.nullcontext),
        ("healthy waits, upstream's", waits, min(options.waits, options.upstream), upstream),
        ("healthy programs, upstream's", programs, min(options.programs, options.upstream), upstream),
    ):
        if not repetitions:
            continue
        began = time.monotonic()
        with beside():
            proofs, runs, least, wrong = run(repetitions)
        minutes = (time.monotonic() - began) / 60
        print(f"{name:<32}{f'≥ {runs}':>14}{f'≥ {least}':>16}{proofs:>9}{len(wrong):>7}{minutes:>9.1f}", flush=True)
        failed += [f"{each} ({name})" for each in sorted(wrong)]
    sys.exit("proven, though it wakes: " + "; ".join(failed) if failed else 0)


if __name__ == "__main__":
    main()
