"""speedscope, a flame graph viewer of others, opens the folded stacks of a leaking service in a real browser."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from debug_endpoint import service

BROWSER = Path(__file__).parents[1] / "browser"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return the total of each function that speedscope shows."""
    if CHROMIUM is None or shutil.which("node") is None or not (BROWSER / "node_modules/speedscope").exists():
        pytest.skip("needs Chromium, Node.js and `npm ci` in tests/browser")
    folded = tmp_path_factory.mktemp("folded") / "tasks.folded"
    with service() as process:
        command = ["-m", "opentelemetry.instrumentation.concurrency", "profile", str(process.pid)]
        text = subprocess.run(
            [sys.executable, *command, "--format", "folded"], capture_output=True, text=True, check=True, timeout=60
        ).stdout
    folded.write_text(text)
    done = subprocess.run(
        ["node", "folded.mjs", str(folded)],
        cwd=BROWSER,
        env={**os.environ, "CHROMIUM": CHROMIUM},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert rows[0] == ["Total", "Self", "Symbol Name"]
    return {name: (int(total.split()[0]), int(own.split()[0])) for total, own, name in rows[1:]}


def test_tasks_are_listed_by_waiting_line_and_reason(weights):
    assert weights["__main__.wait_for_ever:5"] == (40, 0)
    assert weights["__main__.follow:9"] == (3, 0)
    assert (weights["[future]"], weights["[task]"]) == ((40, 40), (3, 3))


def test_nothing_is_lost_on_the_way(weights):
    assert sum(own for _, own in weights.values()) == 44
