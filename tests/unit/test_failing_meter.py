"""A meter provider that fails after the start."""

import logging

from opentelemetry.metrics import NoOpMeter

from opentelemetry.instrumentation.concurrency.report.metrics import Histograms


class FailingMeter(NoOpMeter):
    """Its histograms raise when something is recorded."""

    def create_histogram(self, *args, **kwargs):
        made = super().create_histogram(*args, **kwargs)

        def record(*_):
            raise RuntimeError("the provider is shut down")

        made.record = record
        return made


def test_failure_of_the_provider_is_logged_once(caplog):
    histograms = Histograms(FailingMeter("test"))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            histograms.record_scan(0.1)
            histograms.record_delay(0.1, "MainThread")
    assert [record.message for record in caplog.records] == [
        "The meter provider failed; later failures are not logged."
    ]
