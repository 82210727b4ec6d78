"""What the commands print, from pictures made by hand."""

import argparse
import io
import json
import stat
import sys
import xml.etree.ElementTree as ET

import pytest
from pictured import healthy, leaked, snapshot, thread

from opentelemetry.instrumentation.concurrency.cli import terminal
from opentelemetry.instrumentation.concurrency.cli.completion import options_by_command
from opentelemetry.instrumentation.concurrency.cli.diff import _leaks
from opentelemetry.instrumentation.concurrency.cli.failures import CommandError, UsageError
from opentelemetry.instrumentation.concurrency.cli.files import refuse_terminal, write_file
from opentelemetry.instrumentation.concurrency.cli.flame_graph import flame_graph
from opentelemetry.instrumentation.concurrency.cli.leaks import groups_of
from opentelemetry.instrumentation.concurrency.cli.main import COMMANDS, build_parser, main
from opentelemetry.instrumentation.concurrency.cli.sources import named_processes
from opentelemetry.instrumentation.concurrency.cli.top_rows import Rows
from opentelemetry.instrumentation.concurrency.cli.tree import tree_lines
from opentelemetry.instrumentation.concurrency.render.difference import SiteChange
from opentelemetry.instrumentation.concurrency.snapshot.as_json import write_snapshot


def everything(_picture):
    return True


class Terminal(io.StringIO):
    """Output that says it is a terminal."""

    def isatty(self):
        return True


class TestTree:
    """Who awaits whom."""

    def test_owner_is_above_and_alike_leaves_are_one_line(self):
        """Two hundred children are one line."""
        parent = healthy(1, name="parent", waits_for=2)
        children = [healthy(serial, owners=(1,), wait_reason="sleep") for serial in range(2, 202)]
        lines = list(tree_lines([*children, parent], everything))
        assert len(lines) == 2
        assert lines[0].startswith('task 1 "parent"') and lines[1].startswith("└── 200 tasks like task 2 ")

    def test_orphans_come_first_at_the_root(self):
        """They are what somebody looks for."""
        lines = list(tree_lines([healthy(1), leaked(2)], everything))
        assert lines[0].startswith("task 2 ") and "unwakeable" in lines[0]

    def test_circle_shows_although_each_has_an_owner(self):
        """It would have no root."""
        circle = [
            leaked(5, owners=(6,), waits_for=6, deadlock=(5, 6)),
            leaked(6, owners=(5,), waits_for=5, deadlock=(6, 5)),
        ]
        lines = list(tree_lines(circle, everything))
        assert lines[0].startswith("task 5 ") and lines[0].rstrip().endswith(
            "deadlock: task 5 awaits task 6 awaits task 5"
        )
        assert len(lines) == 2

    def test_longer_circle_that_owns_itself_ends(self):
        """Whatever the numbers say."""
        odd = [healthy(1, owners=(1,)), healthy(2, owners=(3,)), healthy(3, owners=(2,)), healthy(4, owners=(99,))]
        assert list(tree_lines(odd, everything))

    def test_creators_make_another_tree(self):
        """Who created whom."""
        lines = list(tree_lines([healthy(1), healthy(2, creator=1, wait_reason="sleep")], everything, created=True))
        assert lines[1].startswith("└── task 2 ")

    def test_filter_keeps_ancestors_of_the_chosen(self):
        """A chosen child shows below its owner; others do not show."""
        tasks = [healthy(1), healthy(2, owners=(1,)), healthy(3)]
        assert len(list(tree_lines(tasks, lambda picture: picture.serial == 2))) == 2

    def test_deep_chain_is_cut(self):
        """Ten thousand tasks in a row are no stack overflow."""
        chain = [healthy(serial, owners=(serial - 1,)) for serial in range(1, 10_001)]
        assert 90 < len(list(tree_lines(chain, everything))) < 200


def test_groups_of_leaks_begin_with_the_oldest():
    """It is the one that is shown."""
    groups = groups_of([leaked(1, age_s=5.0), leaked(2, age_s=50.0), thread(3, verdict="orphaned")])
    assert [[one.serial for one in group] for group in groups] == [[2, 1], [3]]


@pytest.mark.parametrize(
    ("change", "leaks"),
    [
        (SiteChange("task", leaked().site, 0, 19), False),
        (SiteChange("task", leaked().site, 0, 20), True),
        (SiteChange("task", leaked().site, 20, 0), False),
        (SiteChange("task", leaked().site, 5, 5, 0, 1), True),
        (SiteChange("task", leaked().site, 5, 5, 1, 0), False),
    ],
)
def test_diff_calls_growth_and_new_orphans_leaks(change, leaks):
    """What shrinks is none."""
    assert _leaks(change, 20) is leaks


class TestFlameGraph:
    """One file that needs nothing else."""

    def test_it_is_valid_and_says_every_name(self):
        """Hostile names stay text."""
        stacks = ["a;b<script>alert(1)</script>;c 3\n", 'a;"quoted"&;d 1\n']
        picture = "".join(flame_graph(stacks, title="<title>"))
        titles = [element.text for element in ET.fromstring(picture).iter() if element.tag.endswith("title")]
        assert "b<script>alert(1)</script> (3, 75.0 %)" in titles and "all (4, 100.0 %)" in titles
        assert "<script" not in picture and "http" not in picture.replace("http://www.w3.org/2000/svg", "")

    def test_empty_and_negligible_and_deep(self):
        """No stacks, frames narrower than a pixel, a thousand frames."""
        assert "</svg>" in "".join(flame_graph([], title="none"))
        many = [f"f{number} 1\n" for number in range(5000)]
        assert "too narrow" in "".join(flame_graph(many, title="many"))
        assert "</svg>" in "".join(flame_graph([";".join("x" * 2000) + " 1\n"], title="deep"))

    def test_page_holds_the_picture(self):
        """For a browser."""
        assert "".join(flame_graph(["a 1\n"], title="t", as_html=True)).startswith("<!doctype html>")


class TestFiles:
    """Private, whole or not at all."""

    def test_file_is_private_and_replaced_at_once(self, tmp_path):
        """Whatever was there; nothing unfinished stays."""
        at = tmp_path / "out"
        at.write_text("old")
        at.chmod(0o644)
        write_file(str(at), lambda stream: stream.write(b"new"))
        assert at.read_bytes() == b"new" and stat.S_IMODE(at.stat().st_mode) == 0o600
        assert [path.name for path in tmp_path.iterdir()] == ["out"]

    def test_failure_keeps_the_existing_file(self, tmp_path):
        """A cut file would be worse than an old one."""
        at = tmp_path / "out"
        at.write_text("old")

        def fail(stream):
            stream.write(b"half")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            write_file(str(at), fail)
        assert at.read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["out"]

    def test_link_is_replaced_not_followed(self, tmp_path):
        """Somebody's link in a shared directory leads nowhere."""
        (tmp_path / "victim").write_text("mine")
        (tmp_path / "out").symlink_to(tmp_path / "victim")
        write_file(str(tmp_path / "out"), lambda stream: stream.write(b"new"))
        assert (tmp_path / "victim").read_text() == "mine" and not (tmp_path / "out").is_symlink()

    def test_missing_directory_is_one_paragraph(self, tmp_path):
        """With what to do."""
        with pytest.raises(CommandError, match="can't be written"):
            write_file(str(tmp_path / "no" / "out"), lambda stream: stream.write(b""))

    def test_bytes_are_kept_off_a_terminal(self, monkeypatch):
        """They would paint it."""
        monkeypatch.setattr(sys, "stdout", Terminal())
        with pytest.raises(UsageError, match="-o FILE"):
            refuse_terminal("-", "This")


class TestTerminal:
    """Colour."""

    @pytest.mark.parametrize(
        ("stream", "no_colour", "coloured"),
        [(Terminal(), "", True), (Terminal(), "1", False), (io.StringIO(), "", False)],
    )
    def test_colour_only_where_it_is_wanted(self, monkeypatch, stream, no_colour, coloured):
        """Never in a pipe, never against NO_COLOR."""
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setenv("NO_COLOR", no_colour)
        monkeypatch.setenv("TERM", "xterm")
        terminal.emit(["1 unwakeable\n"])
        assert ("\x1b[31m" in stream.getvalue()) is coloured


class TestMain:
    """Failures are a paragraph and an exit code."""

    @pytest.mark.parametrize("command", COMMANDS)
    def test_help_has_examples_and_exit_codes(self, command, capsys):
        """For every command."""
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0
        shown = capsys.readouterr().out
        assert "examples:\n  otel-concurrency " in shown or f"otel-concurrency {command}" in shown
        assert "exit codes: 0 success" in " ".join(shown.split())

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (["stack"], 2, "No target"),
            (["stack", "4194303"], 3, "There is no process 4194303"),
            (["stack", "1", "--url", "http://x"], 2, "not both"),
            (["stack", "--url", "ftp://x"], 2, "expected http://"),
            (["serve", "--url", "http://x"], 2, "A debug endpoint is served already"),
            (["cancel", "--url", "http://x", "--site", "a"], 2, "Debug endpoints are read-only"),
            (["stats", "--url", "http://127.0.0.1:9", "--timeout", "1s"], 3, "DEBUG_ADDRESS"),
            (["stack", "--url", "http://127.0.0.1:9", "--timeout", "1s"], 3, "DEBUG_ADDRESS"),
            (["stack", "no such command line anywhere *"], 3, "No Python process matches"),
            (["ps", "--watch", "x"], 2, "is not a duration"),
            (["diff", "/nonexistent", "1"], 3, "expected a snapshot file"),
            (["profile", "4194303"], 3, "There is no process"),
            (["attach", "x"], 2, "expected one PID"),
            (["detach", "x"], 2, "expected one PID"),
            (["doctor", "no such command line anywhere"], 2, "expected one PID"),
        ],
    )
    def test_each_failure_is_one_paragraph(self, arguments, code, said, capsys):
        """On the error stream, nothing on the other."""
        assert main(arguments) == code
        out, err = capsys.readouterr()
        assert out == "" and said in err and err.count("\n") == 1 and "Traceback" not in err

    @pytest.mark.parametrize(
        "arguments",
        [
            ["stck"],
            ["stack", "--nonsense"],
            ["cancel", "1"],
            ["profile", "1", "--format", "x"],
            ["stack", "1", "--wait", "boredom"],
            ["leaks", "1", "--wait", "io"],
            ["leaks", "1", "--verdict", "bored"],
            ["profile", "1", "--output", "table"],
            ["profile", "1", "--json"],
            ["snapshot", "1", "--watch", "2s"],
            ["top", "1", "--no-headers"],
            ["demo", "--json"],
            ["serve", "1", "--watch", "2s"],
        ],
    )
    def test_usage_is_exit_code_two(self, arguments, capsys):
        """And says where the help is."""
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert "--help" in capsys.readouterr().err

    def test_diff_of_files_needs_no_process(self, tmp_path, capsys):
        """Two snapshots from anywhere."""
        for name, tasks in (("a.json", [healthy()]), ("b.json", [healthy(), *map(leaked, range(30))])):
            with (tmp_path / name).open("w") as stream:
                write_snapshot(snapshot(tasks), stream)
        assert main(["diff", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 1
        assert "+30" in capsys.readouterr().out
        assert main(["diff", str(tmp_path / "b.json"), str(tmp_path / "a.json"), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)[0]["change"] == -30

    def test_broken_snapshot_is_one_paragraph(self, tmp_path, capsys):
        """It says what was expected."""
        (tmp_path / "a.json").write_text("{}")
        assert main(["diff", str(tmp_path / "a.json"), str(tmp_path / "a.json")]) == 3
        assert "schema_version" in capsys.readouterr().err

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_completion_knows_every_command(self, shell, capsys):
        """And its options."""
        assert main(["completion", shell]) == 0
        script = capsys.readouterr().out
        assert all(name in script for name in COMMANDS) and "verdict" in script
        assert "--site" in options_by_command(build_parser())["cancel"]


def test_targets_that_can_not_be_understood_are_usage():
    """An option that was meant as one."""
    with pytest.raises(UsageError):
        named_processes("-x")


class TestTopRows:
    """What ``top`` shows, without a terminal."""

    def site(self, name, **more):
        usual = {"kind": "task", "path": f"/{name}.py", "line": 1, "live": 1, "oldest_s": 1.0, "orphans": 0}
        return {"function": name, "unwakeable": 0, "suspect": False, "created": 10, **usual, **more}

    def names(self, rows):
        return [site["function"] for site, _ in rows.shown()]

    def test_rate_is_between_two_looks(self):
        """Unknown at the first."""
        rows = Rows()
        rows.take({"sites": [self.site("a", created=10)]}, now=100.0)
        assert rows.shown()[0][1][2] == "0"
        rows.take({"sites": [self.site("a", created=30), self.site("new", created=5)]}, now=110.0)
        assert {site["function"]: cells[2] for site, cells in rows.shown()} == {"a": "2", "new": "0"}

    def test_sorting_turns_and_walks(self):
        """Numbers begin with the most, names with A."""
        rows = Rows(column=0)
        rows.take({"sites": [self.site("b", live=5), self.site("a", live=9)]}, now=1.0)
        assert self.names(rows) == ["a", "b"]
        rows.is_reversed = True
        assert self.names(rows) == ["b", "a"]
        rows.is_reversed = False
        for _ in range(6):
            rows.sort_next()
        assert self.names(rows) == ["a", "b"]

    def test_sites_with_leaks_come_first(self):
        """Then those that grow, then the largest."""
        rows = Rows()
        sites = [("large", {"live": 900}), ("growing", {"live": 50, "suspect": True}), ("leak", {"orphans": 3})]
        rows.take({"sites": [self.site(name, **more) for name, more in sites]}, now=1.0)
        assert self.names(rows) == ["leak", "growing", "large"]

    def test_filter_looks_at_function_and_place(self):
        """Case does not matter."""
        rows = Rows(wanted="B.PY:1")
        rows.take({"sites": [self.site("b"), self.site("a")]}, now=1.0)
        assert self.names(rows) == ["b"]


def test_namespace_of_filters_is_the_same_everywhere():
    """``stack``, ``tree`` and ``profile`` share them."""
    parsed = build_parser().parse_args(["tree", "1", "--site", "x", "--wait", "io.*", "--verdict", "any"])
    assert isinstance(parsed, argparse.Namespace) and (parsed.site, parsed.wait, parsed.verdict) == ("x", "io.*", "any")
