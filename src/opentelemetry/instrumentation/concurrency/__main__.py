"""The command ``otel-concurrency`` as a module that ``python -m`` can run."""

from __future__ import annotations

import os
import sys


def leave_out_working_directory() -> None:
    """Remove the working directory, which ``python -m`` puts first, from the path, unless it contains this package.

    Another user may have put an ``opentelemetry`` folder there, and the command may run as root. Code that Python runs
    before this module cannot be prevented here: ``__init__.py`` files in that folder's ``opentelemetry`` and
    ``opentelemetry/instrumentation``, and a copy of this package. ``python -P -m`` and the command prevent it.
    """
    home = os.path.realpath(__file__)
    for _ in range(4):
        home = os.path.dirname(home)  # noqa: PTH120 (pathlib would be imported from the path that is being cleaned)
    first = sys.path[0] if sys.path else ""
    if first in ("", os.getcwd()) and os.path.realpath(first or ".") != home:  # noqa: PTH109 (as above)
        del sys.path[0]


if not getattr(sys.flags, "safe_path", False):
    leave_out_working_directory()

from .cli.main import main  # noqa: E402 (imported only once the path is clean)

sys.exit(main())
