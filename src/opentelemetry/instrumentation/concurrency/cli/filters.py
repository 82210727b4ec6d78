"""Options that select tasks and threads by site, wait reason and verdict."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

from ..diagnose.introspection.wait_reason import WAIT_REASONS
from ..snapshot.tally import Tally
from ..snapshot.values import LivePicture
from .terminal import say

SITE_HELP: Final = "a glob on the creating function, its file or file:line, or the function that runs"
VERDICTS: Final = ("orphaned", "unwakeable", "any")


def add_filters(parser: argparse.ArgumentParser, *, verdicts: Sequence[str] = VERDICTS) -> None:
    """Add the options.

    Args:
        parser: The parser of a command.
        verdicts: The verdicts that can be selected.
    """
    parser.add_argument("--site", metavar="GLOB", help=f"only those of matching sites: {SITE_HELP}")
    parser.add_argument(
        "--wait", metavar="REASON", type=wait_reason, help="only those with this wait reason, such as queue.get or io.*"
    )
    listed = f"{', '.join(verdicts[:-1])} or {verdicts[-1]}"
    parser.add_argument(
        "--verdict", metavar="VERDICT", choices=verdicts, help=f"only those with this verdict: {listed}"
    )


def wait_reason(glob: str) -> str:
    """Check a glob on wait reasons and return it.

    Raises:
        argparse.ArgumentTypeError: If it matches no wait reason.
    """
    if not any(fnmatchcase(reason, glob) for reason in WAIT_REASONS):
        message = f"unknown wait reason {glob!r}: expected a glob on one of {', '.join(sorted(WAIT_REASONS))}"
        raise argparse.ArgumentTypeError(message)
    return glob


def holds(arguments: argparse.Namespace, picture: LivePicture | Tally) -> bool:
    """Return whether the options select a task or thread, or a tally of them."""
    if arguments.site and not picture.site.matches(arguments.site):
        return False
    if arguments.wait and not fnmatchcase(picture.wait_reason, arguments.wait):
        return False
    wanted = arguments.verdict
    return not wanted or (picture.verdict is not None if wanted == "any" else picture.verdict == wanted)


def say_if_none(arguments: argparse.Namespace, kind: str, everything: Iterable[LivePicture | Tally]) -> None:
    """Say on standard error that the options select nothing, and how many tasks or threads there are without them."""
    given = {"--site": arguments.site, "--wait": arguments.wait, "--verdict": arguments.verdict}
    options = [f"{name} {value}" for name, value in given.items() if value]
    if not options:
        return
    count = 0
    for each in everything:
        if holds(arguments, each):
            return
        count += each.count if isinstance(each, Tally) else 1
    noun = f"{count} live {kind}{'' if count == 1 else 's'}"
    say(f"otel-concurrency: None of the {noun} matches {' '.join(options)}.")
