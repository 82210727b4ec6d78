"""Checks of the variables that turn the instrumentation off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ..setting_values import TRUE_WORDS
from .finding import Finding

_PREFIX: Final = "OTEL_PYTHON_CONCURRENCY_"


def from_environment(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield findings from the variables of a process."""

    def is_true(name: str) -> bool:
        return environment.get(name, "").strip().lower() in TRUE_WORDS

    for name in (f"{_PREFIX}DISABLED", "OTEL_SDK_DISABLED", f"{_PREFIX}AGENT_DISABLED"):
        if is_true(name):
            yield Finding("bad", f"{name}={environment[name]} disables it.", f"Unset {name} and restart.")
    disabled = [each.strip() for each in environment.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")]
    if "concurrency" in disabled or "*" in disabled:
        yield Finding(
            "bad",
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS disables this package.",
            "Remove 'concurrency' from that list and restart.",
        )
    if environment.get("OTEL_CONFIG_FILE"):
        yield Finding("note", f"OTEL_CONFIG_FILE={environment['OTEL_CONFIG_FILE']} configures the SDK.")
