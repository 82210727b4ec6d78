"""Text from outside is one printable line, wherever this package prints or logs it."""

import ast
import io
import sys
from pathlib import Path

import pytest

from opentelemetry.instrumentation.concurrency.cli import terminal
from opentelemetry.instrumentation.concurrency.sanitize import sanitize

CLI = Path(__file__).parents[2] / "src/opentelemetry/instrumentation/concurrency/cli"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("shop.search.ask", "shop.search.ask"),
        ("größe 東京 🐍", "größe 東京 🐍"),
        ("a\nb\r\x85c\u2028d", r"a\nb\r\x85c\u2028d"),
        ("\x1b[2J\x9b31m\x00\x7f", r"\x1b[2J\x9b31m\x00\x7f"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
        ("\ud800", r"\ud800"),
        ("a\tb", r"a\tb"),
        (b"\x1b", r"b'\x1b'"),
        (None, "None"),
    ],
)
def test_sanitize_gives_one_printable_line(text, safe):
    """Escapes for what is not printable, everything else as it is; also for what is not a text."""
    assert sanitize(text) == safe
    assert sanitize(text).isprintable()


def test_sanitize_with_limit_cuts_and_counts():
    """The cut is marked, and escapes do not count twice."""
    assert sanitize("\n" * 5, 2) == r"\n\n… (3 more characters)"


def test_sanitize_keeps_only_the_given_characters():
    """A tab in the text forms of profiles."""
    assert sanitize("a\tb\n", keep="\t") == "a\tb\\n"


def test_emit_writes_each_item_as_one_line(capsys):
    """A line break within is part of a name, and no second line."""
    terminal.emit(["#\tname\nFORGED\n", "\x1b[31mred\n", "no end"])
    assert capsys.readouterr().out == "#\tname\\nFORGED\n\\x1b[31mred\nno end\n"


def test_emit_to_a_terminal_colours_sanitised_text(monkeypatch):
    """The only escape sequences on a terminal are ours."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal.emit(["1 task orphaned \x1b[2J\n"])
    assert sys.stdout.getvalue() == "1 task \x1b[33morphaned\x1b[0m \\x1b[2J\n"


def test_say_writes_one_line(capsys):
    """A message of another agent is a paragraph."""
    terminal.say("refused:\n\x1b]0;owned\x07")
    assert capsys.readouterr().err == "refused:\\n\\x1b]0;owned\\x07\n"


def test_stream_without_the_character_gets_an_escape(monkeypatch):
    """A terminal of another encoding is no reason for a traceback."""
    under = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(under, encoding="ascii"))
    terminal.escape_what_cannot_be_encoded()
    terminal.emit(["größe → 東京\n"])
    assert under.getvalue() == b"gr\\xf6\\xdfe \\u2192 \\u6771\\u4eac\n"


@pytest.mark.parametrize("module", sorted(CLI.glob("*.py")), ids=lambda path: path.stem)
def test_command_prints_through_the_terminal_module_alone(module):
    """One seam: no ``print``, no ``write`` to a standard stream elsewhere. Bytes of profiles go through ``files``."""
    if module.stem in ("terminal", "files", "demo_service"):
        pytest.skip("the seam itself, the stream of bytes, and a program that is not a command")
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called != "print"
            assert not called.startswith(("sys.stdout.write", "sys.stderr.write", "sys.stdout.buffer"))
