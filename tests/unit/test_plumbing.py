"""Which modules are plumbing: they only pass creations on."""

import pytest

from opentelemetry.instrumentation.concurrency.record.plumbing import is_plumbing


@pytest.mark.parametrize(
    "module",
    [
        "asyncio.tasks",
        "concurrent.futures.thread",
        "threading",
        "wrapt.wrappers",
        "anyio._backends._asyncio",
        "uvloop",
        "opentelemetry.instrumentation.threading",
        "sentry_sdk.integrations.asyncio",
        "sentry_sdk",
        "ddtrace.contrib.asyncio",
    ],
)
def test_is_plumbing_module_that_passes_creations_on(module):
    assert is_plumbing(module)


@pytest.mark.parametrize("module", ["shop.search", "asyncio_helpers", "sentry_sdk_extras", "concurrent", "", None, 3])
def test_is_plumbing_other_module_is_not(module):
    assert not is_plumbing(module)
