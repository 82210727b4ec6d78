"""The states of a row, as they stand in columns."""

from typing import get_args

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.states import VERDICT_NAMES, ProofState, RowVerdict
from opentelemetry.instrumentation.concurrency.diagnose.verdict.group import Verdict


@pytest.mark.parametrize("states", [RowVerdict, ProofState])
def test_states_fit_into_a_byte_and_begin_with_that_of_a_new_row(states):
    """A new row is filled with zero."""
    values = sorted(states)
    assert bytearray(values) == bytearray(range(len(values)))
    assert states(0).name in ("NONE", "NEW")


def test_verdict_names_are_those_of_the_contract():
    assert set(VERDICT_NAMES.values()) <= set(get_args(Verdict))
    assert VERDICT_NAMES[RowVerdict.UNWAKEABLE] == "unwakeable"
    assert set(VERDICT_NAMES) == set(RowVerdict) - {RowVerdict.NONE}
