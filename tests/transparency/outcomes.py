"""Runs test modules of unittest and writes how each test ended.

``python outcomes.py FILE NAME [-LEFT_OUT]...``, of a module without some tests, or of a test. FILE gets JSON, by test:
ok, failed, error or skipped, what it said, and the seconds it took.
"""

import contextlib
import importlib
import json
import os
import sys
import threading
import time
import unittest
from pathlib import Path


class Outcomes(unittest.TestResult):
    """Notes how each test ended; of a test with subtests the worst. One that never ends is an error."""

    def __init__(self, file):
        super().__init__()
        self._file = Path(file)
        self.ended = {}
        self.texts = {}
        self.seconds = {}
        self._started_at = 0.0

    def startTest(self, test):
        super().startTest(test)
        self._started_at = time.monotonic()
        self.write({test.id(): "error"})

    def stopTest(self, test):
        super().stopTest(test)
        self.seconds[test.id()] = time.monotonic() - self._started_at

    def write(self, running):
        ended = {**running, **self.ended}
        self._file.write_text(json.dumps({"ended": ended, "texts": self.texts, "seconds": self.seconds}))

    def _note(self, test, outcome, text=""):
        name = test.id()
        if self.ended.get(name) not in ("failed", "error"):
            self.ended[name] = outcome
            self.texts[name] = text[-4000:]

    def addSuccess(self, test):
        self._note(test, "ok")

    def addExpectedFailure(self, test, error):
        self._note(test, "ok")

    def addUnexpectedSuccess(self, test):
        self._note(test, "failed")

    def addSkip(self, test, reason):
        self._note(test, "skipped")

    def addFailure(self, test, error):
        self._note(test, "failed", self._exc_info_to_string(error, test))

    def addError(self, test, error):
        self._note(test, "error", self._exc_info_to_string(error, test))

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self._note(test, "failed", self._exc_info_to_string(error, test))


def tests(name):
    """Return the tests of a module, or the one test of that name; and whether it is a module."""
    with contextlib.suppress(ModuleNotFoundError):
        return unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(name)), True
    return unittest.defaultTestLoader.loadTestsFromName(name), False


def without(suite, left_out):
    """Return a suite of suites without some tests."""
    if not isinstance(suite, unittest.TestSuite):
        return suite
    return type(suite)(without(each, left_out) for each in suite if getattr(each, "id", str)() not in left_out)


def main():
    file, name, *left_out = sys.argv[1:]
    # The first creation, after which our own threads run, as in a service: whoever counts threads shall find them.
    threading.Thread(target=int).start()
    time.sleep(1)
    result = Outcomes(file)
    is_module = True
    try:
        suite, is_module = tests(name)
        without(suite, {each.removeprefix("-") for each in left_out}).run(result)
    except unittest.SkipTest:
        # The whole module, as it is imported: it is for another system.
        result.ended[name] = "skipped"
    result.write({})
    if not is_module:
        # Whatever a failed test has left would be waited for.
        os._exit(0)


if __name__ == "__main__":
    main()
