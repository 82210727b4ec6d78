"""Plumbing: modules that only pass creations on and are never creation sites."""

from __future__ import annotations

from typing import Final

_PLUMBING: Final = (
    "asyncio",
    "concurrent.futures",
    "threading",
    "wrapt",
    "anyio",
    "uvloop",
    "opentelemetry.instrumentation",
    "sentry_sdk",
    "ddtrace",
)
_PREFIXES: Final = tuple(f"{name}." for name in _PLUMBING)


def is_plumbing(module: object) -> bool:
    """Return whether a module only passes creations on: asyncio, executors, wrappers and instrumentations."""
    return type(module) is str and (module in _PLUMBING or module.startswith(_PREFIXES))
