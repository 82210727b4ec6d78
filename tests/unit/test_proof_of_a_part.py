"""A proof that lacks some of the tasks, or cannot read everything at once, proves nothing false.

Large services are examined by sample and in batches: what ends a task may then be in no proof, or in another batch.
"""

import pytest
import test_unwakeable_adversaries
import test_unwakeable_coroutines
import test_unwakeable_groups
import test_unwakeable_holders
import test_unwakeable_io
import test_unwakeable_loop
from healthy_waits import LOOPS, forget_registry, prove_then_wake, run_on

from opentelemetry.instrumentation.concurrency.diagnose.proof import batches, closure

MODULES = (
    test_unwakeable_holders,
    test_unwakeable_io,
    test_unwakeable_loop,
    test_unwakeable_adversaries,
    test_unwakeable_coroutines,
    test_unwakeable_groups,
)
WAITS = {name: wait for module in MODULES for name, wait in module.WAITS.items()}
of_every_wait = pytest.mark.parametrize("name", WAITS)


@pytest.fixture(autouse=True)
def nothing_over():
    yield
    forget_registry()


@of_every_wait
@pytest.mark.parametrize("loop", LOOPS)
def test_proof_over_one_task_of_a_healthy_wait_proves_nothing(name, loop):
    assert run_on(loop, prove_then_wake(WAITS[name], one_by_one=True, decides=False)) == []


@of_every_wait
@pytest.mark.parametrize("limit", [12, 25])
def test_proof_in_small_batches_of_a_healthy_wait_proves_nothing(name, limit, monkeypatch):
    """What was learned from one closure must not hide from another how its tasks end."""
    monkeypatch.setattr(closure.Closure.__init__, "__defaults__", (limit,))
    monkeypatch.setattr(batches, "_LESSON_SHARE", 2)
    for _ in range(2):
        assert run_on("asyncio", prove_then_wake(WAITS[name], decides=False)) == []
        forget_registry()
