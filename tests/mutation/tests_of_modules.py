"""Which unit tests belong to a module: those that import it, or those named here."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "opentelemetry" / "instrumentation" / "concurrency"
UNIT = ROOT / "tests" / "unit"
FOLDERS = ("record", "census", "diagnose", "report")

TESTED_THROUGH = {
    "census/census.py": ("test_unrecorded_tasks.py", "test_scan_schedule.py", "test_verdicts.py"),
    "diagnose/destroyed.py": ("test_last_waits.py", "test_endings.py"),
    "diagnose/diagnosis.py": ("test_verdicts_in_background.py", "test_stack_requests.py", "test_verdicts.py"),
    "diagnose/executors.py": ("test_verdicts.py",),
    "diagnose/growth/growing.py": ("test_verdicts_in_background.py",),
    "diagnose/growth/live_limit.py": ("test_verdicts_by_spawner.py",),
    "diagnose/growth/spawning_lines.py": ("test_verdicts_by_spawner.py",),
    "diagnose/growth/stack_requests.py": ("test_verdicts_in_background.py",),
    "diagnose/introspection/await_chain.py": ("test_await_chain.py", "test_await_chain_states.py"),
    "diagnose/introspection/c_calls.py": ("test_thread_wait_reason.py",),
    "diagnose/introspection/chain_coroutines.py": ("test_unwakeable_coroutines.py",),
    "diagnose/introspection/connections.py": ("test_connections.py",),
    "diagnose/introspection/fields.py": ("test_hostile_objects.py",),
    "diagnose/introspection/fingerprint.py": ("test_verdicts.py",),
    "diagnose/introspection/first_callbacks.py": ("test_wait_reason.py",),
    "diagnose/introspection/known_waits.py": (
        "test_wait_reason.py",
        "test_wait_reason_libraries.py",
        "test_wait_reason_io.py",
    ),
    "diagnose/introspection/loop_handles.py": ("test_unwakeable_loop.py", "test_proof.py"),
    "diagnose/introspection/stalls.py": ("test_verdicts.py",),
    "diagnose/introspection/waiting_place.py": ("test_representative.py",),
    "diagnose/left_over_threads.py": ("test_left_over_threads.py",),
    "diagnose/ownership/creator_ended.py": ("test_jobs.py", "test_verdicts.py"),
    "diagnose/ownership/infrastructure.py": ("test_machinery_threads.py", "test_left_over_threads.py"),
    "diagnose/ownership/orphans.py": ("test_verdicts.py", "test_connections.py"),
    "diagnose/ownership/owners.py": ("test_verdicts.py", "test_wait_graph.py", "test_hostile_objects.py"),
    "diagnose/ownership/residents.py": ("test_verdicts.py",),
    "diagnose/ownership/unrecorded.py": ("test_unrecorded_tasks.py",),
    "diagnose/proof/batches.py": ("test_proof_at_any_size.py",),
    "diagnose/proof/closure.py": ("test_unwakeable_holders.py",),
    "diagnose/proof/propagation.py": ("test_unwakeable_leaks.py", "test_unwakeable_collector.py"),
    "diagnose/proof/roots.py": ("test_proof.py", "test_unwakeable_holders.py"),
    "diagnose/proof/schedule.py": ("test_verdicts_in_background.py",),
    "diagnose/proof/wakeability.py": ("test_unwakeable_leaks.py", "test_proof.py"),
    "diagnose/proof/woken_by_handles.py": ("test_unwakeable_loop.py",),
    "diagnose/proof_now.py": ("test_render_profile.py",),
    "diagnose/verdict/finding.py": ("test_verdicts.py",),
    "diagnose/verdict/reason.py": ("test_verdicts_in_background.py", "test_verdicts.py"),
    "record/application.py": ("test_application_code.py",),
    "record/came_in.py": ("test_spawner_forms_passed_on.py", "test_spawner_forms.py"),
    "record/creating_line.py": ("test_spawner_forms.py", "test_spawner_forms_by_kind.py"),
    "record/enclosing.py": ("test_spawner_forms.py",),
    "record/endings.py": ("test_endings.py",),
    "record/fork.py": ("test_forks_from_threads.py",),
    "record/jobs.py": ("test_jobs.py",),
    "record/long_lived.py": ("test_long_lived_by_what_runs.py", "test_verdicts.py"),
    "record/loop_frames.py": ("test_plain_creation.py", "test_spawner_forms.py"),
    "record/naming.py": ("test_site.py", "test_report_attributes.py"),
    "record/own_thread.py": ("test_scan_schedule.py",),
    "record/internals/of_opentelemetry.py": ("test_self_test.py", "test_sdk_limits.py"),
    "record/raw_fields.py": ("test_hostile_objects.py",),
    "record/recorder.py": ("test_plain_creation.py", "test_endings.py", "test_hook_failure.py"),
    "record/restarts.py": ("test_restarts.py",),
    "record/site.py": ("test_site_stacks.py",),
    "record/site_table.py": ("test_site_stacks.py", "test_plain_creation.py", "test_spawner_forms.py"),
    "record/started.py": ("test_spawner_forms_by_kind.py", "test_spawner_forms_of_threads.py"),
    "record/tasks.py": ("test_plain_creation.py", "test_hot_path.py", "test_creation_on_newer_pythons.py"),
    "record/threads.py": ("test_spawner_forms_of_threads.py", "test_machinery_threads.py"),
    "record/wrappers.py": ("test_spawner_forms_in_libraries.py", "test_spawner_forms_passed_on.py"),
    "report/metrics.py": ("test_exact_counts.py",),
}
"""Tests that run a module through others. Modules that no unit test imports must be named here."""


def modules() -> list[str]:
    """Return the modules of the four folders, by their paths in the package."""
    found = (path for folder in FOLDERS for path in (PACKAGE / folder).rglob("*.py"))
    return sorted(path.relative_to(PACKAGE).as_posix() for path in found if path.name != "__init__.py")


def tests_of(module: str) -> list[str]:
    """Return the names of the test files of a module; those that import the fewest others first."""
    name = _dotted(module)
    found = [test for test, imported in _imports().items() if name in imported]
    found.sort(key=lambda test: len(_imports()[test]))
    return [*found, *(test for test in TESTED_THROUGH.get(module, ()) if test not in found)]


def imported_by_tests(module: str) -> bool:
    """Return whether a unit test imports a module."""
    return any(_dotted(module) in imported for imported in _imports().values())


def _dotted(module: str) -> str:
    return "opentelemetry.instrumentation.concurrency." + module.removesuffix(".py").replace("/", ".")


@cache
def _imports() -> dict[str, set[str]]:
    """Return what of this package each unit test imports, directly or as an attribute of a package."""
    imports: dict[str, set[str]] = {}
    for path in sorted(UNIT.glob("test_*.py")):
        found: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
        imports[path.name] = {name for name in found if ".concurrency." in name}
    return imports
