"""Tests marked ``xfail`` whose expected failure is a leak, which shows only after the teardown."""

import pytest
from suites import outcomes, suite  # noqa: F401 (a fixture)

pytestmark = pytest.mark.every_python

XFAIL = """
@pytest.mark.xfail({arguments})
def test_known_leak():
    {body}
"""


class TestExpectedFailures:
    """``xfail`` and leaks, which show only after the teardown."""

    @pytest.mark.parametrize(
        "arguments",
        ["strict=True, reason='SHOP-12'", "strict=True, raises=LeakError", "strict=False", "True, reason='SHOP-12'"],
    )
    def test_known_leak_is_the_expected_failure(self, suite, arguments):  # noqa: F811
        test = "from opentelemetry.instrumentation.concurrency import LeakError\n"
        test += XFAIL.format(arguments=arguments, body="leak_thread()")
        result = suite.run(test, "--leaks=error", "--leaks-timeout=0.1")
        assert outcomes(result) == {"xfailed": 1} and result.ret == 0

    @pytest.mark.parametrize(
        ("arguments", "counts", "code"),
        [("strict=True, reason='SHOP-12'", {"failed": 1}, 1), ("strict=False", {"xpassed": 1}, 0)],
    )
    def test_leak_that_is_gone_is_the_unexpected_pass(self, suite, arguments, counts, code):  # noqa: F811
        result = suite.run(XFAIL.format(arguments=arguments, body="pass"), "--leaks=error")
        assert outcomes(result) == counts and result.ret == code
        if code:
            result.stdout.fnmatch_lines(["*XPASS(strict)*SHOP-12*"])

    def test_failure_of_the_body_counts_once(self, suite):  # noqa: F811
        """Although it leaks as well."""
        test = XFAIL.format(arguments="strict=True", body="leak_thread(); assert 0")
        result = suite.run(test, "--leaks=error", "--leaks-timeout=0.1")
        assert outcomes(result) == {"xfailed": 1} and result.ret == 0

    def test_known_leak_with_xdist_is_the_expected_failure(self, suite):  # noqa: F811
        pytest.importorskip("xdist")
        test = XFAIL.format(arguments="strict=True", body="leak_thread()") + "\ndef test_other():\n    pass\n"
        result = suite.run(test, "--leaks=error", "--leaks-timeout=0.1", "-n1", plugins=("xdist",))
        assert outcomes(result) == {"xfailed": 1, "passed": 1} and result.ret == 0

    def test_without_the_check_pytest_judges_alone(self, suite):  # noqa: F811
        result = suite.run(XFAIL.format(arguments="strict=True", body="leak_thread()"))
        assert outcomes(result) == {"failed": 1}
