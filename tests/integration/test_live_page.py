"""The live page in a real browser: what an operator sees, clicks and reads; nothing from outside, nothing changed."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from debug_endpoint import free_port, get, service, wait_for

BROWSER = Path(__file__).parents[1] / "browser"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MANY = """
import asyncio, textwrap
held = set()
class VeryLongNamedRepositoryForTheOrdersOfAllCustomers:
    async def pages_of_the_whole_catalogue(self):
        yield "page"
        yield "page"
async def audit():
    pass
def handle():
    audit()
async def main():
    for number in range(120):
        async for page in VeryLongNamedRepositoryForTheOrdersOfAllCustomers().pages_of_the_whole_catalogue():
            break
        handle()
    places = {"asyncio": asyncio, "held": held}
    made = "def made_{}(waker): held.add(asyncio.create_task(waker.wait()))\\n"
    source = "".join(made.format(number) for number in range(5000))
    exec(compile(source, "made.py", "exec"), places)
    waker = asyncio.Event()
    for number in range(5000):
        places[f"made_{number}"](waker)
    print("READY", flush=True)
    await waker.wait()
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    if CHROMIUM is None or shutil.which("node") is None or not (BROWSER / "node_modules").exists():
        pytest.skip("needs Chromium, Node.js and `npm install` in tests/browser")
    ports = free_port(), free_port()
    first, many = (f"http://127.0.0.1:{port}/debug/concurrency/" for port in ports)
    folder = os.environ.get("PICTURES") or str(tmp_path_factory.mktemp("pictures"))
    with (
        service(debug_address=f"127.0.0.1:{ports[0]}"),
        service(MANY, debug_address=f"127.0.0.1:{ports[1]}", count_unawaited="true"),
    ):
        wait_for(lambda: json.loads(get(f"{first}overview.json")[2])["totals"]["unwakeable"] == 43)
        wait_for(lambda: len(json.loads(get(f"{many}overview.json")[2])["sites"]) >= 5000, 60)
        done = subprocess.run(
            ["node", "live_page.mjs", first, many, folder],
            cwd=BROWSER,
            env={**os.environ, "CHROMIUM": CHROMIUM},
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_totals_and_the_leaking_line_stand_first(seen):
    assert (seen["tasks"], seen["unwakeable"]) == ("44", "43")
    assert seen["title"] == "shop: 2 leaking sites"
    assert "__main__.handle" in seen["firstRow"] and "40 unwakeable" in seen["firstRow"]
    assert seen["ariaSort"].startswith("LIVE") or seen["ariaSort"].startswith("Live")


def test_line_opens_by_keyboard_with_its_groups_and_tasks(seen):
    assert seen["sortedByVerdict"] == "40 unwakeable"
    assert "40 tasks created by __main__.handle" in seen["detail"]
    assert "__main__.wait_for_ever" in seen["detail"]
    assert seen["taskRows"] == seen["openAfterRefresh"] == 40


def test_graph_shows_the_deadlock_and_its_evidence(seen):
    assert seen["filtered"] >= 1
    assert seen["graph"].count("deadlock") >= 3
    assert "the circle closes here" in seen["graph"]
    assert "<script>document.title='owned'</script><img src=x" in seen["graph"]
    assert "await each other in a cycle" in seen["graph"]


def test_flame_graph_is_readable_without_eyes_and_zooms(seen):
    assert any("wait_for_ever, 40 of 44, 40 with a verdict" in label for label in seen["flame"])
    assert seen["zoomed"].startswith("40 tasks below __main__.wait_for_ever")


def test_paused_page_asks_nothing(seen):
    assert seen["requestsWhilePaused"] == 0


def test_page_is_complete_by_itself_and_breaks_no_policy(seen):
    assert seen["errors"] == []
    assert seen["foreign"] == []


def test_page_is_dark_or_light_labelled_and_fits_a_phone(seen):
    assert seen["theme"][0] == "dark" and seen["theme"][1] == seen["dark"] == "rgb(15, 18, 22)"
    assert seen["unlabelled"] == 0
    assert not seen["phoneOverflows"]


def test_leaks_are_cards_that_open_in_place(seen):
    """The worst first; by keyboard, over a refresh."""
    first, second = seen["cards"]
    assert first.startswith("40 tasks from __main__.handle") and "proven" in first and "held by" in first
    assert "waits at" in first and "__main__.wait_for_ever" in first
    assert second.startswith("3 tasks from __main__.main")
    assert "wait_for_ever" in seen["openLeak"] and "unwakeable" in seen["openLeak"]
    assert seen["focusOverRefresh"] == "Hide details" and seen["closedLeaks"] == 0


def test_threads_of_the_package_are_hidden_until_asked_for(seen):
    hidden, shown = seen["ownThreads"]
    assert hidden == 0 and shown >= 1


def test_wait_graph_starts_with_the_cycles(seen):
    assert seen["cyclesFirst"].startswith("1 await cycle") and seen["cyclesFirst"].count("deadlock") == 3


def test_page_without_leaks_says_so_and_since_when(seen):
    shown, title = seen["noLeaks"]
    assert shown.startswith("No leaks found") and "Watched since" in shown
    assert title.endswith(": no leaks")


def test_generators_left_and_coroutines_never_awaited_are_shown(seen):
    hidden, shown, phone_overflows = seen["functions"]
    assert hidden == "" and not phone_overflows
    assert shown.startswith("120 asynchronous generators left half way") and "contextlib.aclosing()" in shown
    assert "120 \u00d7 __main__.VeryLongNamedRepositoryForTheOrdersOfAllCustomers.pages_of_the_whole_catalogue" in shown
    assert "120 coroutines never awaited" in shown and "most of them dropped in __main__.handle" in shown


def test_flame_graph_counts_frames_that_are_too_narrow(seen):
    """5,000 sites, of which 5,000 groups are sent, on 1,280 pixels."""
    assert re.search(r" [1-9][\d,]* frames are too narrow to show\.", seen["narrow"]), seen["narrow"]


def test_five_thousand_lines_stay_usable(seen):
    assert seen["manyShown"] == 200 and seen["manyShownMore"] == 1200
    assert seen["manyFilteredAfterMs"] < 5000
