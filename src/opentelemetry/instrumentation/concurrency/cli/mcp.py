"""``mcp``: serves the read-only commands to programs over the Model Context Protocol; requires the extra ``mcp``."""

from __future__ import annotations

import argparse
from typing import Final

from .failures import FINE, UsageError

NAME: Final = "mcp"
HELP: Final = (
    "serve list, leaks, stack, tree and diff to programs over MCP on stdin and stdout (requires the extra mcp)"
)
EXAMPLES: Final = """otel-concurrency mcp
{"mcpServers": {"python-leaks": {"command": "otel-concurrency", "args": ["mcp"]}}}"""


def configure(_parser: argparse.ArgumentParser) -> None:
    """Add the arguments: there are none."""


def run(_arguments: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        UsageError: If the extra is not installed.
    """
    try:
        from .mcp_server import make_server

        server = make_server()
    except ImportError:
        message = (
            "mcp needs the extra mcp: pip install 'opentelemetry-instrumentation-concurrency[mcp]'. Without it, "
            "programs can read the same facts as JSON: otel-concurrency leaks PID --json"
        )
        raise UsageError(message) from None
    server.run("stdio")
    return FINE
