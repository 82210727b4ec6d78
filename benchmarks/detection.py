"""What is found in the corpus and what is wrongly accused: ours by verdict, beside other tools, in one run.

Counted are creation sites, because a report names a line. A leak is found when something that leaks there is flagged;
a false alarm is any other site with something flagged, in healthy programs and in the healthy parts of leaking ones.
Not every verdict is for every leak. Orphans are those that have outlived their creator: all but what says ``NO_ORPHAN``
and why. Provable is what its program expects to be `unwakeable`; what it expects to be `growing` shows in nothing else.
So recall is printed twice: over all leaks, and over those that the verdict is for.
`pyleak` (when installed) is a test tool: its block is closed where the others look; in the row «after shutdown» it is
closed when a healthy program has stopped what it stops, as in a test.
"""

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from corpus import runner
from corpus.detectors import DETECTORS, VERDICTS

try:
    from pyleak import TaskLeakError, ThreadLeakError, no_task_leaks, no_thread_leaks
except ImportError:
    no_task_leaks = None


class Pyleak:
    """`no_task_leaks()` and `no_thread_leaks()` around the body of main.

    Daemon threads count: those of the corpus are daemons only so that the process can end.
    """

    name = "pyleak"

    async def start(self):
        self.tasks, self.threads = no_task_leaks(action="raise"), no_thread_leaks(action="raise", exclude_daemon=False)
        await self.tasks.__aenter__()
        self.threads.__enter__()

    async def leaked(self):
        found = []
        try:
            await self.tasks.__aexit__(None, None, None)
        except TaskLeakError as error:
            found += [task for leak in error.leaked_tasks if (task := leak.task_ref) is not None]
        try:
            self.threads.__exit__(None, None, None)
        except ThreadLeakError:
            found += list(self.threads.detector.get_leaked_resources(self.threads.initial_resources))
        return found


OURS = [verdict for verdict in VERDICTS if verdict in DETECTORS]
OURS_BY_COLUMN = {f"ours: {verdict}": verdict for verdict in OURS}
COLUMNS = {
    **{f"ours: {verdict}": [verdict] for verdict in OURS},
    "ours, any verdict": OURS,
    "pyleak at the look": ["pyleak"],
    "pyleak after shutdown": ["pyleak"],
    "older than 60 s": ["old"],
}


def flagged(column, result):
    """Return what a column flags in one run."""
    at_end = column == "pyleak after shutdown" and not result.expected
    where = result.flagged_at_end if at_end else result.flagged
    return {one for name in COLUMNS[column] for one in where.get(name, ())}


def is_for(column, result, site):
    """Tell whether the verdict of a column is for a leak: only then it should be found by it."""
    if column == "ours: orphaned":
        return result.is_orphan
    return column in ("ours: growing", "ours: unwakeable") and result.expected[site] == OURS_BY_COLUMN[column]


def judge(column, results):
    """Count leaking sites found and missed, by kind, and healthy sites accused."""
    count = Counter()
    for result in results:
        alarms = flagged(column, result)
        for site in result.expected:
            kind = next((one.kind for one in result.living if one.function == site), "task")
            outcome = "found" if any(one.function == site for one in alarms) else "missed"
            count[kind, outcome] += 1
            count["its own", outcome] += is_for(column, result, site)
        count["false"] += len(
            {one.function for one in alarms if one.function not in result.expected | dict.fromkeys(result.dragged)}
        )
    return count


def main():
    peers = [Pyleak()] if no_task_leaks is not None else []
    programs = [path for folder in ("leaking", "healthy") for path in runner.programs(folder)]
    left_out = {path.stem: why for path in programs if (why := runner.obstacle(path))}
    results = [runner.run(path, peers=peers) for path in programs if path.stem not in left_out]
    leaking = sum(bool(result.expected) for result in results)
    print(
        f"{leaking} leaking and {len(results) - leaking} healthy programs, {sys.version.split()[0]}, default settings"
    )
    for name, why in left_out.items():
        print(f"left out: {name}, {why}")
    if not peers:
        print("pyleak is not installed; pip install pyleak shows it as well")
    print(
        f"{'':<23}{'task leaks':>11}{'thread leaks':>14}{'recall':>8}{'of those it is for':>20}{'false alarms':>14}"
        f"{'precision':>11}"
    )
    for column, detectors in COLUMNS.items():
        if detectors == ["pyleak"] and not peers:
            continue
        count = judge(column, results)
        found = count["task", "found"] + count["thread", "found"]
        missed = count["task", "missed"] + count["thread", "missed"]
        parts = [
            f"{count[kind, 'found']}/{count[kind, 'found'] + count[kind, 'missed']}" for kind in ("task", "thread")
        ]
        precision = f"{found / (found + count['false']):.0%}" if found + count["false"] else "-"
        recall = f"{found / (found + missed):.0%}"
        own, due = count["its own", "found"], count["its own", "found"] + count["its own", "missed"]
        its_own = f"{own}/{due} = {own / due:.0%}" if due else "-"
        print(f"{column:<23}{parts[0]:>11}{parts[1]:>14}{recall:>8}{its_own:>20}{count['false']:>14}{precision:>11}")


if __name__ == "__main__":
    main()
