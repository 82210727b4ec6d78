"""The dashboard against Grafana's schema, in the form of Grafana's SDK for Go."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "collector-config" / "grafana" / "dashboard.json"
NOT_TO_BE_HAD = ("dial tcp", "server response", "no such host", "i/o timeout", "Forbidden")
pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="needs Go for Grafana's SDK")


@pytest.fixture(scope="module")
def checker(tmp_path_factory):
    program = tmp_path_factory.mktemp("checker") / "checker"
    done = subprocess.run(
        ["go", "build", "-o", str(program), "."],
        cwd=Path(__file__).parent / "grafana_schema",
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode and any(each in done.stderr for each in NOT_TO_BE_HAD):
        pytest.skip(f"needs the module of Grafana's SDK: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    return program


def complaints(checker, dashboard, folder):
    """Return what the schema finds wrong; Grafana fills in fields that are missing."""
    file = folder / "dashboard.json"
    file.write_text(json.dumps(dashboard))
    done = subprocess.run([str(checker), str(file)], capture_output=True, text=True, timeout=60, check=True)
    return [line for line in done.stdout.splitlines() if not line.endswith("required field is missing from input")]


def test_dashboard_has_only_fields_of_the_schema(checker, tmp_path):
    assert complaints(checker, json.loads(DASHBOARD.read_text()), tmp_path) == []


def test_wrong_fields_of_a_dashboard_are_found(checker, tmp_path):
    """In the dashboard, in its grid, and in the options and units of a panel."""
    dashboard = json.loads(DASHBOARD.read_text())
    dashboard["refreshes"] = "1m"
    first, second, third, *_ = dashboard["panels"]
    first["options"]["misspelt"] = True
    second["gridPos"]["x"] = "left"
    third["fieldConfig"]["defaults"]["unit"] = 1
    found = "\n".join(complaints(checker, dashboard, tmp_path))
    for part in ("'refreshes'", "'misspelt'", "gridPos.x", "unit"):
        assert part in found
