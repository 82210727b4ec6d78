"""The command mcp without the SDK, and with stand-ins for its two versions."""

import asyncio
import sys
from types import ModuleType

import pytest

from opentelemetry.instrumentation.concurrency.cli import main as command
from opentelemetry.instrumentation.concurrency.cli import mcp, mcp_server, tool_answers
from opentelemetry.instrumentation.concurrency.cli.failures import UsageError

MODULES = ("mcp", "mcp.types", "mcp.server", "mcp.server.mcpserver", "mcp.server.fastmcp")


class Server:
    """Stands in for the server of the SDK."""

    def __init__(self, name, *, instructions, log_level):
        self.tools, self.ran = {}, []

    def tool(self, *, name, description, annotations, structured_output):
        def register(function):
            self.tools[name] = (function, description, annotations)
            return function

        return register

    def run(self, transport):
        self.ran.append(transport)


class ToolError(Exception):
    pass


class ToolAnnotations(dict):
    @classmethod
    def model_validate(cls, values):
        return cls(values)


@pytest.fixture
def without_sdk(monkeypatch):
    for name in list(sys.modules):
        if name == "mcp" or name.startswith("mcp."):
            monkeypatch.delitem(sys.modules, name)
    for name in MODULES:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture(params=["mcpserver", "fastmcp"])
def sdk(without_sdk, monkeypatch, request):
    """Version 2, then version 1."""
    package = f"mcp.server.{request.param}"
    modules = {name: ModuleType(name) for name in ("mcp", "mcp.types", "mcp.server", package, f"{package}.exceptions")}
    modules["mcp.types"].ToolAnnotations = ToolAnnotations
    setattr(modules[package], "MCPServer" if request.param == "mcpserver" else "FastMCP", Server)
    modules[f"{package}.exceptions"].ToolError = ToolError
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)


def test_mcp_without_the_extra_is_a_usage_error(without_sdk, capsys):
    assert command.main(["mcp"]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert "pip install 'opentelemetry-instrumentation-concurrency[mcp]'" in printed.err


def test_server_has_five_tools_that_only_read(sdk):
    server = mcp_server.make_server()
    assert list(server.tools) == ["list", "leaks", "stack", "tree", "diff"]
    for _, description, annotations in server.tools.values():
        assert annotations["readOnlyHint"] is True and annotations["destructiveHint"] is False
        assert description.endswith(".")


def test_tool_passes_its_arguments_on(sdk, monkeypatch):
    monkeypatch.setattr(tool_answers, "tree_text", lambda *given, **named: f"{given} {named}")
    tool, *_ = mcp_server.make_server().tools["tree"]
    assert asyncio.run(tool("4711", "shop.*", created=True)) == "('4711', 'shop.*', '', '') {'created': True}"


def test_tool_failure_is_the_error_of_the_sdk(sdk, monkeypatch):
    def fails(*_given, **_named):
        raise UsageError("target: expected \x1b a PID.")

    for name in ("leaks_text", "stack_text", "diff_text", "list_text"):
        monkeypatch.setattr(tool_answers, name, fails)
    server = mcp_server.make_server()
    for name in ("leaks", "stack", "diff"):
        with pytest.raises(ToolError, match=r"expected \\x1b a PID"):
            asyncio.run(server.tools[name][0]("4711"))
    with pytest.raises(ToolError):
        asyncio.run(server.tools["list"][0]())


def test_run_serves_on_stdio(sdk, monkeypatch):
    server = Server("", instructions="", log_level="")
    monkeypatch.setattr(mcp_server, "make_server", lambda: server)
    assert mcp.run(None) == 0
    assert server.ran == ["stdio"]
