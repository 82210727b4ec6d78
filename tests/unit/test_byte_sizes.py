"""Sizes as text."""

import pytest

from opentelemetry.instrumentation.concurrency.byte_sizes import size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (40_249_000, "40.2 MB"),
        (99_960_000, "100 MB"),
        (999_600_000, "1.0 GB"),
        (5_000_000_000_000_000, "5000 TB"),
    ],
)
def test_size_text_has_a_decimal_unit(size, text):
    assert size_text(size) == text
