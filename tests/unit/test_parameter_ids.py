"""The names of all collected tests."""

import re

ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}|<[^\]]* object\b")


def test_parameter_ids_hold_no_address(request):
    """An address differs in each process, so that `pytest -n 2` would collect different tests in its workers."""
    assert ADDRESS.search("test_x[<Task object at 0x7f5a0d7c7250>]")
    assert [item.nodeid for item in request.session.items if ADDRESS.search(item.nodeid)] == []
