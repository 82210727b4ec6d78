"""The architecture shows in the folders, and stays there."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "opentelemetry" / "instrumentation" / "concurrency"
STAGES = ("record", "census", "diagnose", "report", "render", "serve", "agent", "cli", "testing")
MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_keeps_the_house_rules(module):
    """Imports go against the data only; modules and functions stay small; every module says what it decides."""
    tree = ast.parse(module.read_text())
    relative = module.relative_to(PACKAGE)
    assert ast.get_docstring(tree)
    assert len(module.read_text().splitlines()) <= 400
    assert not re.search(r"utils?|helpers?|common|manager|misc", module.stem)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            documented = ast.get_docstring(node) is not None
            first = node.body[1 if documented and len(node.body) > 1 else 0].lineno
            # A hook is a closure: the function around it and the one within are two.
            nested = sum(
                inner.end_lineno - inner.lineno + 1
                for inner in ast.walk(node)
                if isinstance(inner, ast.FunctionDef) and inner is not node
            )
            lines = node.end_lineno - first + 1 - nested
            assert lines <= 40, f"{node.name} has {lines} lines"
        if isinstance(node, ast.ImportFrom) and node.level == 2 and relative.parts[0] in STAGES:
            imported = (node.module or "").split(".")[0]
            if imported in STAGES:
                assert STAGES.index(imported) <= STAGES.index(relative.parts[0]), f"{relative} imports {node.module}"


def test_the_namespace_packages_have_no_init():
    """OpenTelemetry's namespaces belong to nobody."""
    assert not (PACKAGE.parent / "__init__.py").exists()
    assert not (PACKAGE.parent.parent / "__init__.py").exists()


def test_instrumenting_imports_neither_asyncio_nor_a_server_nor_protobuf():
    """A process that uses none of them pays for none of them."""
    program = """
import sys
import opentelemetry.trace, opentelemetry.metrics, opentelemetry._logs, wrapt
import opentelemetry.instrumentation.instrumentor
before = set(sys.modules)
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
ConcurrencyInstrumentor().instrument()
print(sorted({"asyncio", "http.server", "google.protobuf"} & (set(sys.modules) - before)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
