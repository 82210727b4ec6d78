"""The checker of words finds planted ones in docstrings, comments, strings and documents, and nowhere else."""

from pathlib import Path

import prose
import pytest


def found_in(tmp_path, monkeypatch, name, text):
    monkeypatch.setattr(prose, "ROOT", tmp_path)
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return [complaint.split(": ")[1] for complaint in prose.complaints(path)]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('"""Tell whether a task is done."""', "'Tell whether'"),
        ("x = 1  # nobody holds it", "'nobody'"),
        ('raise ValueError("it waits for the very same thing")', "'very same'"),
        ('"""Cost: 3 µs a task."""', "'3 µs a t'"),
        ('"""What it holds is dropped."""', "'What'"),
        ("# of many words the last is\n# of ours", "'of ours'"),
    ],
)
def test_planted_word_in_source_is_found(tmp_path, monkeypatch, text, word):
    """Docstrings, comments over several lines and messages are read."""
    assert found_in(tmp_path, monkeypatch, "planted.py", text) == [word]


def test_code_is_not_prose(tmp_path, monkeypatch):
    """Names, quoted code and single words are not sentences."""
    source = 'strangers = ["nobody"]\n"""Return `nobody`."""\n# Expected X: what it is.\n'
    assert found_in(tmp_path, monkeypatch, "clean.py", source) == []


def test_documents_are_read_outside_code_blocks(tmp_path, monkeypatch):
    """A program's output is quoted as it is."""
    text = "Somebody reads this.\n\n```console\nnobody\n```\n"
    assert found_in(tmp_path, monkeypatch, "page.md", text) == ["'Somebody'"]


def test_project_has_no_such_word():
    """The same as in `make lint`."""
    files = [*(prose.ROOT / "src").rglob("*.py"), *(prose.ROOT / "docs").glob("*.md"), Path(prose.ROOT / "README.md")]
    assert [complaint for path in files for complaint in prose.complaints(path)] == []
