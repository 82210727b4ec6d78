"""The page about the command line says what the command does."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import transcript  # noqa: E402


def test_commands_and_examples_are_current():
    """``python docs/transcript.py`` writes them."""
    page = transcript.PAGE.read_text()
    assert transcript.current(page) == page


def test_every_command_shows_in_the_transcript():
    """Those of the demonstration, and what they found."""
    page = transcript.PAGE.read_text()
    for shown in ("$ otel-concurrency ps", "$ otel-concurrency stats", "$ otel-concurrency stack", "tasks unwakeable"):
        assert shown in page
