"""The limits that the documentation states are those of the code."""

from pathlib import Path

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.proof import batches, closure, holding_threads, schedule
from opentelemetry.instrumentation.concurrency.diagnose.proof import woken_by_handles as walk

HOW = (Path(__file__).parents[2] / "docs" / "how-it-works.md").read_text()
ONE_LINE = " ".join(HOW.split())


@pytest.mark.parametrize(
    "sentence",
    [
        f"judged together, up to {closure.MAX_OBJECTS:,} objects",
        f"a collection with more than {closure.MOST_TASKS_THAT_JOIN} tasks",
        f"Small readings of the first {batches._LESSONS} tasks, "
        f"{closure.MAX_OBJECTS // batches._LESSON_SHARE:,} objects each",
        f"gives up such an attempt after {walk.FEW_OBJECTS:,} objects",
        f"follows up to {walk.MAX_OBJECTS:,} objects",
        f"at most {schedule.MAX_SUSPECTS:,} tasks or about two seconds",
        f"The first run takes {schedule._LEAST} tasks",
        "uses the name `run_coroutine_threadsafe`, `result`, `exception`, `cancel` or `as_completed`",
    ],
    ids=["closure", "crowd", "lessons", "short walk", "long walk", "run", "first run", "names"],
)
def test_documented_limit_of_the_proof_is_that_of_the_code(sentence):
    assert sentence in ONE_LINE


def test_documented_names_of_the_proof_are_all():
    names = holding_threads._ENDS
    assert names == {"run_coroutine_threadsafe", "result", "exception", "cancel", "as_completed"}
    assert schedule._WALKS_IN_TURN == 10 and "one attempt of ten" in ONE_LINE
    kept = schedule._KEPT_FOR_RESULTS_S / schedule._ALLOWANCE_S
    assert kept == pytest.approx(0.25, abs=0.03) and "leave a quarter of the CPU time at the start unused" in ONE_LINE
