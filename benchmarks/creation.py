"""CPU time of creating tasks and threads, bare and recorded: the cost that every creation of an application pays.

Each row runs in three long-lived processes: two bare ones and one that records. They run blocks in turn, in an order
that changes with every round, on one core. A ratio is the median over the rounds of neighbouring blocks; *control* is
the second bare process against the first, and says how much of the last digits is noise. Each row starts its processes
anew several times, because where a process happens to place its memory weighs 1 to 2 %.

Shapes of tasks:

* *await*: one coroutine creates a task and awaits it, again and again. The cheapest case: one frame creates all.
* *fan*: 32 handlers at once, each a coroutine that gathers two others: a busy service. Each creates from a new frame.
* *helper*: as *await*, but through an application's ``spawn()``, which keeps the task in a set until it is done.

Their time is the CPU time of the loop's thread; *thread* (start and join) takes that of the whole process. One idle
thread lives in every process, as the exporters of an SDK do: with a second thread alone, the C library makes
everything 3 % slower. Collections are counted for each generation while 300,000 tasks are created beside a heap of
300,000 objects.

A busy machine makes every ratio higher, because a recorded creation needs more of the caches that others then use: an
idle one tells the truth, and `creation_instructions.py` tells what does not depend on it. ``--quick`` is for
continuous integration; ``--python PATH`` measures another interpreter that has the package; ``--recorder`` chooses
between the compiled recorder and the one in Python, each with budgets of its own.
"""

import argparse
import asyncio
import datetime as dt
import gc
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from statistics import median

HANDLERS, OF_EACH = 32, 2
HEAP = COUNTED_TASKS = 300_000
COUNTED_AT_ONCE = 4_800
SETTLE_S, WARM_UP = 0.05, 40
STATES = ("bare", "control", "recorded")
BUDGETS = {
    ("await", "asyncio"): 1.25,
    ("fan", "asyncio"): 1.42,
    ("helper", "asyncio"): 1.30,
    ("await", "uvloop"): 1.50,
    ("fan", "uvloop"): 1.50,
    ("helper", "uvloop"): 1.50,
    ("thread", "-"): 1.05,
}
"""Of the recorder in Python."""
COMPILED_BUDGET = 1.05
"""Of the compiled recorder, for each shape of tasks."""


async def no_op():
    pass


async def create_and_await(tasks):
    for _ in range(tasks):
        await asyncio.create_task(no_op())


async def handle():
    await asyncio.gather(*[no_op() for _ in range(OF_EACH)])


async def fan_out(tasks):
    for _ in range(tasks // A_ROUND_OF_FAN):
        await asyncio.gather(*[handle() for _ in range(HANDLERS)])


background = set()


def spawn(coroutine):
    task = asyncio.create_task(coroutine)
    background.add(task)
    task.add_done_callback(background.discard)
    return task


async def spawn_and_await(tasks):
    for _ in range(tasks):
        await spawn(no_op())


def nothing():
    pass


def start_and_join(threads):
    for _ in range(threads):
        thread = threading.Thread(target=nothing)
        thread.start()
        thread.join()


SHAPES = {"await": create_and_await, "fan": fan_out, "helper": spawn_and_await}
A_ROUND_OF_FAN = HANDLERS * (1 + OF_EACH)
A_BLOCK = {"await": 960, "fan": 960, "helper": 960, "thread": 100}
"""Tasks or threads: some milliseconds, so that neighbouring blocks meet the same load of the machine."""


@dataclass(frozen=True)
class Row:
    """What is measured: a shape on a loop."""

    shape: str
    loop: str

    def runner(self):
        """Return a function that creates a number of tasks or threads."""
        if self.shape == "thread":
            return start_and_join
        if self.loop == "uvloop":
            import uvloop

            loop = uvloop.new_event_loop()
        else:
            loop = asyncio.new_event_loop()
        return lambda number: loop.run_until_complete(SHAPES[self.shape](number))

    def clock(self):
        """Return the clock that counts: a thread's start is paid for by two threads."""
        return time.process_time if self.shape == "thread" else time.thread_time


class Worker:
    """A process that runs blocks when asked.

    Args:
        command: Its command line. It answers each line of its input with one line.
    """

    def __init__(self, command):
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONHASHSEED": "0"}
        )
        self.answer()

    def answer(self):
        """Return the next line of the process."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a measured process ended: {self._process.args}")
        return line.strip()

    def block(self):
        """Run one block and return the seconds that one creation took."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self.answer())

    def end(self):
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def serve(block):
    """Run a block for each line of input: the other side of `Worker`."""
    print("ready", flush=True)
    for _ in sys.stdin:
        print(block(), flush=True)


def paired(commands, rounds, starts):
    """Run several processes in turn.

    Args:
        commands: The command line of each.
        rounds: Blocks of each.
        starts: How often the processes are started anew.

    Returns:
        The seconds of each process, one list of all rounds each.
    """
    seconds = {name: [] for name in commands}
    for _ in range(starts):
        workers = {name: Worker(command) for name, command in commands.items()}
        names = list(workers)
        for round_ in range(max(1, rounds // starts)):
            first = round_ % len(names)
            for name in (names[first:] + names[:first])[:: 1 if round_ % 2 else -1]:
                seconds[name].append(workers[name].block())
        for worker in workers.values():
            worker.end()
    return seconds


def ratio(seconds, name, base):
    """Return the median over the rounds of one process against another."""
    return median(ours / bare for ours, bare in zip(seconds[name], seconds[base], strict=True))


def use_one_core():
    """Keep this process and those that it starts on one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def keep_an_idle_thread():
    threading.Thread(target=threading.Event().wait, daemon=True).start()


def record():
    from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor

    ConcurrencyInstrumentor().instrument(metrics="none", reports="none")


def measured_process(row, state):
    """Run blocks when asked, after one that is not counted: the first creations start threads and find their sites."""
    keep_an_idle_thread()
    if state == "recorded":
        record()
    run, clock, number = row.runner(), row.clock(), A_BLOCK[row.shape]
    # What is kept of past creations is full only after some ten thousand.
    for _ in range(WARM_UP if row.shape != "thread" else 1):
        run(number)
    time.sleep(SETTLE_S)

    def block():
        # The caches of the core are those of the process before.
        run(A_ROUND_OF_FAN if row.shape != "thread" else 1)
        began = clock()
        run(number)
        return (clock() - began) / number

    serve(block)


def collections_of(row, state):
    """Print the collections of each generation that a number of tasks causes."""
    heap = [[number] for number in range(HEAP)]
    if state == "recorded":
        record()
    run = row.runner()
    gc.collect()
    before = [each["collections"] for each in gc.get_stats()]
    for _ in range(COUNTED_TASKS // COUNTED_AT_ONCE):
        run(COUNTED_AT_ONCE)
    print(*[after["collections"] - count for after, count in zip(gc.get_stats(), before, strict=True)])
    assert heap


def measured(arguments):
    """Print one line for each row; return whether a row is over its budget."""
    print(f"{'CPU time':<17} {'bare, us':>9} {'added, us':>10} {'ratio':>7} {'control':>8} {'budget':>7}")
    over = False
    for row in arguments.rows:
        commands = {state: child(arguments.python, "measure", row, state) for state in STATES}
        seconds = paired(commands, arguments.rounds, arguments.starts)
        bare, budget = median(seconds["bare"]) * 1e6, BUDGETS[row.shape, row.loop]
        if arguments.runs == "compiled" and row.shape != "thread":
            budget = COMPILED_BUDGET
        ours, control = ratio(seconds, "recorded", "bare"), ratio(seconds, "control", "bare")
        over |= ours > budget
        figures = f"{bare:>9.2f} {bare * (ours - 1):>10.2f} {ours:>7.3f} {control:>8.3f} {budget:>7.2f}"
        print(f"{row.shape:<8} {row.loop:<8} {figures}{'  over' if ours > budget else ''}", flush=True)
    return over


def counted(arguments):
    """Print the collections of each shape; return whether recording adds full ones where there were none."""
    loops = ("asyncio",) if arguments.quick else ("asyncio", "uvloop")
    rows = [row for row in arguments.rows if row.loop in loops]
    if not rows:
        return False
    print(f"\ncollections in {COUNTED_TASKS:,} tasks, young to old:")
    print(f"{'':<17} {'bare':>20} {'recorded':>20}")
    added = False
    for row in rows:
        counts = {
            state: subprocess.run(
                child(arguments.python, "collect", row, state), capture_output=True, text=True, check=True
            ).stdout.split()
            for state in ("bare", "recorded")
        }
        bare, ours = counts["bare"], counts["recorded"]
        added |= int(ours[-1]) > int(bare[-1])
        print(f"{row.shape:<8} {row.loop:<8} {' / '.join(bare):>20} {' / '.join(ours):>20}", flush=True)
    return added


def child(python, task, row, state):
    return [python, __file__, "--child", task, row.shape, row.loop, state]


def there_is_uvloop(python):
    return subprocess.run([python, "-c", "import uvloop"], capture_output=True, check=False).returncode == 0


def arguments_of(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter to measure; it needs the package")
    parser.add_argument("--recorder", choices=("auto", "compiled", "python"), default="auto", help="setting RECORDER")
    parser.add_argument("--shapes", default="await,fan,helper,thread", help="of those above, with commas")
    parser.add_argument("--loops", default="asyncio,uvloop", help="event loops, with commas")
    parser.add_argument("--rounds", type=int, default=600, help="blocks of each process, in all (%(default)s)")
    parser.add_argument("--starts", type=int, default=6, help="how often a row starts its processes (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="60 rounds, 1 start, uvloop uncounted")
    parser.add_argument("--check", action="store_true", help="fail if a row is over its budget; on an idle machine")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main():
    arguments = arguments_of(sys.argv[1:])
    if arguments.child:
        task, shape, loop, state = arguments.child
        (measured_process if task == "measure" else collections_of)(Row(shape, loop), state)
        return
    use_one_core()
    if arguments.quick:
        arguments.rounds, arguments.starts = 60, 1
    arguments.rows = rows_of(arguments)
    os.environ["OTEL_PYTHON_CONCURRENCY_RECORDER"] = arguments.recorder
    arguments.runs = recorder_of(arguments.python, arguments.recorder)
    if arguments.recorder not in ("auto", arguments.runs):
        sys.exit(f"{arguments.python} has no {arguments.recorder} recorder")
    print(f"{title(arguments.python)}, {arguments.runs} recorder")
    over = measured(arguments)
    if counted(arguments):
        sys.exit("recording causes full garbage collections")
    if over and arguments.check:
        sys.exit("recording takes more time than its budget")


def recorder_of(python, wanted):
    """Return the name of the recorder that an interpreter uses with a setting."""
    program = "from opentelemetry.instrumentation.concurrency.record.compiled import choose_recorder as choose; "
    program += f"print(choose({wanted!r}).name)"
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def title(python):
    """Return the first line of a table: interpreter, machine, day, and how busy the machine is."""
    program = "import platform as p; print(f'CPython {p.python_version()}, {p.machine()}')"
    version = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    load = f", load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores" if hasattr(os, "getloadavg") else ""
    return f"{version}, {dt.datetime.now(dt.timezone.utc).date()}{load}"


def rows_of(arguments):
    """Return the rows that were asked for and can be measured."""
    shapes, loops = arguments.shapes.split(","), arguments.loops.split(",")
    if "uvloop" in loops and not there_is_uvloop(arguments.python):
        print("uvloop is not installed: skipped")
        loops.remove("uvloop")
    return [row for row in (Row(*key) for key in BUDGETS) if row.shape in shapes and row.loop in (*loops, "-")]


if __name__ == "__main__":
    main()
