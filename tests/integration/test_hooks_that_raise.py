"""A hook of ours that raises, at any of its lines, is not noticed by the application."""

import pytest
from programs import run_program
from services import OFFLINE

# One line after the other raises, in our hooks and in what they call; what the program gets stays what it was.
INJECTED = """
import ast, asyncio, gc, logging, os, sys, threading
from opentelemetry import trace
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
import opentelemetry.instrumentation.concurrency as ours
logging.disable()
HOME = os.path.dirname(ours.__file__)
RECORD = os.path.join(HOME, "record")
HOOKS = set("HOOK_NAMES".split())
injected, protected, shown = {}, {}, []
sys.unraisablehook = lambda what: shown.append(repr(what.exc_value))

class Injected(Exception): pass

def protected_lines(path):
    # Around them stands the call that the application made, which may raise what it likes.
    if path not in protected:
        tries = [node for node in ast.walk(ast.parse(open(path).read())) if isinstance(node, ast.Try)]
        broad = [node for node in tries if any(getattr(each.type, "id", "") == "Exception" for each in node.handlers)]
        parts = [part for node in broad for part in node.body]
        lines = {line for part in parts for line in range(part.lineno, part.end_lineno + 1)}
        protected[path] = lines - {node.lineno for node in tries}  # the word `try` cannot fail
    return protected[path]

def is_hook(frame):
    return frame.f_code.co_name in HOOKS and frame.f_code.co_filename.startswith(RECORD)

def hook_around(frame):
    if is_hook(frame):
        return frame.f_code.co_name if frame.f_lineno in protected_lines(frame.f_code.co_filename) else None
    while (frame := frame.f_back) is not None:
        if is_hook(frame):
            return frame.f_code.co_name

def tracing():
    # A trace function that raises is taken out by the interpreter: it is set again with each task.
    def trace(frame, event, argument):
        if not frame.f_code.co_filename.startswith(HOME):
            return None
        place = (frame.f_code.co_filename, frame.f_lineno)
        if event == "line" and place not in injected and (hook := hook_around(frame)):
            injected[place] = hook
            raise Injected
        return trace
    return trace

def arm():
    if sys.gettrace() is None:
        sys.settrace(tracing())

async def short(number):
    await asyncio.sleep(0)
    return number

async def waits(): await asyncio.get_running_loop().create_future()
async def fails(): raise ValueError

async def main():
    held.add(asyncio.create_task(waits()))
    asyncio.create_task(waits())
    asyncio.create_task(fails())
    await asyncio.sleep(0)
    gc.collect()
    with trace.use_span(trace.NonRecordingSpan(trace.SpanContext(1, 2, False))):
        results = await asyncio.gather(*(asyncio.create_task(short(each)) for each in range(5)))
    for _ in range(TASKS):
        arm()
        await asyncio.create_task(short(0))
    threads = [threading.Thread(target=results.append, args=(each,)) for each in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.append(await asyncio.to_thread(int, "7"))
    arm()
    return sum(results)

said, before, held = set(), -1, set()
while len(injected) > before:
    before = len(injected)
    ConcurrencyInstrumentor().instrument(agent_disabled=True)
    # Lines below the hook at the end of main need no tracing before it.
    if HOOKS != {"_cancel_all_tasks"}:
        arm()
    try:
        said.add(asyncio.run(main()))
    except Injected as error:
        said.add(repr(error))
    finally:
        sys.settrace(None)
        ConcurrencyInstrumentor().uninstrument()
        held.clear()
print(said, set(injected.values()) == HOOKS, len(injected) > 100, shown)
"""


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("hooks", "tasks"),
    [
        ("create_task start init_executor call_exception_handler", 70),
        # Most of the lines are below this one, and one task of main is enough for each.
        ("_cancel_all_tasks", 2),
    ],
)
def test_hook_that_raises_at_any_line_is_not_noticed(hooks, tasks):
    """The program gets its results, and no exception of ours, until each line below each hook has failed once."""
    env = {**OFFLINE, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}
    source = INJECTED.replace("HOOK_NAMES", hooks).replace("TASKS", str(tasks))
    done = run_program(source, env=env, timeout=800)
    assert (done.returncode, done.stdout) == (0, "{20} True True []\n"), done.stderr
