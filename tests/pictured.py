"""Pictures to render, made by hand, so that every field has the value that a test wants."""

from opentelemetry.instrumentation.concurrency.record.naming import CodeLine
from opentelemetry.instrumentation.concurrency.snapshot.tally import group_by_site, group_by_stack
from opentelemetry.instrumentation.concurrency.snapshot.values import (
    CreationSite,
    LivePicture,
    Snapshot,
)

QUERY = CreationSite("shop.search.query", "/app/shop/search.py", 31)
WORKERS = CreationSite("shop.search.Worker.start", "/app/shop/search.py", 52)
ASK = (
    CodeLine("shop.search.ask", "/app/shop/search.py", 24),
    CodeLine("asyncio.queues.Queue.put", "/python/asyncio/queues.py", 140),
)
WORK = (
    CodeLine("shop.search.Worker.work", "/app/shop/search.py", 60),
    CodeLine("asyncio.queues.Queue.get", "/python/asyncio/queues.py", 158),
)
SPAWN = CodeLine("shop.util.spawn", "/app/shop/util.py", 9)
SPAWNED = CreationSite(QUERY.function, QUERY.path, QUERY.line, "shop.search.ask", (SPAWN,))
CREATION = (CodeLine("shop.app.handle", "/app/shop/app.py", 12), CodeLine(QUERY.function, QUERY.path, QUERY.line))

SPAWNED_CREATION = (*CREATION, SPAWN)


def leaked(serial=17, **fields):
    """One of the planted leak: stuck in a queue that nobody reads."""
    usual = {
        "kind": "task",
        "serial": serial,
        "name": f"Task-{serial}",
        "site": QUERY,
        "age_s": 800.0,
        "creator": 9,
        "stack": ASK,
        "wait_reason": "queue.put",
        "verdict": "unwakeable",
        "stalled_s": 725.0,
        "reason": "its creator ended 12 minutes ago",
        "creation_stack": CREATION,
        "loop": "MainThread",
    }
    return LivePicture(**{**usual, **fields})


def spawned(serial=18, **fields):
    """A like leak that a helper started, whose site says what it runs."""
    return leaked(serial, **{"site": SPAWNED, "creation_stack": SPAWNED_CREATION, **fields})


def healthy(serial=3, **fields):
    """Its twin: a worker that waits for work."""
    usual = {
        "kind": "task",
        "serial": serial,
        "name": f"worker-{serial}",
        "site": WORKERS,
        "age_s": 900.0,
        "creator": None,
        "stack": WORK,
        "wait_reason": "queue.get",
        "verdict": None,
        "stalled_s": 2.0,
        "loop": "MainThread",
    }
    return LivePicture(**{**usual, **fields})


def thread(serial=1, **fields):
    """The main thread."""
    usual = {
        "kind": "thread",
        "serial": serial,
        "name": "MainThread",
        "site": CreationSite("threading.MainThread", "", 0),
        "age_s": 1000.0,
        "creator": None,
        "stack": (CodeLine("shop.__main__.<module>", "/app/shop/__main__.py", 3),),
        "wait_reason": "running",
        "verdict": None,
    }
    return LivePicture(**{**usual, **fields})


def snapshot(tasks, threads=(), *, taken_at=1_000_000.25, process_id=4711):
    """Return pictures as a snapshot."""
    pictures = (*tasks, *threads)
    return Snapshot(
        taken_at, process_id, tuple(tasks), tuple(threads), group_by_site(pictures), group_by_stack(pictures)
    )
