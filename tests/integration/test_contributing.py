"""Every command and recipe of .github/CONTRIBUTING.md, followed in a copy of the repository."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from docs_blocks import blocks

ROOT = Path(__file__).parents[2]
PAGE = ROOT / ".github" / "CONTRIBUTING.md"
COPIED = ("src", "tests", "docs", "examples", "benchmarks", "collector-config", ".github", ".ci")

pytestmark = [
    pytest.mark.skipif(shutil.which("git") is None or shutil.which("make") is None, reason="needs git and make"),
    pytest.mark.timeout(300),
]


@pytest.fixture
def copy(tmp_path):
    """The repository, with this environment in place of the one that the set-up makes."""
    ignored = shutil.ignore_patterns("__pycache__", "node_modules", "*.egg-info")
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for path in (each for each in ROOT.iterdir() if each.is_file() and each.name != ".git"):
        shutil.copy(path, tmp_path)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def apply(text, directory):
    """Replace the removed and unchanged lines of a recipe by the added and unchanged ones, at their only place."""
    first, *lines = text.splitlines()
    assert first.startswith("--- "), first
    path = directory / first[4:]
    old = "".join(f"{line[1:]}\n" for line in lines if line[0] in " -")
    new = "".join(f"{line[1:]}\n" for line in lines if line[0] in " +")
    source = path.read_text()
    assert source.count(old) == 1, f"{path.name} has {source.count(old)} times:\n{old}"
    path.write_text(source.replace(old, new))


def test_commands_and_recipes_of_the_page_work(copy):
    """Targets of make are only resolved: what they run is run elsewhere."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "PYTEST_"))}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(copy / "src"),
        "HOME": str(copy),
        "MAKEFLAGS": "n",
    }
    for block in blocks(PAGE):
        kind, _, value = block.options.partition(" ")
        if block.language == "diff":
            apply(block.text, copy)
        if kind == "file:":
            assert not (copy / value).exists()
            (copy / value).write_text(block.text)
        if block.language != "console" or kind == "not-run:":
            continue
        for command in block.commands:
            done = subprocess.run(
                ["bash", "-euc", command], cwd=copy, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == (int(value) if kind == "exit" else 0), f"{command}\n{done.stdout}{done.stderr}"
    linted = ["ruff", "check", "-q", "src", "tests"]
    if shutil.which("ruff", path=environment["PATH"]):
        subprocess.run(linted, cwd=copy, env=environment, check=True)
    assert list((copy / "docs" / "changes").glob("+deque*"))
    assert (copy / ".git" / "hooks" / "pre-commit").exists()


def test_tables_of_the_page_name_what_exists():
    """Targets, folders and files."""
    text = PAGE.read_text()
    targets = set(re.findall(r"^([\w-]+):(?!=)", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`make ([a-z]+)", text)) <= targets
    package = ROOT / "src" / "opentelemetry" / "instrumentation" / "concurrency"
    for folder in re.findall(r"^\| ((?:`\w+/`(?:, )?)+) \|", text, re.M):
        assert all((package / name).is_dir() for name in re.findall(r"`(\w+)/`", folder))
    listed = re.findall(r"`((?:diagnose|cli|serve|record|agent)/[\w/]+\.(?:py|js))`", text)
    assert len(listed) >= 6 and all((package / name).is_file() for name in listed), listed
    for name in re.findall(r"`((?:tests|benchmarks|docs)/[\w/.-]+)`", text):
        assert (ROOT / name).exists(), name


def test_unchanged_lines_of_a_recipe_have_to_be_there(tmp_path):
    (tmp_path / "a.py").write_text("one\ntwo\n")
    apply("--- a.py\n one\n+more\n", tmp_path)
    assert (tmp_path / "a.py").read_text() == "one\nmore\ntwo\n"
    with pytest.raises(AssertionError, match="0 times"):
        apply("--- a.py\n-three\n", tmp_path)
