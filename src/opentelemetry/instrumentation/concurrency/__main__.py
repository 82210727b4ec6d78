"""``python -m opentelemetry.instrumentation.concurrency``: the command ``otel-concurrency``."""

from __future__ import annotations

import sys

from .cli.main import main

sys.exit(main())
