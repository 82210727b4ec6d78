"""The diagnosis' memory moves with the rows of the census."""

from weakref import ref

import pytest
from census_rows import Rows

from opentelemetry.instrumentation.concurrency.census.columns import Columns
from opentelemetry.instrumentation.concurrency.diagnose.row_memory import DiagnosisMemory, RowMemory

SITE = Rows().site()


class Thing:
    """Stands for a task."""


@pytest.fixture
def columns():
    return Columns(lambda _thing: False)


def add(columns, count):
    made = [Thing() for _ in range(count)]
    for thing in made:
        columns.add(thing, ref(thing), SITE, 1.0, None, None)
    return made


def test_row_memory_of_known_rows_is_empty(columns):
    things = add(columns, 2)
    memory = RowMemory(columns)
    assert list(memory.creator_ended_at) == [0.0, 0.0]
    assert [*memory.suspected_scans, *memory.verdict, *memory.proof] == [0] * 6
    del things


def test_row_memory_new_row_gets_an_empty_entry(columns):
    memory = RowMemory(columns)
    things = add(columns, 1)
    assert (list(memory.creator_ended_at), memory.suspected_scans, memory.verdict, memory.proof) == (
        [0.0],
        bytearray(1),
        bytearray(1),
        bytearray(1),
    )
    del things


def test_row_memory_moves_with_its_rows(columns):
    memory = RowMemory(columns)
    things = add(columns, 3)
    memory.creator_ended_at[2], memory.verdict[2], memory.proof[2], memory.suspected_scans[2] = 7.0, 1, 2, 3
    del things[0]
    columns.sweep(10, {}, lambda: None, (100.0,))
    assert list(memory.creator_ended_at) == [0.0, 7.0]
    assert [*memory.verdict, *memory.proof, *memory.suspected_scans] == [0, 1, 0, 2, 0, 3]


def test_row_memory_clear_verdicts_keeps_the_column(columns):
    memory = RowMemory(columns)
    things = add(columns, 2)
    column = memory.verdict
    memory.verdict[1] = memory.proof[1] = 1
    memory.clear_verdicts()
    assert memory.verdict is column
    assert (memory.verdict, memory.proof) == (bytearray(2), bytearray((0, 1)))
    del things


def test_diagnosis_memory_is_one_per_rows(columns):
    memory = DiagnosisMemory()
    assert memory.of(columns) is memory.of(columns)
    assert memory.of(columns) is not memory.of(Columns(bool))
