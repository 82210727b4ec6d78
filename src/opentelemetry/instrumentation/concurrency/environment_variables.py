"""The environment variables of this package; `settings.py` defines their values."""

OTEL_PYTHON_CONCURRENCY_DISABLED = "OTEL_PYTHON_CONCURRENCY_DISABLED"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_DISABLED

Nothing is patched. Default: ``false``.
"""

OTEL_PYTHON_CONCURRENCY_TASK_AGE = "OTEL_PYTHON_CONCURRENCY_TASK_AGE"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_TASK_AGE

How long a task must have outlived its creator before it is an orphan. Default: ``60s``.
"""

OTEL_PYTHON_CONCURRENCY_THREAD_AGE = "OTEL_PYTHON_CONCURRENCY_THREAD_AGE"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_THREAD_AGE

How long a thread must have outlived its creator before it is an orphan. Default: ``5m``.
"""

OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL = "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL

Minimum time between two scans; extended so that scanning uses less than 1 % of one core. Default: ``5s``.
"""

OTEL_PYTHON_CONCURRENCY_GROWTH_WINDOW = "OTEL_PYTHON_CONCURRENCY_GROWTH_WINDOW"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_GROWTH_WINDOW

Window of the growth rule. Default: ``1m``.
"""

OTEL_PYTHON_CONCURRENCY_GROWTH_SCANS = "OTEL_PYTHON_CONCURRENCY_GROWTH_SCANS"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_GROWTH_SCANS

Number of consecutive windows in which a growing site must not fall. Default: ``5``.
"""

OTEL_PYTHON_CONCURRENCY_GROWTH_MIN = "OTEL_PYTHON_CONCURRENCY_GROWTH_MIN"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_GROWTH_MIN

Minimum rise of a growing site. Default: ``20``.
"""

OTEL_PYTHON_CONCURRENCY_LIVE_LIMIT = "OTEL_PYTHON_CONCURRENCY_LIVE_LIMIT"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_LIVE_LIMIT

A site with more live tasks than this is suspected at once, if they have no owner and do not wait for the network.
Default: ``10000``.
"""

OTEL_PYTHON_CONCURRENCY_RESIDENT_LIMIT = "OTEL_PYTHON_CONCURRENCY_RESIDENT_LIMIT"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_RESIDENT_LIMIT

Maximum number of residents of a site; ``0`` disables the rule. Default: ``20``.
"""

OTEL_PYTHON_CONCURRENCY_RESIDENT_WINDOW = "OTEL_PYTHON_CONCURRENCY_RESIDENT_WINDOW"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_RESIDENT_WINDOW

Creations within this time are one rise of a site; a site that rises four times within 120 of them leaks. Default:
``1m``.
"""

OTEL_PYTHON_CONCURRENCY_BLOCKED_AGE = "OTEL_PYTHON_CONCURRENCY_BLOCKED_AGE"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_BLOCKED_AGE

An event loop that does not answer for this long is reported with the stack that blocks it; ``0`` disables these
reports. Default: ``1s``.
"""

OTEL_PYTHON_CONCURRENCY_MAX_SITES = "OTEL_PYTHON_CONCURRENCY_MAX_SITES"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_MAX_SITES

Maximum number of sites with metric series of their own, tasks and threads together; the rest is summed in ``_OTHER``.
Default: ``100``.
"""

OTEL_PYTHON_CONCURRENCY_METRICS = "OTEL_PYTHON_CONCURRENCY_METRICS"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_METRICS

``full``, ``totals`` (no sites) or ``none``. Default: ``full``.
"""

OTEL_PYTHON_CONCURRENCY_SITE_GRANULARITY = "OTEL_PYTHON_CONCURRENCY_SITE_GRANULARITY"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_SITE_GRANULARITY

``line`` or ``function`` (no line number in metrics). Default: ``line``.
"""

OTEL_PYTHON_CONCURRENCY_STACK_DEPTH = "OTEL_PYTHON_CONCURRENCY_STACK_DEPTH"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_STACK_DEPTH

Maximum number of frames in a creation stack. Default: ``32``.
"""

OTEL_PYTHON_CONCURRENCY_STACK_SAMPLING = "OTEL_PYTHON_CONCURRENCY_STACK_SAMPLING"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_STACK_SAMPLING

The first creation of a site, and after it one in this many, records its stack; ``1`` records all, ``0`` none. Default:
``128``.
"""

OTEL_PYTHON_CONCURRENCY_STACK_TEXT_LIMIT = "OTEL_PYTHON_CONCURRENCY_STACK_TEXT_LIMIT"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_STACK_TEXT_LIMIT

Maximum number of bytes of a stack text in telemetry. Default: ``2000``.
"""

OTEL_PYTHON_CONCURRENCY_SPAWNERS = "OTEL_PYTHON_CONCURRENCY_SPAWNERS"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_SPAWNERS

Comma-separated globs on ``module.function`` of functions that are spawners, in addition to those recognized
automatically. Default: unset.
"""

OTEL_PYTHON_CONCURRENCY_APPLICATION = "OTEL_PYTHON_CONCURRENCY_APPLICATION"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_APPLICATION

Comma-separated globs on modules or file paths that are application code, in addition to everything outside the library
directories. Default: unset.
"""

OTEL_PYTHON_CONCURRENCY_RECORDER = "OTEL_PYTHON_CONCURRENCY_RECORDER"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_RECORDER

The recorder of task creations: ``auto`` uses the compiled one if it is installed and supports this Python; ``compiled``
does the same and warns if that is impossible; ``python`` never uses it. Default: ``auto``.
"""

OTEL_PYTHON_CONCURRENCY_IGNORE = "OTEL_PYTHON_CONCURRENCY_IGNORE"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_IGNORE

Comma-separated fingerprints, or globs on ``module.function`` or file path, excluded from all verdicts. Default: unset.
"""

OTEL_PYTHON_CONCURRENCY_REPORTS = "OTEL_PYTHON_CONCURRENCY_REPORTS"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_REPORTS

``auto``, ``span``, ``log`` or ``none``. Default: ``auto``.
"""

OTEL_PYTHON_CONCURRENCY_REPORT_LIMIT = "OTEL_PYTHON_CONCURRENCY_REPORT_LIMIT"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_REPORT_LIMIT

Maximum number of reports per scan. Default: ``10``.
"""

OTEL_PYTHON_CONCURRENCY_REPORT_REPEAT = "OTEL_PYTHON_CONCURRENCY_REPORT_REPEAT"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_REPORT_REPEAT

Time after which the same group is reported again; doubles each time. Default: ``10m``.
"""

OTEL_PYTHON_CONCURRENCY_REPORT_TO_CREATOR = "OTEL_PYTHON_CONCURRENCY_REPORT_TO_CREATOR"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_REPORT_TO_CREATOR

Whether the event of a report is also added, without stacks, to the creator's span while it still records. Default:
``false``.
"""

OTEL_PYTHON_CONCURRENCY_REPORT_SOURCE = "OTEL_PYTHON_CONCURRENCY_REPORT_SOURCE"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_REPORT_SOURCE

Whether stack texts include source lines. Default: ``false``.
"""

OTEL_PYTHON_CONCURRENCY_REPORT_NAMES = "OTEL_PYTHON_CONCURRENCY_REPORT_NAMES"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_REPORT_NAMES

Whether reports include task and thread names. Default: ``true``.
"""

OTEL_PYTHON_CONCURRENCY_PROOF_INTERVAL = "OTEL_PYTHON_CONCURRENCY_PROOF_INTERVAL"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_PROOF_INTERVAL

Time between two proofs; ``0`` runs the proof on request only. Default: ``10m``.
"""

OTEL_PYTHON_CONCURRENCY_EVENTLOOP_DELAY_DISABLED = "OTEL_PYTHON_CONCURRENCY_EVENTLOOP_DELAY_DISABLED"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_EVENTLOOP_DELAY_DISABLED

Disables the event-loop delay and the reports on blocked loops. Default: ``false``.
"""

OTEL_PYTHON_CONCURRENCY_COUNT_UNAWAITED = "OTEL_PYTHON_CONCURRENCY_COUNT_UNAWAITED"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_COUNT_UNAWAITED

Counts coroutines that were never awaited, by function and line; ``leaks`` lists them. Default: ``false``.
"""

OTEL_PYTHON_CONCURRENCY_DEBUG_ADDRESS = "OTEL_PYTHON_CONCURRENCY_DEBUG_ADDRESS"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_DEBUG_ADDRESS

Address of the debug endpoint: ``127.0.0.1:6080`` or ``unix:/path``; ``{pid}`` is replaced. Default: unset.
"""

OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN = "OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN

Token that the debug endpoint requires, as Bearer or as the password of Basic. Default: unset.
"""

OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN_FILE = "OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN_FILE"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN_FILE

File with the token of the debug endpoint. Default: unset.
"""

OTEL_PYTHON_CONCURRENCY_DEBUG_TLS_CERT = "OTEL_PYTHON_CONCURRENCY_DEBUG_TLS_CERT"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_DEBUG_TLS_CERT

Certificate file of the debug endpoint. Default: unset.
"""

OTEL_PYTHON_CONCURRENCY_DEBUG_TLS_KEY = "OTEL_PYTHON_CONCURRENCY_DEBUG_TLS_KEY"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_DEBUG_TLS_KEY

Key file of the debug endpoint. Default: unset.
"""

OTEL_PYTHON_CONCURRENCY_DEBUG_INSECURE = "OTEL_PYTHON_CONCURRENCY_DEBUG_INSECURE"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_DEBUG_INSECURE

Allows an address that is reachable from other hosts with a token but without TLS. Default: ``false``.
"""

OTEL_PYTHON_CONCURRENCY_AGENT_DISABLED = "OTEL_PYTHON_CONCURRENCY_AGENT_DISABLED"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_AGENT_DISABLED

Disables the unix socket for the command line. Default: ``false``.
"""

OTEL_PYTHON_CONCURRENCY_AGENT_DIR = "OTEL_PYTHON_CONCURRENCY_AGENT_DIR"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_AGENT_DIR

Absolute path of the directory of the unix sockets. Default: ``/tmp/otel-concurrency-<uid>``. If it is not set,
``$XDG_RUNTIME_DIR`` is preferred, provided that only the user can access it.
"""

OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL = "OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL

Allows the command line to cancel tasks of this process; from environment or code only. Default: ``false``.
"""

OTEL_PYTHON_CONCURRENCY_DUMP_SIGNAL = "OTEL_PYTHON_CONCURRENCY_DUMP_SIGNAL"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_DUMP_SIGNAL

Name of a signal, such as ``USR2``, on which the process writes the grouped profile to stderr. Default: unset.
"""
