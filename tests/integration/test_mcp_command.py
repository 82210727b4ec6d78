"""``otel-concurrency mcp``, to which the client of the official SDK talks over stdio about a leaking service."""

import asyncio
import os
import sys

import pytest
from services import AGENT_DIR, QUEUE_SERVICE, service

pytest.importorskip("mcp")

LEAKS = 30
CALLS = {
    "list": {},
    "leaks": {"verdict": "unwakeable"},
    "stack": {"wait": "queue.put", "full": True},
    "tree": {},
    "diff": {"seconds": 0.2},
    "nowhere": {},
}


async def conversation(pid, agents):
    """Return the tools, and the text and error mark of each call."""
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client

    module = "opentelemetry.instrumentation.concurrency"
    server = StdioServerParameters(
        command=sys.executable, args=["-m", module, "mcp"], env={**os.environ, AGENT_DIR: str(agents)}
    )
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        await session.initialize()
        tools = (await session.list_tools()).tools
        answers = {}
        for name, arguments in CALLS.items():
            target = {} if name == "list" else {"target": "no such command" if name == "nowhere" else str(pid)}
            answer = await session.call_tool("leaks" if name == "nowhere" else name, {**target, **arguments})
            # Version 2 of the SDK spells it as Python does.
            failed = answer.is_error if hasattr(answer, "is_error") else answer.isError
            answers[name] = (answer.content[0].text, bool(failed))
        return tools, answers


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    with service(tmp_path_factory.mktemp("shop"), QUEUE_SERVICE, LEAKS) as shop:
        shop.wait_until(lambda facts: facts["unwakeable"] >= LEAKS)
        tools, answers = asyncio.run(conversation(shop.pid, shop.environment[AGENT_DIR]))
        yield shop, tools, answers


def test_tools_are_listed_as_read_only(told):
    _, tools, _ = told
    assert [tool.name for tool in tools] == ["list", "leaks", "stack", "tree", "diff"]
    for tool in tools:
        annotations = tool.annotations.model_dump(by_alias=True)
        assert annotations["readOnlyHint"] and not annotations["destructiveHint"]


def test_answers_are_those_of_the_commands(told):
    shop, _, answers = told
    assert [name for name, (_, failed) in answers.items() if failed] == ["nowhere"]
    assert str(shop.pid) in answers["list"][0]
    assert f"{LEAKS} tasks unwakeable: created by __main__.query" in answers["leaks"][0]
    assert answers["stack"][0].count("[queue.put") >= LEAKS
    assert "created by __main__.query" in answers["tree"][0]
    assert "otel-concurrency ps lists all" in answers["nowhere"][0]


def test_every_string_is_sanitised(told):
    """The service names its tasks with an escape sequence."""
    _, _, answers = told
    assert r"\x1b[31m" in answers["tree"][0]
    for text, _ in answers.values():
        assert all(line.replace("\t", "").isprintable() for line in text.split("\n"))
