"""A pytest plugin that writes how each test ended and how long it took into the file that ``OUTCOMES_FILE`` names."""

import json
import os
import threading
import time
from pathlib import Path

# The first creation, after which our own threads run, as in a service: whoever counts threads shall find them.
threading.Thread(target=int).start()
time.sleep(1)

_ended: dict = {}
_texts: dict = {}
_seconds: dict = {}


def pytest_collectreport(report):
    """Note what could not even be imported."""
    if report.failed:
        _ended[report.nodeid] = "failed"
        _texts[report.nodeid] = str(report.longrepr)[-4000:]


def pytest_runtest_logreport(report):
    """Note the worst of set-up, call and teardown."""
    _seconds[report.nodeid] = _seconds.get(report.nodeid, 0.0) + report.duration
    if report.failed or _ended.get(report.nodeid) is None or (report.skipped and _ended[report.nodeid] == "ok"):
        _ended[report.nodeid] = "failed" if report.failed else "skipped" if report.skipped else "ok"
        _texts[report.nodeid] = str(report.longrepr)[-4000:] if report.failed else ""


def pytest_sessionfinish(session):
    """Write what was noted."""
    Path(os.environ["OUTCOMES_FILE"]).write_text(json.dumps({"ended": _ended, "texts": _texts, "seconds": _seconds}))
