"""Every ``otel-concurrency`` command of the pages parses, also where it is not run."""

import re
import shlex

import pytest
from docs_blocks import DOCS

from opentelemetry.instrumentation.concurrency.cli.main import COMMANDS, build_parser

ROOT = DOCS.parent
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *DOCS.glob("*.md"),
        *DOCS.glob("guides/*.md"),
        *ROOT.glob("examples/**/*.md"),
        *ROOT.glob("collector-config/**/*.md"),
    ]
)
_PROGRAM = re.compile(r"\b(?:otel-concurrency|python (?:-\w )*-m opentelemetry\.instrumentation\.concurrency)(?= |$)")
_PLACEHOLDERS = {"PID": "4711", "PID+": "4711+"}


def command_lines(text):
    """Return the arguments of each command in blocks of commands and in inline code."""
    lines = [line for line in re.findall(r"^\$ (.*)$", text, re.M) if _PROGRAM.search(line)]
    lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))]
    for line in lines:
        for found in _PROGRAM.finditer(line):
            yield arguments_of(line[found.end() :])


def arguments_of(text):
    """Return the words up to the end of a command: a pipe, a redirection, another command or a comment."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;>)")
    lexer.whitespace_split = True
    words = []
    for word in lexer:
        if word[0] in "|&;>)" or word == "...":
            break
        words.append(_PLACEHOLDERS.get(word, word))
    return words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page_parse(page):
    """A command whose target is left out, as in "`otel-concurrency leaks`", names the command."""
    for words in command_lines(page.read_text()):
        if not words or words in ([name] for name in COMMANDS):
            continue
        try:
            build_parser().parse_args(words)
        except SystemExit as ended:
            assert ended.code == 0, f"otel-concurrency {' '.join(words)}"


def test_commands_are_found_in_blocks_and_in_text():
    """With their quotes, without what follows them."""
    text = (
        "```console\n$ kubectl exec x -- otel-concurrency leaks 1 > a; true\n```\nRun `otel-concurrency\nstats 'a b'`."
    )
    assert list(command_lines(text)) == [["leaks", "1"], ["stats", "a b"]]
    assert sum(len(list(command_lines(page.read_text()))) for page in PAGES) > 40
