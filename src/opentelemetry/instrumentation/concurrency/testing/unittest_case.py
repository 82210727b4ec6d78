"""Leak tests for ``unittest``: a mixin that checks each test of a class."""

from __future__ import annotations

import unittest
from typing import TYPE_CHECKING, Any, ClassVar

from .leak_check import check_leaks, report
from .running_check import LeakCheck
from .scope import running_in_thread

if TYPE_CHECKING:
    _Case = unittest.TestCase
else:
    _Case = object


class LeakTestMixin(_Case):
    """Checks each test of the class, from before ``setUp`` to after the last cleanup; asynchronous tests as well.

    ::

        class TestSearch(LeakTestMixin, unittest.IsolatedAsyncioTestCase):
            leak_options = {"timeout": 1.0}

    Leaks fail the test; its own failure or error is reported as well.

    Attributes:
        leak_options: Arguments of ``check_leaks`` for the whole class.
    """

    leak_options: ClassVar[dict[str, Any]] = {}

    _leak_check: LeakCheck | None = None

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test in a separate check. Raises like ``check_leaks`` for invalid options."""
        check = check_leaks(**{"label": self.id(), **self.leak_options}).begin()
        self._leak_check = check
        # Cleanups run in reverse order of registration, so that this one runs last.
        if isinstance(self, unittest.IsolatedAsyncioTestCase):
            self.addAsyncCleanup(self._finish_in_loop)
        else:
            self.addCleanup(self._finish)
        try:
            with running_in_thread(check.scope):
                return super().run(result)
        finally:
            check.close()

    def _finish(self) -> None:
        check = self._leak_check
        if check is not None:
            check.finish()
            report(check, None, decorated=getattr(self, self._testMethodName, None))

    async def _finish_in_loop(self) -> None:
        check = self._leak_check
        if check is not None:
            await check.finish_in_loop()
            report(check, None, decorated=getattr(self, self._testMethodName, None))
