"""The variables that hold the leaks of a test, and advice on them."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from weakref import ReferenceType

from ..census.pace import no_pause
from ..record.interpreter import FREE_THREADED_BUILD
from .leak import Leak
from .leftover import Leftover
from .recording import recording

if TYPE_CHECKING:
    from ..diagnose.impact.holders import Holders
    from ..diagnose.proof.closure import Cut

_MOST: Final = 20
"""Maximum number of leaks whose holders are sought."""


def with_impact(leaks: list[Leak], left: list[Leftover]) -> list[Leak]:
    """Return leaks with the names of what holds them and what they wait for, and advice, for the first `_MOST`."""
    return leaks if FREE_THREADED_BUILD else _of_threads(_of_tasks(leaks, left), left)


def _of_tasks(leaks: list[Leak], left: list[Leftover]) -> list[Leak]:
    references = {one.serial: one.reference for one in left if one.kind == "task"}
    serials = [leak.serial for leak in leaks if leak.kind == "task" and leak.serial in references][:_MOST]
    if not serials:
        return leaks
    from ..diagnose.impact.holders import find_holders
    from ..diagnose.proof.closure import Cut
    from ..diagnose.proof.wakeability import alive

    census = recording().census
    cut = Cut(census.loops)
    application = {leak.site.function.partition(".")[0] for leak in leaks}
    groups = [[references[serial]] for serial in serials]
    others = alive(list(census.tasks.references))
    holders, _ = find_holders(groups, others, census.loops, application, cut, no_pause)
    found = dict(zip(serials, holders, strict=True))
    leaked = {id(task) for task in alive(references.values())}
    return [
        _with_texts(leak, references[leak.serial], found[leak.serial], leaked, cut)
        if leak.kind == "task" and leak.serial in found
        else leak
        for leak in leaks
    ]


def _of_threads(leaks: list[Leak], left: list[Leftover]) -> list[Leak]:
    references = {one.serial: one.reference for one in left if one.kind == "thread"}
    serials = [leak.serial for leak in leaks if leak.kind == "thread" and leak.serial in references][:_MOST]
    if not serials:
        return leaks
    from ..diagnose.executors import living_executors
    from ..diagnose.impact.thread_advice import advice_on_thread, thread_facts_on
    from ..diagnose.impact.thread_holders import find_thread_holders
    from ..diagnose.proof.closure import Cut

    census = recording().census
    application = {leak.site.function.partition(".")[0] for leak in leaks}
    groups = [[references[serial]] for serial in serials]
    executors = (executor for executor, _ in living_executors(census))
    holders = find_thread_holders(groups, executors, census.loops, application, Cut(census.loops), no_pause)
    found = dict(zip(serials, holders, strict=True))
    described = []
    for leak in leaks:
        thread = references[leak.serial]() if leak.kind == "thread" and leak.serial in found else None
        if thread is not None:
            advice = advice_on_thread(thread_facts_on(thread, leak.verdict or "", leak.site.function))
            names = found[leak.serial]
            leak = replace(leak, held_by=names.held_by, waits_on=names.waits_on, advice=advice)  # noqa: PLW2901
        described.append(leak)
    return described


def _with_texts(leak: Leak, reference: ReferenceType[Any], holders: Holders, leaked: Container[int], cut: Cut) -> Leak:
    from ..diagnose.impact.advice import advice_on, facts_on
    from ..diagnose.proof.wakeability import alive

    advice = ""
    for task in alive([reference]):
        verdict, creator = leak.verdict or "", leak.site.function
        facts = facts_on(task, verdict, creator, waits_on=holders.waits_on, leaked=leaked, cut=cut)
        advice = advice_on(facts)
    return replace(leak, held_by=holders.held_by, waits_on=holders.waits_on, advice=advice)
