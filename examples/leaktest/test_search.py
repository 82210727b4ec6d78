"""A test of the search: it passes, and fails with ``pytest --leaks=error``."""

import asyncio

import pytest
from shop.search import query

pytestmark = pytest.mark.asyncio


async def test_query_takes_the_first_answer():
    """The query does not wait for the slow backend."""
    fast, slow = asyncio.Queue(), asyncio.Queue()
    fast.put_nowait("tea")
    assert await query([fast, slow]) == "tea"
