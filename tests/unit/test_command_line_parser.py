"""The parser of ``otel-concurrency``: its errors name the command and what was probably meant; help fits 80 columns."""

import pytest

from opentelemetry.instrumentation.concurrency.cli.main import COMMANDS, main


def refused(arguments, capsys):
    """Return the message of a usage error."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["leek", "1"], "no command 'leek'. Did you mean leaks? Commands: ps, stats"),
        (["xyzzy"], "no command 'xyzzy'. Commands: ps, stats"),
        (["4711"], "4711 is a target, so a command must come before it: otel-concurrency stats 4711."),
        (["4711+"], "otel-concurrency stats 4711+."),
        (
            ["profile", "1", "task"],
            "otel-concurrency profile: unrecognized arguments: task. See: otel-concurrency prof",
        ),
        (["--verbose"], "otel-concurrency ps: unrecognized arguments: --verbose."),
    ],
    ids=["typo", "unknown", "pid", "family", "argument", "option"],
)
def test_usage_error_names_the_command(arguments, said, capsys):
    """And the nearest one."""
    assert said in refused(arguments, capsys)


def test_usage_error_of_an_unquoted_pattern_says_so(tmp_path, monkeypatch, capsys):
    """The shell has replaced it by the names of files."""
    for name in ("shop.py", "shop.txt"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert "quote it, as in 'shop.*'" in refused(["cancel", "1", "--site", "shop.py", "shop.txt"], capsys)


@pytest.mark.parametrize("word", ["9" * 5_000, "null\0byte"])
def test_unknown_argument_that_no_file_can_have_as_its_name_is_named(word, capsys):
    assert "unrecognized arguments: " in refused(["cancel", "1", "--site", "shop.py", word], capsys)
    assert "quote" not in refused(["cancel", "1", "--site", "shop.py", "nothing"], capsys)


@pytest.mark.parametrize(("arguments", "shown"), [(["help"], "COMMAND ..."), (["help", "leaks"], "--sort {count")])
def test_help_is_a_command_too(arguments, shown, capsys):
    """With the name of another one, or without."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_the_terminal(command, monkeypatch, capsys):
    """Except for the examples, which are copied."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([command, "--help"] if command else ["--help"])
    head, _, rest = capsys.readouterr().out.partition("\nexamples:\n")
    codes = rest.partition("\n\n")[2]
    assert all(len(line) < 80 for line in (head + codes).splitlines())
    assert "exit codes: 0 success" in head + codes
