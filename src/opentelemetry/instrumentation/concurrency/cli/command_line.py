"""The parser of the command line: help that fits the terminal, and errors that say what was probably meant."""

from __future__ import annotations

import argparse
import difflib
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from .failures import USAGE
from .processes import process_number
from .terminal import say

_KEPT_AS_WRITTEN: Final = "examples:"
_OPTIONS_WITHOUT_COMMAND: Final = ("-h", "--help", "--version")


class HelpFormatter(argparse.HelpFormatter):
    """Wraps the description and the exit codes, and keeps the lines of the examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.split("\n\n")
        return "\n\n".join(
            each if each.startswith(_KEPT_AS_WRITTEN) else textwrap.fill(each, width, subsequent_indent=indent)
            for each in paragraphs
        )


class Parser(argparse.ArgumentParser):
    """A parser whose error messages are one paragraph."""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with the code of a usage error."""
        say(f"{self.prog}: {message.rstrip('.')}. See: {self.prog} --help")
        self.exit(USAGE)


def with_command(argv: list[str], commands: Sequence[str]) -> list[str]:
    """Return the arguments with a command first: the default one if they contain none.

    ``help`` and ``help COMMAND`` mean ``--help``. An unknown command is left for `parsed` to refuse.
    """
    if not argv or (argv[0].startswith("-") and argv[0] not in _OPTIONS_WITHOUT_COMMAND):
        return ["ps", *argv]
    if argv[0] == "help":
        return [*(each for each in argv[1:2] if each in commands), "--help"]
    return argv


def parsed(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """Return the parsed arguments.

    Raises:
        SystemExit: If they are invalid, after a message; or after ``--help`` and ``--version``.
    """
    commands = commands_of(parser)
    if argv and not argv[0].startswith("-") and argv[0] not in commands:
        parser.error(_unknown_command(argv[0], list(commands)))
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        commands.get(arguments.command, parser).error(_unknown_arguments(unknown))
    return arguments


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command."""
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(actions[0].choices) if actions else {}


def _unknown_command(name: str, commands: list[str]) -> str:
    if process_number(name.removesuffix("+")) is not None:
        return f"{name} is a target, so a command must come before it: otel-concurrency stats {name}"
    close = difflib.get_close_matches(name, commands, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    return f"there is no command {name!r}.{meant} Commands: {', '.join(commands)}"


def _unknown_arguments(unknown: list[str]) -> str:
    message = f"unrecognized arguments: {' '.join(unknown)}"
    if any(not each.startswith("-") and _is_there(each) for each in unknown):
        return f"{message}. The shell replaces an unquoted pattern by file names; quote it, as in 'shop.*'"
    return message


def _is_there(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        # No name of a file: too long, or with a null byte.
        return False
