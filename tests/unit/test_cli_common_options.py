"""Options that several commands share: headings and the timeout in the help."""

import io

import pytest
from pictured import leaked, snapshot

from opentelemetry.instrumentation.concurrency.cli import leaks, tree
from opentelemetry.instrumentation.concurrency.cli.main import main
from opentelemetry.instrumentation.concurrency.cli.taken import taken_from
from opentelemetry.instrumentation.concurrency.snapshot.as_json import write_snapshot


class Answering:
    """A source that answers with one leaked task."""

    def __init__(self, label):
        self.label = label

    def take(self):
        text = io.StringIO()
        write_snapshot(snapshot([leaked(1)]), text)
        return taken_from(text.getvalue().encode(), self.label)


@pytest.mark.parametrize("module", [leaks, tree], ids=["leaks", "tree"])
def test_no_headers_omits_the_headings_of_processes(module, monkeypatch, capsys):
    monkeypatch.setattr(module, "sources", lambda *_args, **_more: [Answering("one"), Answering("two")])
    monkeypatch.setattr(leaks, "asked_leaks", lambda source: (source.take(), {}))
    code = main([module.NAME, "all"])
    assert capsys.readouterr().out.count("process ") == 2
    assert main([module.NAME, "all", "--no-headers"]) == code
    shown = capsys.readouterr().out
    assert "process " not in shown and "unwakeable" in shown


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("stack", "default 10s)"),
        ("leaks", "default 2m)"),
        ("profile", "default 10s; 2m for taskleak)"),
        ("serve", "default 1m)"),
        ("cancel", "default 10s in addition to --wait)"),
    ],
)
def test_help_names_the_timeout_that_applies(command, expected, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert expected in " ".join(capsys.readouterr().out.split())
