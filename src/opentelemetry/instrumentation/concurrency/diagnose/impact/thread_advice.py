"""Advice on how a leaked thread usually ends: one sentence, from a table of patterns, as for tasks.

A thread cannot be ended from outside, so most advice is about its wait. A thread that runs only code of a library ends
with the object of the library that started it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ..introspection.fingerprint import is_application_path
from ..verdict.observation import observe
from .advice import Pattern

_WORKER: Final = "concurrent.futures.thread._worker"
_TIMER: Final = "threading.Timer.run"
_PLUMBING: Final = ("threading.", "concurrent.futures.")
_WITHOUT_LIMIT: Final = ("queue.get", "event.wait", "condition.wait", "io.read", "io.write")


@dataclass(frozen=True, slots=True)
class ThreadFacts:
    """The facts on a leaked thread that decide about advice.

    Attributes:
        verdict: The verdict.
        wait_reason: Its wait reason.
        creator: The function that started it.
        library: Name of the package whose code alone it runs; empty for threads that run code of the application.
        is_worker: Whether it is a worker of an executor.
        is_timer: Whether it is a `threading.Timer` that has not fired.
        waits_in_threading: Whether it waits within the module `threading`, for example for another thread to end.
    """

    verdict: str
    wait_reason: str
    creator: str
    library: str = ""
    is_worker: bool = False
    is_timer: bool = False
    waits_in_threading: bool = False


def _waits(facts: ThreadFacts, *reasons: str) -> bool:
    return facts.verdict == "orphaned" and facts.wait_reason in reasons


THREAD_PATTERNS: Final[tuple[Pattern[ThreadFacts], ...]] = (
    Pattern(
        "idle worker of an executor",
        lambda facts: facts.is_worker and facts.wait_reason == "executor",
        frozenset({"cancel"}),
        "Call shutdown() on the executor that {creator} made once it is no longer needed, for example by a with "
        "statement, or make one executor for the whole process.",
    ),
    Pattern(
        "worker of an executor, in a call",
        lambda facts: facts.is_worker,
        frozenset({"complete"}),
        "Give the calls that keep the executor's workers a timeout of their own: cancelling the task that awaits a "
        "call does not end the call.",
    ),
    Pattern(
        "`threading.Timer` that has not fired",
        lambda facts: facts.is_timer,
        frozenset({"cancel"}),
        "Call cancel() on the timer once it is no longer needed; if each timer starts the next one, on the latest.",
    ),
    Pattern(
        "runs only code of a library",
        lambda facts: bool(facts.library),
        frozenset({"cancel"}),
        "Call close(), stop(), shutdown() or the like of the object of {library} that started this thread in "
        "{creator}, once the object is no longer needed.",
    ),
    Pattern(
        "`orphaned`, waits for an item of a queue",
        lambda facts: _waits(facts, "queue.get"),
        frozenset({"cancel", "complete"}),
        "Put an end mark into the queue once the thread that {creator} started is no longer needed, and let the thread "
        "end on it.",
    ),
    Pattern(
        "`orphaned`, waits for room in a queue",
        lambda facts: _waits(facts, "queue.put"),
        frozenset({"drain", "cancel"}),
        "Give put() a timeout after which the thread ends, or take items until it has ended, also when the consumer "
        "stops early.",
    ),
    Pattern(
        "`orphaned`, waits for an event",
        lambda facts: _waits(facts, "event.wait"),
        frozenset({"cancel", "complete"}),
        "Set the event once the thread that {creator} started is no longer needed, and let the thread end then.",
    ),
    Pattern(
        "`orphaned`, waits for a condition",
        lambda facts: _waits(facts, "condition.wait"),
        frozenset({"cancel", "complete"}),
        "Notify the condition once the thread that {creator} started is no longer needed, and let the thread end then.",
    ),
    Pattern(
        "`orphaned`, waits for a lock",
        lambda facts: _waits(facts, "lock.acquire") and not facts.waits_in_threading,
        frozenset({"lock"}),
        "Release the lock on every path, errors included, for example by a with statement.",
    ),
    Pattern(
        "`orphaned`, sleeps",
        lambda facts: _waits(facts, "sleep"),
        frozenset({"cancel"}),
        "Let the thread wait for an event in place of sleep(), and set the event once the thread that {creator} "
        "started is no longer needed.",
    ),
    Pattern(
        "`growing`, most wait for an item, an event, a condition or a connection",
        lambda facts: facts.verdict == "growing" and facts.wait_reason in _WITHOUT_LIMIT,
        frozenset({"complete", "cancel"}),
        "End the wait on every path, errors and lost peers included, and give it a timeout: more of these threads "
        "begin to wait than end.",
    ),
)
"""The table of threads, in order."""


def thread_facts_on(thread: Any, verdict: str, creator: str) -> ThreadFacts:
    """Return the facts on a leaked thread that decide about advice.

    Args:
        thread: Its representative.
        verdict: The verdict.
        creator: The function that started the threads.

    Cost: one stack, and up to 7 ms of idle time.
    """
    observation = observe("thread", thread)
    chain = observation.chain
    own = [frame for frame in chain if not frame.function.startswith(_PLUMBING)]
    is_library = bool(own) and not any(is_application_path(frame.path) for frame in own)
    functions = {frame.function for frame in chain}
    return ThreadFacts(
        verdict,
        observation.wait_reason,
        creator,
        library=own[0].function.partition(".")[0] if is_library else "",
        is_worker=_WORKER in functions,
        is_timer=_TIMER in functions and not own,
        waits_in_threading=bool(chain) and chain[-1].function.startswith("threading."),
    )


def advice_on_thread(facts: ThreadFacts) -> str:
    """Return one sentence about what usually ends such a thread; empty if none is certain enough."""
    pattern = next((pattern for pattern in THREAD_PATTERNS if pattern.fits(facts)), None)
    if pattern is None:
        return ""
    # Not format(): names of functions may contain braces.
    return pattern.text.replace("{creator}", facts.creator).replace("{library}", facts.library)
