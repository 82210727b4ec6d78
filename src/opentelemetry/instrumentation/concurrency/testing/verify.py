"""The check of a whole test run, like ``goleak.VerifyTestMain`` in Go."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from .leak_check import check_leaks


def verify_main(
    run: Callable[[], Any],
    *,
    run_on_failure: bool = False,
    cleanup: Callable[[int], None] | None = None,
    **options: Any,
) -> int:
    """Run a suite, and then check that no tasks or threads remain.

    ::

        sys.exit(verify_main(lambda: unittest.main(module="tests", exit=False)))

    The check covers everything created meanwhile, whatever its owner. An exit code of the suite other than 0 is kept; 0
    becomes 1 if something leaked, and the report is written to stderr.

    Args:
        run: Runs the suite. Its result is an exit code, None for 0, or a unittest result or program; it may also exit.
        run_on_failure: Whether to check after a failed suite; by default not, because the report would hide the
            failure.
        cleanup: Called with the exit code before it is returned, whatever the result.
        options: Arguments of ``check_leaks``; ``everything`` is True by default.

    Returns:
        The exit code.

    Raises:
        TypeError, ValueError: An option that ``check_leaks`` rejects.
    """
    check = check_leaks(**{"everything": True, "label": "the test run", **options}).begin()
    try:
        code = _exit_code(run)
        if code == 0 or run_on_failure:
            check.finish()
    finally:
        check.close()
    error = check.error()
    if error is not None:
        sys.stderr.write(f"{error}\n")
        if check.options.action == "raise":
            code = code or 1
    if cleanup is not None:
        cleanup(code)
    return code


def _exit_code(run: Callable[[], Any]) -> int:
    try:
        result = run()
    except SystemExit as ended:
        result = ended.code
    # unittest.main(exit=False) returns the program, which has the result.
    result = getattr(result, "result", result)
    was_successful = getattr(result, "wasSuccessful", None)
    if callable(was_successful):
        return 0 if was_successful() else 1
    if result is None or isinstance(result, int):
        return int(result or 0)
    sys.stderr.write(f"{result}\n")
    return 1
