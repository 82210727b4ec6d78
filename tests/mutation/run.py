"""Mutation testing on a random sample: which small changes to the code does no unit test find?

``make mutation`` tries `_SAMPLE` mutants of record, census, diagnose and report, each against the unit tests of its
module (`tests_of_modules`). Results are kept in ``build/mutation.json``: a run that was broken off goes on.
``--write`` writes the table and the survivors to ``benchmarks/results/mutation.txt``.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from mutation.mutants import Mutant, mutants_of
from mutation.source_copy import ROOT, SourceCopy
from mutation.survivors import REASONS
from mutation.tests_of_modules import FOLDERS, PACKAGE, modules, tests_of

_SAMPLE = 300
_SEED = 18
_FIRST = 2
_BASELINE_TIMEOUT_S = 240.0
_SLOWEST_FILE_S = 60.0
_RESULTS = ROOT / "build" / "mutation.json"
_TABLE = ROOT / "benchmarks" / "results" / "mutation.txt"


class Baseline:
    """How long each test file takes without a mutant; one that fails or takes too long is left out."""

    def __init__(self, copy: SourceCopy) -> None:
        self._copy = copy
        self._seconds: dict[str, float | None] = {}

    def usable(self, tests: Sequence[str]) -> dict[str, float]:
        """Return the files that pass, the quickest first, each with its seconds."""
        for test in tests:
            if test not in self._seconds:
                began = time.monotonic()
                with self._copy.unchanged():
                    passed = self._copy.run([test], _BASELINE_TIMEOUT_S) == "passed"
                took = time.monotonic() - began
                self._seconds[test] = took if passed and took < _SLOWEST_FILE_S else None
                if self._seconds[test] is None:
                    print(f"left out: {test} ({'passed' if passed else 'did not pass'}, {took:.0f} s)", flush=True)
        known = {test: seconds for test in tests if (seconds := self._seconds[test]) is not None}
        return dict(sorted(known.items(), key=lambda item: item[1]))


def sample(size: int, seed: int, folder: str) -> list[Mutant]:
    """Return so many mutants, the same ones for the same seed and source."""
    everything = [mutant for module in modules() for mutant in mutants_of(module, (PACKAGE / module).read_text())]
    random.Random(seed).shuffle(everything)
    chosen = everything[:size]
    return [mutant for mutant in chosen if mutant.module.startswith(folder)]


def judge(copy: SourceCopy, baseline: Baseline, mutant: Mutant) -> str:
    """Return what became of a mutant: ``killed``, ``timeout`` (killed as well), ``survived``."""
    tests = tests_of(mutant.module)
    with copy.changed(mutant.module, mutant.make()):
        # Most are found by the file that is about the module.
        for part in (tests[:_FIRST], tests[_FIRST:]):
            usable = baseline.usable(part)
            outcome = copy.run(list(usable), 30.0 + 5.0 * sum(usable.values())) if usable else "passed"
            if outcome != "passed":
                return "timeout" if outcome == "timeout" else "killed"
    return "survived"


def table(results: dict[str, str], seed: int, commit: str) -> str:
    """Return the results per folder, and the survivors with their reasons."""
    lines = [
        f"Mutation testing at {commit}: {len(results)} random mutants, seed {seed}, each against the unit tests of its",
        f"module. Made by: make mutation SAMPLE={len(results)} WRITE=--write",
        "",
        f"{'folder':<10}{'mutants':>9}{'killed':>9}{'timeout':>9}{'survived':>10}{'found':>8}",
    ]
    for folder in (*FOLDERS, "all"):
        here = Counter(result for key, result in results.items() if folder in ("all", key.split("/")[0]))
        found = here["killed"] + here["timeout"]
        share = f"{100 * found / here.total():.0f} %" if here.total() else "-"
        lines.append(
            f"{folder:<10}{here.total():>9}{here['killed']:>9}{here['timeout']:>9}{here['survived']:>10}{share:>8}"
        )
    lines += ["", "Survivors:"]
    for key in sorted(key for key, result in results.items() if result == "survived"):
        lines += [f"* {key}", f"  {REASONS.get(key, 'No reason given.')}"]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Try the mutants that are not known yet and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sample", type=int, default=_SAMPLE)
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--folder", default="")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--again", action="store_true", help="try the survivors again")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    results: dict[str, str] = json.loads(_RESULTS.read_text()) if _RESULTS.exists() else {}
    ends_at = time.monotonic() + 60.0 * given.minutes
    chosen = sample(given.sample, given.seed, given.folder)
    with tempfile.TemporaryDirectory() as directory:
        copy = SourceCopy(Path(directory))
        baseline = Baseline(copy)
        for number, mutant in enumerate(chosen, 1):
            known = results.get(mutant.key)
            if (known is not None and not (given.again and known == "survived")) or time.monotonic() > ends_at:
                continue
            began = time.monotonic()
            result = results[mutant.key] = judge(copy, baseline, mutant)
            took = time.monotonic() - began
            print(f"{number:4} {result:<8} {took:5.1f} s  {mutant.module}:{mutant.line} {mutant.change}", flush=True)
            _RESULTS.parent.mkdir(exist_ok=True)
            _RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False))
    tried = {mutant.key: results[mutant.key] for mutant in chosen if mutant.key in results}
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    text = table(tried, given.seed, commit)
    print(text)
    if given.write:
        _TABLE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
