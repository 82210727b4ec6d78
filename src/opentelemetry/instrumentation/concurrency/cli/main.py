"""Entry point: runs one command and turns every failure into a paragraph and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Final

from ..version import __version__
from .command_line import HelpFormatter, Parser, parsed, with_command
from .failures import FINE, INTERRUPTED, CommandError
from .quantities import seconds
from .terminal import clear_screen, escape_what_cannot_be_encoded, say

COMMANDS: Final = (
    "ps",
    "stats",
    "stack",
    "tree",
    "leaks",
    "profile",
    "snapshot",
    "diff",
    "top",
    "serve",
    "mcp",
    "cancel",
    "attach",
    "detach",
    "doctor",
    "demo",
    "completion",
)
_DESCRIPTION: Final = "Inspect the Python processes on this machine: live tasks and threads, leaks, and creation sites."
_EXIT_CODES: Final = (
    "exit codes: 0 success, 1 leaks found or left, 2 usage error, 3 target unreachable or timed out, 130 interrupted"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: The arguments after the program's name; None means those of the process.

    Returns:
        The exit code.
    """
    escape_what_cannot_be_encoded()
    try:
        arguments = parsed(build_parser(), with_command(list(sys.argv[1:] if argv is None else argv), COMMANDS))
        run: Callable[[argparse.Namespace], int] = arguments.run
        code = _watched(run, arguments) if arguments.watch else run(arguments)
        sys.stdout.flush()
        return code
    except CommandError as error:
        say(f"otel-concurrency: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            say("")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has closed the pipe. Flushing the buffer at exit must not raise.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="otel-concurrency", description=_DESCRIPTION, epilog=_EXIT_CODES, formatter_class=HelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"otel-concurrency {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for name in COMMANDS:
        module = importlib.import_module(f".{name}", __package__)
        _add(commands, module)
    return parser


def _add(commands: argparse._SubParsersAction[Parser], module: ModuleType) -> None:
    parser = commands.add_parser(
        module.NAME,
        help=module.HELP,
        description=module.HELP[0].upper() + module.HELP[1:] + ".",
        epilog=f"examples:\n{_indented(module.EXAMPLES)}\n\n{_EXIT_CODES}",
        formatter_class=HelpFormatter,
    )
    module.configure(parser)
    _add_output(parser, module)
    parser.set_defaults(run=module.run)


def _add_output(parser: argparse.ArgumentParser, module: ModuleType) -> None:
    """Add the options of the output that work for a command, by the constants of its module."""
    parser.set_defaults(output="table", no_headers=False, watch=None)
    forms: tuple[str, ...] = getattr(module, "FORMS", ())
    if not forms:
        return
    group = parser.add_argument_group("output")
    group.add_argument("-o", "--output", choices=forms, default=forms[0], help=f"output format (default {forms[0]})")
    group.add_argument("--json", dest="output", action="store_const", const="json", help="same as --output json")
    if getattr(module, "HAS_HEADINGS", False):
        group.add_argument("--no-headers", action="store_true", help="omit headings")
    if getattr(module, "REPEATS", False):
        group.add_argument("--watch", metavar="DURATION", help="repeat with this interval, such as 2s")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _watched(run: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    interval_s = seconds(arguments.watch, "--watch")
    while True:
        clear_screen()
        run(arguments)
        sys.stdout.flush()
        time.sleep(interval_s)
