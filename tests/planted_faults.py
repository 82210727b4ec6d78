"""Faults that unit tests must find: each is planted in a copy of the source, and one test must fail.

``make faults`` plants all of them; ``make faults ONLY=patch`` those whose module or test contains the word.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from mutation.source_copy import SourceCopy

_TIMEOUT_S = 60.0


class Fault(NamedTuple):
    """One change to one module, and the test that must fail.

    Attributes:
        what: What goes wrong.
        module: The module, by its path in the package.
        old: A text that occurs once in it.
        new: What takes its place.
        test: The test below ``tests/unit``.
    """

    what: str
    module: str
    old: str
    new: str
    test: str


FAULTS = (
    Fault(
        "a cycle that others hold counts as memory of the leak",
        "diagnose/impact/exclusive.py",
        "held = bytearray(count > 0 for count in paced(self._missing, self._pause))",
        "held = bytearray(len(self._missing))",
        "test_impact_memory.py::TestExclusive::test_cycle_that_others_hold_is_left_out",
    ),
    Fault(
        "the size of an object is what its class says",
        "diagnose/impact/sizes.py",
        "        if type(method) is not MethodDescriptorType:\n            if method is not None:",
        "        if method is None:\n            if method is not None:",
        "test_impact_memory.py::TestForeignCode::test_class_with_its_own_sizeof_is_named",
    ),
    Fault(
        "a local variable with one task is what holds a thousand",
        "diagnose/impact/holders.py",
        'return max(names, key=names.__getitem__) if names else ""',
        'return next(iter(names), "")',
        "test_holders.py::TestNames::test_tasks_are_held_by_the_collection_that_has_them",
    ),
    Fault(
        "a task that waits under a lock gets the advice to cancel",
        "diagnose/impact/advice.py",
        "return bool(tasks) and all(id(task) in leaked for task in tasks)",
        "return False",
        "test_advice.py::test_keeps_lock_needs_a_leaked_task_that_waits_for_it",
    ),
    Fault(
        "a thread of a library that runs the application gets the advice to close the library",
        "diagnose/impact/thread_advice.py",
        "not any(is_application_path(frame.path) for frame in own)",
        "not is_application_path(own[0].path)",
        "test_thread_advice.py::test_thread_of_a_library_that_runs_a_callback_is_of_the_application",
    ),
    Fault(
        "a leaked thread is held by its own variables",
        "diagnose/impact/thread_holders.py",
        "pause, skipped=leaked)",
        "pause)",
        "test_thread_holders.py::test_variables_of_the_leaked_thread_itself_do_not_count",
    ),
    Fault(
        "the largest wait of a growing site decides about advice, however small",
        "diagnose/impact/impact.py",
        "alike >= _MOST * group.members.total",
        "alike > 0",
        "test_impact_watch.py::test_growing_group_gets_advice_if_most_wait_alike",
    ),
    Fault(
        "a failure to count hides the warning",
        "record/unawaited.py",
        "except Exception:  # noqa: BLE001, S110 (it runs within",
        "except KeyError:  # noqa: S110 (it runs within",
        "test_unawaited_coroutines.py::test_failure_to_count_keeps_the_warning",
    ),
    Fault(
        "a task that an asynchronous generator starts counts as a generator left half way",
        "record/generators.py",
        "if site.lasti >= 0 or site.code is None",
        "if site.code is None",
        "test_generators_left.py::test_generators_that_end_or_are_closed_are_not_counted",
    ),
    Fault(
        "creation stacks are cut to a third of STACK_DEPTH",
        "record/creation_stack.py",
        "longest = 3 * depth",
        "longest = depth",
        "test_creation_stack.py::test_read_stack_deeper_than_limit_keeps_all_of_the_limit",
    ),
    Fault(
        "sentry_sdk is not plumbing",
        "record/plumbing.py",
        '    "sentry_sdk",\n',
        "",
        "test_plumbing.py::test_is_plumbing_module_that_passes_creations_on",
    ),
    Fault(
        "a MemoryError removes the hook",
        "record/failure.py",
        "(RecursionError, MemoryError)",
        "(RecursionError,)",
        "test_hook_failure.py::test_error_of_the_applications_state_leaves_the_hook",
    ),
    Fault(
        "a removed hook on an inherited attribute leaves a copy of it",
        "record/patch.py",
        "delattr(self.owner, self.name)",
        "setattr(self.owner, self.name, below)",
        "test_patch.py::test_patch_inherited_attribute_is_deleted_on_removal",
    ),
    Fault(
        "CONSUMER spans are not entry spans",
        "record/creator.py",
        "(SpanKind.SERVER, SpanKind.CONSUMER)",
        "(SpanKind.SERVER,)",
        "test_creator_span.py::test_entry_ended_of_a_request_or_message_follows_its_end",
    ),
    Fault(
        "drain drops what is created meanwhile",
        "record/young.py",
        "del entries[: len(taken)]",
        "entries.clear()",
        "test_young_list.py::test_drain_leaves_entries_created_meanwhile",
    ),
    Fault(
        "age.max of a series reports its youngest site",
        "report/series.py",
        "min(oldest, tally.oldest_at)",
        "max(oldest, tally.oldest_at)",
        "test_metric_series.py::test_age_max_of_a_shared_series_is_the_oldest",
    ),
    Fault(
        "age.max of a site reports its youngest task",
        "census/columns.py",
        "if born < counted[1]:",
        "if born > counted[1]:",
        "test_columns.py::test_sweep_counts_live_ones_and_the_oldest_per_site",
    ),
    Fault(
        "an unrecorded task is entered at first sight",
        "census/unrecorded.py",
        "if at_once or (met is not None and met() is found):",
        "if at_once or met is None or met() is found:",
        "test_unrecorded.py::test_to_enter_at_first_sight_enters_nothing",
    ),
    Fault(
        "a loop that does not run counts as stopped at once",
        "census/loops.py",
        "and now - self._last_running.get(loop, now) >= age",
        "",
        "test_loop_registry.py::test_ended_loop_that_just_stopped_is_not",
    ),
    Fault(
        "one scan is enough for an orphan",
        "diagnose/ownership/orphans.py",
        "_SCANS_TO_BE_SURE: Final = 2",
        "_SCANS_TO_BE_SURE: Final = 1",
        "test_orphan_search.py::test_orphan_needs_the_age_limit_and_two_scans",
    ),
    Fault(
        "a verdict does not extend to unsampled requests",
        "diagnose/ownership/orphans.py",
        "if rows and here.youngest_by_span is not None:",
        "if False:",
        "test_orphan_search.py::test_orphans_of_sampled_requests_extend_to_unsampled_ones",
    ),
    Fault(
        "a rise within three standard deviations is growth",
        "diagnose/growth/growth.py",
        "max(_SLOW_RISE if slow else self._minimum, 3 * sqrt(count))",
        "_SLOW_RISE if slow else self._minimum",
        "test_growth.py::test_rise_within_three_standard_deviations_is_chance",
    ),
    Fault(
        "IGNORE does not match relative paths",
        "diagnose/ownership/ignored.py",
        "or fnmatchcase(relative_path(site.path), glob)",
        "",
        "test_ignore_list.py::test_holds_site_by_function_coroutine_or_path",
    ),
    Fault(
        "a long_lived block is not respected at exit",
        "diagnose/left_at_exit.py",
        " or declared_task(task, creator) is not None",
        "",
        "test_left_at_exit.py::test_left_at_exit_task_of_a_declared_block_is_left_out",
    ),
    Fault(
        "a long_lived function is not respected at exit",
        "diagnose/left_at_exit.py",
        " or declared_function(site.runs) is not None",
        "",
        "test_left_at_exit.py::test_left_at_exit_declared_coroutine_is_left_out",
    ),
    Fault(
        "the proof judges one site before the next",
        "diagnose/proof/schedule.py",
        "_take_in_turn(wanted, chosen, size)",
        "chosen.update((row, None) for rows in wanted for row in rows)",
        "test_proof_schedule.py::test_proof_of_too_many_takes_one_of_each_site_in_turn",
    ),
    Fault(
        "a garbage collection during the proof is ignored",
        "diagnose/proof/closure.py",
        "if _collections(reading.pop()) != _collections(reading.pop(0)):",
        "if _collections(reading.pop()) != _collections(reading.pop(0)) and False:",
        "test_closure.py::test_account_interrupted_by_collection_returns_none",
    ),
    Fault(
        "the first proof of many tasks uses up the CPU time of its confirmation",
        "diagnose/proof/schedule.py",
        "size = MAX_SUSPECTS if of_all else self._size(counted, scan.at)",
        "size = MAX_SUSPECTS",
        "test_proof_schedule.py::test_proof_of_many_new_tasks_leaves_time_to_confirm",
    ),
    Fault(
        "a reference that equals the registry's own counts as that one",
        "diagnose/proof/roots.py",
        "_callback_of(reference) is remove and ",
        "",
        "test_unwakeable_holders.py::test_healthy_wait_is_not_proven[finished_task_of_a_weak_set-asyncio]",
    ),
    Fault(
        "a watchdog's variables lead no further than one attribute",
        "diagnose/proof/woken_by_handles.py",
        "_STEPS_THROUGH_ATTRIBUTES: Final = 3",
        "_STEPS_THROUGH_ATTRIBUTES: Final = 1",
        "test_unwakeable_loop.py::test_healthy_wait_is_not_proven[watchdog_that_cancels_three_attributes_away-asyncio]",
    ),
    Fault(
        "REPORT_LIMIT keeps the smallest groups",
        "report/scheduler.py",
        "key=lambda item: -item[1].count",
        "key=lambda item: item[1].count",
        "test_report_scheduler.py::test_scan_over_the_limit_reports_the_largest_groups_first",
    ),
    Fault(
        "counters are counted twice when a site leaves _OTHER",
        "report/series.py",
        "given[name] = column[place]",
        "given[name] = 0",
        "test_metric_series.py::test_counters_never_fall_when_a_site_leaves_other",
    ),
    Fault(
        "the creator's span gets the stacks",
        "report/sinks.py",
        "fit(without_stacks, limits.event)",
        "fit(attributes, limits.event)",
        "test_sinks.py::test_send_creators_span_gets_the_event_without_stacks",
    ),
    Fault(
        "the creator's span gets the event with every repeated report",
        "report/reporter.py",
        "if added in self._creator_spans:",
        "if False:",
        "test_reporter.py::test_scan_to_creator_span_gets_each_group_once",
    ),
    Fault(
        "every thread name is an attribute value of its own",
        "report/eventloop_delay.py",
        "if len(self._names) >= MAX_THREAD_NAMES:",
        "if False:",
        "test_eventloop_delay.py::test_thread_names_are_bounded",
    ),
    Fault(
        "a site is resolved while another verdict stands",
        "report/reporter.py",
        "if site is not None and site not in judged:",
        "if site is not None:",
        "test_reporter.py::test_scan_site_under_another_verdict_is_not_resolved",
    ),
    Fault(
        "a cut stack text is not marked",
        "report/stack_text.py",
        "kept.append(mark if used + len(mark) <= limit_bytes else mark[: max(0, limit_bytes - used)])",
        "pass",
        "test_stack_text.py::test_stack_text_over_the_limit_keeps_innermost_and_marks",
    ),
)


def find(copy: SourceCopy, fault: Fault) -> str:
    """Plant a fault and return what its test says: ``found`` if it fails."""
    text = copy.text(fault.module)
    if text.count(fault.old) != 1:
        return f"NOT PLANTED: the text occurs {text.count(fault.old)} times, expected once"
    with copy.changed(fault.module, text.replace(fault.old, fault.new)):
        outcome = copy.run([fault.test], _TIMEOUT_S)
    return "found" if outcome == "failed" else f"NOT FOUND: the test {outcome}\n{copy.last_output}"


def _modules() -> list[str]:
    return sorted({fault.module for fault in FAULTS})


def main() -> int:
    """Plant the faults that are asked for and print a table; return 1 unless all were found."""
    words = sys.argv[1:]
    chosen = [fault for fault in FAULTS if all(word in f"{fault.module} {fault.test}" for word in words)]
    if not chosen:
        print(f"No fault has {' and '.join(words)} in its module or test; the modules: {', '.join(_modules())}")
        return 2
    missed = 0
    with tempfile.TemporaryDirectory() as directory:
        copy = SourceCopy(Path(directory))
        if copy.run([fault.test for fault in chosen], _TIMEOUT_S) != "passed":
            print(f"The tests do not pass without a fault:\n{copy.last_output}")
            return 1
        for fault in chosen:
            began = time.monotonic()
            result = find(copy, fault)
            missed += result != "found"
            print(f"{result:<6} {time.monotonic() - began:4.1f} s  {fault.what}  ({fault.test})", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} faults found")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
