"""The files for contributors and for the public host agree with each other and with the repository."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from opentelemetry.instrumentation.concurrency.version import __version__

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PROJECT = (ROOT / "pyproject.toml").read_text()
REPOSITORY = re.search(r'^Source = "(.*)"$', PROJECT, re.M)[1]
OWNER, NAME = REPOSITORY.split("/")[-2:]
COMMUNITY = [*GITHUB.rglob("*.md"), *(ROOT / "docs" / "changes").glob("*.md")]


def sessions():
    """Return the functions of noxfile.py that nox runs; nox itself need not be installed."""
    tree = ast.parse((ROOT / "noxfile.py").read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list}


def pythons_of(text, pattern):
    return sorted(re.findall(r"3\.\d+", re.search(pattern, text, re.S | re.M)[1]))


def test_pythons_of_matrix_nox_and_classifiers_agree():
    """A new Python is added in three places."""
    expected = sorted(re.findall(r"Python :: (3\.\d+)", PROJECT))
    assert pythons_of((ROOT / "noxfile.py").read_text(), r"PYTHONS = \[(.*?)\]") == expected
    matrix = yaml.safe_load((GITHUB / "workflows" / "tests.yml").read_text())["jobs"]["tests"]["strategy"]["matrix"]
    assert sorted(matrix["python"]) == expected
    nightly = (GITHUB / "workflows" / "nightly.yml").read_text()
    assert pythons_of(nightly, r"python-version: \|(.*?)allow") == expected


def test_run_counts_the_parts_that_nox_runs():
    """The script expects one result per part, and lets a failed test pass alone only if all of them ended."""
    nox, run = (ROOT / "noxfile.py").read_text(), (ROOT / ".ci" / "run").read_text()
    assert re.search(r'^NEWEST = "(.*)"', nox, re.M)[1] == re.search(r"^NEWEST=(.*)$", run, re.M)[1]
    assert pythons_of(nox, r"^BETWEEN = \((.*?)\)") == pythons_of(run, r"is_between\(\) \{(.*?)\}")
    halves = dict(re.findall(r'"(3\.\d+)": "tests/corpus/test_(\w+)\.py"', nox))
    assert halves == dict(re.findall(r'^    (3\.\d+)\) ran\+=", (\w+) programs', run, re.M)) != {}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_commands_of_workflow_exist(workflow):
    """Targets of make, sessions of nox and scripts of the repository."""
    text = workflow.read_text()
    targets = set(re.findall(r"^([\w-]+):(?!=)", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"\bmake ([\w-]+)", text)) <= targets
    assert set(re.findall(r'nox -s "([a-z]+)', text)) <= sessions()
    for script in re.findall(r"(?<![\w/])(\.ci/[\w./-]+)", text):
        assert (ROOT / script).is_file(), script


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_of_workflow_are_pinned(workflow):
    """A tag can be moved to other code; a commit cannot."""
    text = workflow.read_text()
    for action in re.findall(r"uses: (?!\./)(.*)", text):
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
    assert "permissions: {}" in text, "rights are given per job"


def test_only_the_release_may_publish():
    """No other workflow has a right to write to the repository or an identity for the package index."""
    for workflow in WORKFLOWS:
        jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
        granted = {right for job in jobs for right, level in job["permissions"].items() if level == "write"}
        allowed = {"release.yml": {"id-token", "attestations", "contents"}, "docs.yml": {"pages", "id-token"}}
        assert granted <= allowed.get(workflow.name, set()), workflow.name


def test_every_address_of_the_repository_is_the_same():
    """Written out in many places, because GitHub resolves no variables there."""
    files = [*GITHUB.rglob("*"), *ROOT.glob("*.*"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("collector-config/**/*")]
    found = 0
    for path in filter(Path.is_file, files):
        for owner in re.findall(rf"github\.com/([\w.-]+)/{NAME}\b", path.read_text(errors="replace")):
            assert owner == OWNER, path
            found += 1
    assert found >= 6


def test_owners_are_of_paths_that_exist():
    """A pattern for a moved file would protect nothing."""
    for line in (GITHUB / "CODEOWNERS").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern, *owners = line.split()
            assert pattern == "*" or (ROOT / pattern.strip("/")).exists(), pattern
            assert owners and all(owner.startswith(f"@{OWNER}/") for owner in owners)


@pytest.mark.parametrize("page", COMMUNITY, ids=lambda path: path.name)
def test_links_of_community_files_lead_somewhere(page):
    """Files of the repository, and headings within them."""
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", page.read_text()):
        file = page.parent / target if target else page
        assert file.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.M)
            assert heading[1:] in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.fixture
def release():
    """The script that a release runs first."""
    spec = importlib.util.spec_from_file_location("release_notes", ROOT / ".ci" / "release_notes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHANGELOG = "# Changelog\n\n## 0.2.0 (2027-01-31)\n\n### Tools\n\n* New.\n\n## 0.1.0 (2026-12-01)\n\n* Old.\n"


def test_release_notes_are_the_newest_section(release):
    assert release.notes("v0.2.0", "0.2.0", CHANGELOG) == "### Tools\n\n* New.\n"


@pytest.mark.parametrize(
    ("tag", "version", "reason"),
    [("v0.3.0", "0.2.0", "the tag is v0.3.0"), ("v0.1.0", "0.1.0", "newest section"), ("0.2.0", "0.2.0", "expected")],
)
def test_release_of_another_version_is_refused(release, tag, version, reason):
    with pytest.raises(ValueError, match=reason):
        release.notes(tag, version, CHANGELOG)


def test_release_without_a_date_is_refused(release):
    with pytest.raises(ValueError, match="gives no date"):
        release.notes("v0.2.0", "0.2.0", CHANGELOG.replace("2027-01-31", "unreleased"))


def test_changelog_has_an_entry_of_this_version():
    """Above the mark stands nothing that towncrier would not keep."""
    assert re.search(rf"<!-- releases -->\n+## {re.escape(__version__)} \(", (ROOT / "CHANGELOG.md").read_text())
