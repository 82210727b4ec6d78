"""Private names of the OpenTelemetry SDK and API; `creator.raw_context` has those of the API's context.

Without these names, the limits of the environment variables apply.
"""

from __future__ import annotations

from typing import Final

TRACER_LIMITS: Final = "_span_limits"
"""Field with the limits of the spans that a tracer creates."""
SPAN_LIMITS: Final = "_limits"
"""Field with the limits of one span."""
LOGGER_LIMITS: Final = "_log_record_limits"
"""Field with the limits of the records that a logger emits."""
REAL: Final = ("_real_tracer", "_real_logger", "_tracer", "_logger")
"""Fields with the real tracer or logger: one that was requested before a provider was set is a proxy."""
