"""The names of all collected tests, and of their files."""

import re
from collections import Counter
from pathlib import Path

ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}|<[^\]]* object\b")


def test_parameter_ids_hold_no_address(request):
    """An address differs in each process, so that `pytest -n 2` would collect different tests in its workers."""
    assert ADDRESS.search("test_x[<Task object at 0x7f5a0d7c7250>]")
    assert [item.nodeid for item in request.session.items if ADDRESS.search(item.nodeid)] == []


def test_no_two_test_files_share_a_name():
    """pytest can't collect both in one run, and so can't run again what failed in two folders."""
    names = Counter(
        path.name for path in Path(__file__).parents[1].rglob("test_*.py") if "node_modules" not in path.parts
    )
    assert [name for name, count in names.items() if count > 1] == []
