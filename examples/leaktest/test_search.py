"""Its test passes, and fails with ``pytest --leaks=error``."""

import asyncio

import pytest
from shop.search import query

pytestmark = pytest.mark.asyncio


async def test_query_takes_the_first_answer():
    """The slow backend is not waited for."""
    fast, slow = asyncio.Queue(), asyncio.Queue()
    fast.put_nowait("tea")
    assert await query([fast, slow]) == "tea"
