"""Why a mutant that no unit test finds may stay, by its key."""

_LIMIT = "Only moves a limit by one: what is cut, forgotten or refused above it is tested with a smaller limit."
_NEWER = "Concerns newer Pythons than the one that runs this; the unit tests run on those as well."
_COST = "Equivalent in results: what is remembered is found again, at a higher cost."

REASONS: dict[str, str] = {
    "census/columns.py sweep: len(self._dropped[0]) > _MOST_DROPPED → len(self._dropped[0]) >= _MOST_DROPPED": _LIMIT,
    "census/schedule.py __init__: 0.0 → 1.0 (number 4)": "Equivalent: `begin` sets the time before anything reads it.",
    "census/unrecorded.py : 20000 → 20001": _LIMIT,
    "diagnose/growth/stack_requests.py _is_worthwhile: rate <= MOST_PER_SECOND → rate < MOST_PER_SECOND": _LIMIT,
    "diagnose/impact/exclusive.py : 2000000 → 2000001": _LIMIT,
    "diagnose/introspection/await_chain.py _cython_fields: removed: _cython_kinds[id(kind)] = (kind, found)": _COST,
    "diagnose/introspection/swallowed_cancels.py _waits_on: seen > _MOST_AWAITED → seen >= _MOST_AWAITED": _LIMIT,
    "diagnose/ownership/owners.py owning_tasks: removed: seen.add(id(owner))": (
        "Equivalent in results: the owners are kept by their addresses. Futures do not own each other in a ring."
    ),
    "diagnose/proof/closure.py _evaluate: True → False (number 2)": "Equivalent: both lists have the same length.",
    "diagnose/proof/schedule.py _is_of_all: since >= self._interval_s * (_PATIENCE if has_first else 1) → "
    "since > self._interval_s * (_PATIENCE if has_first else 1)": _LIMIT,
    "diagnose/proof/wakeability.py _judge: removed: live.spread(kept_by_objects(objects, accounts, index))": _NEWER,
    "diagnose/proof/woken_by_handles.py run: 1 → 2": "Equivalent: any negative number means that nothing is left.",
    "record/application.py : 100000 → 100001": _LIMIT,
    "record/bytecode.py : 1 → 2 (number 2)": "Equivalent: the number of an instruction that this Python does not have.",
    "record/bytecode.py _scan: condition reversed: opcode == _STORE_BOTH": _NEWER,
    "record/bytecode.py awaited_calls: len(_known_awaited) >= _MAX_KNOWN → len(_known_awaited) > _MAX_KNOWN": _LIMIT,
    "record/frame_locals.py : 13 → 14": _NEWER,
    "record/own_thread.py join_before_fork: time.monotonic() < end_at → time.monotonic() <= end_at": _LIMIT,
    "record/recorder_check.py get_debug: False → True": (
        "Equivalent: the self-check makes its tasks on a loop that knows no source tracebacks."
    ),
    "record/site.py want_stacks: self.samples_until_stack > 1 → self.samples_until_stack >= 1": (
        "Equivalent: for a stack that is due at the next creation, nothing is added."
    ),
    "record/site_table.py _stand_in: condition reversed: len(self._stand_ins) >= _MOST_TRIED": _COST,
    "record/tasks.py create_task: (frame := frame.f_back).f_code is by_gather → "
    "(frame := frame.f_back).f_code is not by_gather": (
        "Equivalent: skipping asyncio's own callers here only saves the walk that skips them as plumbing."
    ),
    "record/tasks.py create_task: module_of(1) != plumbing → module_of(1) == plumbing": _NEWER,
    "record/tasks.py create_task_hook: (None,) * 3 → (None,) + 3": _NEWER,
    "report/sdk_limits.py _cut_stack: 0 → 1 (number 3)": (
        "Equivalent: the first of the remaining entries is counted as cut and never shown, whichever it is."
    ),
}
