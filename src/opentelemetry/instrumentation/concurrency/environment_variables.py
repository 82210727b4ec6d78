"""The environment variables that configure this package, one constant each. `settings.py` says how they are read."""

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

Between two looks at what is alive; stretched so that scanning stays under 1 % of one core. Default: ``5s``.
"""

OTEL_PYTHON_CONCURRENCY_GROWTH_WINDOW = "OTEL_PYTHON_CONCURRENCY_GROWTH_WINDOW"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_GROWTH_WINDOW

Window of the growth rule. Default: ``1m``.
"""

OTEL_PYTHON_CONCURRENCY_GROWTH_SCANS = "OTEL_PYTHON_CONCURRENCY_GROWTH_SCANS"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_GROWTH_SCANS

How many windows in a row a growing site must not fall. Default: ``5``.
"""

OTEL_PYTHON_CONCURRENCY_GROWTH_MIN = "OTEL_PYTHON_CONCURRENCY_GROWTH_MIN"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_GROWTH_MIN

Least rise of a growing site. Default: ``20``.
"""

OTEL_PYTHON_CONCURRENCY_LIVE_LIMIT = "OTEL_PYTHON_CONCURRENCY_LIVE_LIMIT"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_LIVE_LIMIT

A site with more live ones than this, without owner and not waiting for the network, is suspected at once. Default:
``10000``.
"""

OTEL_PYTHON_CONCURRENCY_RESIDENT_LIMIT = "OTEL_PYTHON_CONCURRENCY_RESIDENT_LIMIT"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_RESIDENT_LIMIT

Live ones up to which a site may be resident; ``0``: there are no residents. Default: ``20``.
"""

OTEL_PYTHON_CONCURRENCY_RESIDENT_WINDOW = "OTEL_PYTHON_CONCURRENCY_RESIDENT_WINDOW"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_RESIDENT_WINDOW

First window of a site, whose peak the residents keep to. Default: ``1m``.
"""

OTEL_PYTHON_CONCURRENCY_BLOCKED_AGE = "OTEL_PYTHON_CONCURRENCY_BLOCKED_AGE"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_BLOCKED_AGE

An event loop that does not answer for so long is reported with the stack that blocks it; ``0`` is never. Default:
``1s``.
"""

OTEL_PYTHON_CONCURRENCY_MAX_SITES = "OTEL_PYTHON_CONCURRENCY_MAX_SITES"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_MAX_SITES

Sites with metric series of their own, tasks and threads together; the rest is summed in ``_OTHER``. Default: ``100``.
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

Frames kept of a creation stack. Default: ``32``.
"""

OTEL_PYTHON_CONCURRENCY_STACK_SAMPLING = "OTEL_PYTHON_CONCURRENCY_STACK_SAMPLING"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_STACK_SAMPLING

The first creation of a site and then one in so many records the whole stack; ``1`` is all, ``0`` never. Default:
``128``.
"""

OTEL_PYTHON_CONCURRENCY_STACK_TEXT_LIMIT = "OTEL_PYTHON_CONCURRENCY_STACK_TEXT_LIMIT"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_STACK_TEXT_LIMIT

Bytes of a stack text in telemetry. Default: ``2000``.
"""

OTEL_PYTHON_CONCURRENCY_IGNORE = "OTEL_PYTHON_CONCURRENCY_IGNORE"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_IGNORE

Comma list of globs on ``module.function`` or file path, or fingerprints: never orphans, never suspects. Default:
unset.
"""

OTEL_PYTHON_CONCURRENCY_REPORTS = "OTEL_PYTHON_CONCURRENCY_REPORTS"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_REPORTS

``auto``, ``span``, ``log`` or ``none``. Default: ``auto``.
"""

OTEL_PYTHON_CONCURRENCY_REPORT_LIMIT = "OTEL_PYTHON_CONCURRENCY_REPORT_LIMIT"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_REPORT_LIMIT

Reports per scan. Default: ``10``.
"""

OTEL_PYTHON_CONCURRENCY_REPORT_REPEAT = "OTEL_PYTHON_CONCURRENCY_REPORT_REPEAT"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_REPORT_REPEAT

The same group is reported again after this, doubling each time. Default: ``10m``.
"""

OTEL_PYTHON_CONCURRENCY_REPORT_SOURCE = "OTEL_PYTHON_CONCURRENCY_REPORT_SOURCE"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_REPORT_SOURCE

Source lines in stack texts. Default: ``false``.
"""

OTEL_PYTHON_CONCURRENCY_REPORT_NAMES = "OTEL_PYTHON_CONCURRENCY_REPORT_NAMES"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_REPORT_NAMES

Task and thread names in reports. Default: ``true``.
"""

OTEL_PYTHON_CONCURRENCY_PROOF_INTERVAL = "OTEL_PYTHON_CONCURRENCY_PROOF_INTERVAL"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_PROOF_INTERVAL

How often the proof runs; ``0`` is only on request. Default: ``10m``.
"""

OTEL_PYTHON_CONCURRENCY_EVENTLOOP_DELAY_DISABLED = "OTEL_PYTHON_CONCURRENCY_EVENTLOOP_DELAY_DISABLED"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_EVENTLOOP_DELAY_DISABLED

No event-loop delay, no blocked reports. Default: ``false``.
"""

OTEL_PYTHON_CONCURRENCY_DEBUG_ADDRESS = "OTEL_PYTHON_CONCURRENCY_DEBUG_ADDRESS"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_DEBUG_ADDRESS

Where the debug endpoints listen: ``127.0.0.1:6080`` or ``unix:/path``; ``{pid}`` is replaced. Default: unset.
"""

OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN = "OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN

Token that the debug endpoints ask for: Bearer, or the password of Basic. Default: unset.
"""

OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN_FILE = "OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN_FILE"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN_FILE

File that holds the token of the debug endpoints. Default: unset.
"""

OTEL_PYTHON_CONCURRENCY_DEBUG_TLS_CERT = "OTEL_PYTHON_CONCURRENCY_DEBUG_TLS_CERT"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_DEBUG_TLS_CERT

Certificate file of the debug endpoints. Default: unset.
"""

OTEL_PYTHON_CONCURRENCY_DEBUG_TLS_KEY = "OTEL_PYTHON_CONCURRENCY_DEBUG_TLS_KEY"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_DEBUG_TLS_KEY

Key file of the debug endpoints. Default: unset.
"""

OTEL_PYTHON_CONCURRENCY_DEBUG_INSECURE = "OTEL_PYTHON_CONCURRENCY_DEBUG_INSECURE"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_DEBUG_INSECURE

Allow an address that can be reached from outside with a token and without TLS. Default: ``false``.
"""

OTEL_PYTHON_CONCURRENCY_AGENT_DISABLED = "OTEL_PYTHON_CONCURRENCY_AGENT_DISABLED"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_AGENT_DISABLED

No unix socket for the command line. Default: ``false``.
"""

OTEL_PYTHON_CONCURRENCY_AGENT_DIR = "OTEL_PYTHON_CONCURRENCY_AGENT_DIR"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_AGENT_DIR

Absolute path of the directory of the unix sockets. Default: ``/tmp/otel-concurrency-<uid>``.
"""

OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL = "OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL

Lets the command line cancel tasks of this process; from environment or code only. Default: ``false``.
"""

OTEL_PYTHON_CONCURRENCY_DUMP_SIGNAL = "OTEL_PYTHON_CONCURRENCY_DUMP_SIGNAL"
"""
.. envvar:: OTEL_PYTHON_CONCURRENCY_DUMP_SIGNAL

A signal, such as ``USR2``, that writes the grouped profile to stderr. Default: unset.
"""
