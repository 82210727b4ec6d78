"""Instruments the process it is imported into, if the environment says so.

Lies in the site-packages of each environment beside a ``.pth`` file that imports it: every interpreter that a test
starts is instrumented as well, the isolated ones too, which take no notice of ``PYTHONPATH``.
"""

import os

if os.environ.get("TRANSPARENCY_HOW") == "instrumented":
    from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor

    ConcurrencyInstrumentor().instrument()
