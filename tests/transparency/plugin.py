"""A pytest plugin that instruments the process first, if asked to, and writes how each test ended.

``OUTCOMES_FILE`` names the file, ``OUTCOMES_HOW`` is bare or instrumented.
"""

import json
import os
import threading
import time
from pathlib import Path

if os.environ.get("OUTCOMES_HOW") == "instrumented":
    from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor

    ConcurrencyInstrumentor().instrument()
    # Our own threads start with the first creation; whoever counts threads shall find them, as in a service.
    threading.Thread(target=int).start()
    time.sleep(1)

_ended: dict = {}
_texts: dict = {}


def pytest_runtest_logreport(report):
    """Note the worst of set-up, call and teardown."""
    if report.failed or _ended.get(report.nodeid) is None or (report.skipped and _ended[report.nodeid] == "ok"):
        _ended[report.nodeid] = "failed" if report.failed else "skipped" if report.skipped else "ok"
        _texts[report.nodeid] = str(report.longrepr)[-4000:] if report.failed else ""


def pytest_sessionfinish(session):
    """Write what was noted."""
    Path(os.environ["OUTCOMES_FILE"]).write_text(json.dumps({"ended": _ended, "texts": _texts}))
