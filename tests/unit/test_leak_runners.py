"""Leak tests outside pytest: the mixin for unittest, and the function for any other runner."""

import asyncio
import io
import threading
import unittest

import pytest
from leaking import kept

from opentelemetry.instrumentation.concurrency.testing import LeakTestMixin, verify_main


@pytest.fixture
def held():
    with kept() as found:
        yield found


def run_cases(case):
    """Run a test case class; return the names of the tests that failed, and all texts."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    problems = [*result.failures, *result.errors]
    return sorted(test.id().rpartition(".")[2] for test, _ in problems), "\n".join(text for _, text in problems)


class TestMixin:
    """Each test of the class is checked, from before its set-up to after its last cleanup."""

    def test_plain_cases(self, held):
        """Set-up, body, tear-down and cleanups; a clean test passes."""

        class Case(LeakTestMixin, unittest.TestCase):
            leak_options = {"timeout": 0.05}

            def setUp(self):
                self.over = threading.Event()
                self.worker = threading.Thread(target=self.over.wait)
                self.worker.start()

            def tearDown(self):
                self.over.set()
                self.worker.join()

            def test_clean(self):
                pass

            def test_leaks(self):
                held.leak_thread()

            def test_cleanup_leaks(self):
                self.addCleanup(held.leak_thread)

            def test_skipped(self):
                self.skipTest("not here")

        failed, texts = run_cases(Case)
        assert failed == ["test_cleanup_leaks", "test_leaks"]
        assert "1 thread left behind, created by leaking.Kept.leak_thread" in texts

    def test_asynchronous_cases(self, held):
        """In their own loop, before it is ended; what ends soon is given its time."""

        class Case(LeakTestMixin, unittest.IsolatedAsyncioTestCase):
            leak_options = {"timeout": 0.05}

            async def asyncSetUp(self):
                self.server = asyncio.create_task(asyncio.Event().wait())

            async def asyncTearDown(self):
                self.server.cancel()

            async def test_clean(self):
                await asyncio.sleep(0)

            async def test_ends_soon(self):
                held.tasks.append(asyncio.create_task(asyncio.sleep(0.01)))

            async def test_leaks(self):
                held.leak_task()

        failed, texts = run_cases(Case)
        assert failed == ["test_leaks"]
        assert "wait reason: event.wait" in texts

    def test_a_failing_test_that_leaks(self, held):
        """Both are reported."""

        class Case(LeakTestMixin, unittest.TestCase):
            leak_options = {"timeout": 0}

            def test_fails(self):
                held.leak_thread()
                self.fail("of its own")

        failed, texts = run_cases(Case)
        assert failed == ["test_fails", "test_fails"]
        assert "of its own" in texts
        assert "1 thread left behind" in texts

    def test_wrong_options(self):
        """They are an error of the test, as for ``check_leaks``."""

        class Case(LeakTestMixin, unittest.TestCase):
            leak_options = {"timeouts": 1}

            def test_it(self):
                pass

        with pytest.raises(TypeError, match="timeouts"):
            run_cases(Case)


class TestWholeRuns:
    """A run that succeeds and leaves something behind fails."""

    def test_a_clean_run(self):
        """Its exit code stays."""
        assert verify_main(lambda: None) == 0
        assert verify_main(lambda: 3) == 3

    def test_a_leaking_run(self, held, capsys):
        """0 becomes 1, with the report on stderr; threads of threads included."""

        def run():
            starter = threading.Thread(target=held.leak_thread)
            starter.start()
            starter.join()

        assert verify_main(run, timeout=0.05) == 1
        assert "1 thread left behind, created by leaking.Kept.leak_thread" in capsys.readouterr().err

    def test_a_failing_run(self, held, capsys):
        """It keeps its code; it is checked on request alone."""

        def run():
            held.leak_thread()
            raise SystemExit(2)

        codes = []
        assert verify_main(run, timeout=0, cleanup=codes.append) == 2
        assert capsys.readouterr().err == ""
        assert verify_main(run, timeout=0, run_on_failure=True) == 2
        assert "left behind" in capsys.readouterr().err
        assert codes == [2]

    def test_a_unittest_program(self, held):
        """Its result is understood."""

        class Case(unittest.TestCase):
            def test_it(self):
                self.assertTrue(self.good)

        def run():
            suite = unittest.defaultTestLoader.loadTestsFromTestCase(Case)
            return unittest.TextTestRunner(stream=io.StringIO()).run(suite)

        Case.good = True
        assert verify_main(run) == 0
        Case.good = False
        assert verify_main(run) == 1

    def test_wrong_options(self):
        """They are refused before the run."""
        with pytest.raises(ValueError, match="expected one of"):
            verify_main(lambda: pytest.fail("ran"), action="shout")
