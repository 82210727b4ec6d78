"""What is found in the corpus, what is wrongly accused and which line is named: ours by verdict, beside other tools.

Counted are creation sites, because a report names a line. A leak is found when something that leaks there is flagged;
a false alarm is any other site with something flagged, in healthy programs and in the healthy parts of leaking ones.
Not every verdict is for every leak. Orphans are those that have outlived their creator: all but what says ``NO_ORPHAN``
and why. Provable is what its program expects to be `unwakeable`; what it expects to be `growing` shows in nothing else.
So recall is printed twice: over all leaks, and over those that the verdict is for.

The line is right if it bears the mark ``# guilty``: for ours the line of the site, for other tools the innermost frame
of the creation stack that is neither in the interpreter's library directories nor in this package. The last column
counts found leaks whose guilty line is anywhere in what the tool shows of the creation.

Each tool runs every program once, alone, in a process of its own. `pyleak` is a test tool: its block is closed where
the others look; in the row «after shutdown» what is healthy counts as accused only if it is still there when the
program has stopped what it stops, as in a test. `aiomonitor` judges nothing: everything that it lists counts as
flagged. Tools that are not installed are left out: pip install pyleak aiomonitor. Arguments: parts of the names of the
programs to run, all if there are none.
"""

import io
import multiprocessing
import sys
import sysconfig
import warnings
from collections import Counter
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path

import detection_peers

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from corpus import runner
from corpus.detectors import DETECTORS, VERDICTS
from corpus.lines import marked_lines

import opentelemetry.instrumentation.concurrency as package

OURS = [verdict for verdict in VERDICTS if verdict in DETECTORS]
LIBRARY = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
PACKAGE = Path(package.__file__).parent


@dataclass
class Row:
    """One row of the table.

    Attributes:
        title: What is printed.
        tool: The tool whose runs are judged; "ours" for this package.
        detectors: What has to have flagged something.
        names_lines: Whether it says where something was created at all.
    """

    title: str
    tool: str
    detectors: list[str]
    names_lines: bool = True


ROWS = [
    *(Row(f"ours: {verdict}", "ours", [verdict]) for verdict in OURS),
    Row("ours, any verdict", "ours", OURS),
    Row("pyleak during the run", "pyleak", ["pyleak"]),
    Row("pyleak after shutdown", "pyleak", ["pyleak"]),
    Row("aiomonitor, all listed", "aiomonitor", ["aiomonitor"]),
    Row("older than 60 s", "ours", ["old"], names_lines=False),
]


def flagged(row, result):
    """Return what a row flags in one run at the look."""
    return {one for name in row.detectors for one in result.flagged.get(name, ())}


def accused(row, result):
    """Return the healthy sites that a row accuses in one run."""
    where = result.flagged_at_end if row.title == "pyleak after shutdown" else result.flagged
    alarms = {one for name in row.detectors for one in where.get(name, ())}
    return {(one.path, one.line, one.runs) for one in alarms if result.is_healthy(one)}


def is_for(row, result, site):
    """Return whether the verdict of a row is for a leak: only then it should be found by it."""
    if row.detectors == ["orphaned"]:
        return result.is_orphan
    return row.detectors in (["growing"], ["unwakeable"]) and [result.expected[site]] == row.detectors


def shown_frames(row, result, living):
    """Return the frames, innermost first, that a row shows of the creation of something."""
    if row.tool == "ours":
        return [(living.path, living.line)] if row.names_lines else []
    return result.shown_frames[row.tool].get(living, [])


def is_guilty(living, frame):
    """Return whether a frame is at a guilty line; for a request that leaks itself, at the runner's line."""
    path, line = frame
    if living.path == runner.PARK:
        return frame == (living.path, living.line)
    return runner.HERE in Path(path).parents and line in marked_lines(Path(path))["guilty"]


def is_application(frame):
    """Return whether a frame lies in the application, as somebody reads a stack."""
    path = Path(frame[0])
    return not any(folder in path.parents for folder in (*LIBRARY, PACKAGE)) and "site-packages" not in path.parts


def names_right_line(row, result, living):
    """Return whether the line that a row names for a leak, or the one that its stack leads to first, is guilty."""
    frames = shown_frames(row, result, living)
    if row.tool != "ours":
        frames = [frame for frame in frames if is_application(frame)]
    return bool(frames) and is_guilty(living, frames[0])


def shows_right_line(row, result, living):
    """Return whether any frame that a row shows of a leak is at a guilty line."""
    return any(is_guilty(living, frame) for frame in shown_frames(row, result, living))


def judge(row, results):
    """Count leaking sites found, missed and named rightly, and healthy sites accused."""
    count = Counter()
    for result in results:
        alarms = flagged(row, result)
        for site in result.expected:
            leaks = [one for one in alarms if one.function == site and result.is_leak(one)]
            kind = next((one.kind for one in result.living if one.function == site and result.is_leak(one)), "task")
            outcome = "found" if leaks else "missed"
            count[kind, outcome] += 1
            count["its own", outcome] += is_for(row, result, site)
            count["right"] += bool(leaks) and all(names_right_line(row, result, one) for one in leaks)
            count["shown"] += bool(leaks) and all(shows_right_line(row, result, one) for one in leaks)
        count["false"] += len(accused(row, result))
    return count


def run_alone(path, peers, answer):
    """Run a program in this process, which is its own, and send what was found."""
    warnings.simplefilter("ignore")
    # Debug mode and the monitor write about what the programs do on purpose.
    with redirect_stderr(io.StringIO()):
        answer.send(runner.run(path, peers=[peer() for peer in peers]))


def run_all(paths, peers):
    """Run programs with other tools, each program in a process of its own."""
    context, results = multiprocessing.get_context("fork"), []
    for path in paths:
        receiving, sending = context.Pipe(duplex=False)
        process = context.Process(target=run_alone, args=(path, peers, sending), daemon=True)
        process.start()
        sending.close()
        try:
            results.append(receiving.recv())
        except EOFError:
            names = ", ".join(peer.name for peer in peers) or "this package"
            sys.exit(f"{path.stem} ended without a result under {names}")
        process.join()
    return results


def share(part, whole):
    """Return a share as text; a dash where there is nothing to have a share of."""
    return f"{part / whole:.0%}" if whole else "-"


def print_table(results_of_tool):
    """Print one line for each row whose tool was run."""
    print(
        f"{'':<25}{'task leaks':>11}{'thread leaks':>14}{'recall':>8}{'where applicable':>20}{'false alarms':>14}"
        f"{'precision':>11}{'right line':>12}{'in its stack':>14}"
    )
    for row in ROWS:
        if row.tool not in results_of_tool:
            continue
        count = judge(row, results_of_tool[row.tool])
        found = count["task", "found"] + count["thread", "found"]
        missed = count["task", "missed"] + count["thread", "missed"]
        parts = [
            f"{count[kind, 'found']}/{count[kind, 'found'] + count[kind, 'missed']}" for kind in ("task", "thread")
        ]
        own, due = count["its own", "found"], count["its own", "found"] + count["its own", "missed"]
        its_own = f"{own}/{due} = {own / due:.0%}" if due else "-"
        right, shown = (share(count[name], found) if row.names_lines else "-" for name in ("right", "shown"))
        print(
            f"{row.title:<25}{parts[0]:>11}{parts[1]:>14}{share(found, found + missed):>8}{its_own:>20}"
            f"{count['false']:>14}{share(found, found + count['false']):>11}{right:>12}{shown:>14}"
        )


def main():
    """Run every tool over the corpus and print the table."""
    wanted = sys.argv[1:]
    programs = [path for folder in ("leaking", "healthy") for path in runner.programs(folder)]
    programs = [path for path in programs if not wanted or any(part in path.stem for part in wanted)]
    left_out = {path.stem: why for path in programs if (why := runner.obstacle(path))}
    programs = [path for path in programs if path.stem not in left_out]
    results_of_tool = {"ours": run_all(programs, [])}
    for peer in detection_peers.installed():
        results_of_tool[peer.name] = run_all(programs, [peer])
    leaking, python = sum(bool(result.expected) for result in results_of_tool["ours"]), sys.version.split()[0]
    print(f"{leaking} leaking and {len(programs) - leaking} healthy programs, {python}, default settings")
    for name, why in left_out.items():
        print(f"left out: {name}, {why}")
    missing = {row.tool for row in ROWS} - set(results_of_tool)
    if missing:
        print(f"not installed: {', '.join(sorted(missing))}")
    print_table(results_of_tool)


if __name__ == "__main__":
    main()
