"""The documentation site: each page is in its navigation, and links and code blocks become what MkDocs understands."""

import logging
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from docs_blocks import DOCS
from test_docs import ROOT, load

from opentelemetry.instrumentation import concurrency
from opentelemetry.instrumentation.concurrency import testing

CONFIGURATION = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
API = (DOCS / "api.md").read_text()
REPOSITORY = CONFIGURATION["repo_url"]


def pages(entries):
    """Yield the files of a navigation, in order."""
    for entry in entries:
        value = next(iter(entry.values()))
        if isinstance(value, list):
            yield from pages(value)
        elif not value.startswith("https:"):
            yield value


@pytest.fixture
def site():
    return load(DOCS / "site.py")


@pytest.fixture
def shown(site):
    """Return the text of a page of which only this file and ``settings.md`` are in the site."""

    def show(markdown, source="turning-it-on.md"):
        known = {
            name: SimpleNamespace(inclusion=SimpleNamespace(is_included=lambda name=name: name != "registry"))
            for name in ("turning-it-on.md", "settings.md", "registry")
        }
        files = SimpleNamespace(get_file_from_path=known.get)
        page = SimpleNamespace(file=SimpleNamespace(src_uri=source))
        return site.on_page_markdown(markdown, page=page, config=SimpleNamespace(repo_url=REPOSITORY), files=files)

    return show


def test_navigation_names_every_page_once():
    """A page that the navigation does not name is not found."""
    named = list(pages(CONFIGURATION["nav"]))
    excluded = {line.strip("/") for line in CONFIGURATION["exclude_docs"].split()}
    existing = [path.relative_to(DOCS) for path in DOCS.rglob("*.md")]
    assert sorted(named) == sorted(path.as_posix() for path in existing if path.parts[0] not in excluded)


def test_page_is_edited_where_it_is():
    assert (ROOT / CONFIGURATION["edit_uri"].partition("main/")[2]).is_dir()


def test_link_to_a_page_stays(shown):
    assert shown("[all](settings.md#common-changes)") == "[all](settings.md#common-changes)"


def test_link_named_after_a_file_gets_its_title(shown):
    assert shown("[settings.md](settings.md)") == "[Settings](settings.md)"
    assert "[Tutorial: from install" in shown("[tutorial.md](../tutorial.md)", "guides/fastapi.md")


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("../examples/docker/Dockerfile", "blob/main/examples/docker/Dockerfile"),
        ("../collector-config/", "tree/main/collector-config"),
        ("../README.md#limits", "blob/main/README.md#limits"),
        ("registry", "tree/main/docs/registry"),
    ],
)
def test_link_out_of_the_site_leads_to_the_repository(shown, link, address):
    assert shown(f"[it]({link}), again") == f"[it]({REPOSITORY}/{address}), again"


def test_link_to_nothing_is_a_warning(shown, caplog):
    """Which a strict build turns into an error."""
    with caplog.at_level(logging.WARNING):
        shown("[it](../absent.md)")
    assert "turning-it-on.md links to ../absent.md" in caplog.text


def test_notes_for_tests_are_not_shown(shown):
    """MkDocs would take a block with such a first line for a paragraph."""
    page = "```python file: app.py\nx\n```\n```console not-run: needs Docker\n$ y\n```\n```text\nz\n```\n"
    expected = '```python title="app.py"\nx\n```\n```console\n$ y\n```\n```text\nz\n```\n'
    assert shown(page) == expected


def test_api_reference_has_every_public_name():
    """Those of the package and those for tests."""
    shown = set(re.findall(r"^::: opentelemetry\.instrumentation\.concurrency\.(?:testing\.)?(\w+)$", API, re.M))
    assert shown == {*concurrency.__all__, *testing.__all__}


def test_addresses_of_the_site_are_those_of_the_package():
    if sys.version_info < (3, 11):
        pytest.skip("tomllib is new in Python 3.11")
    import tomllib

    urls = tomllib.loads(Path(ROOT, "pyproject.toml").read_text())["project"]["urls"]
    assert (urls["Documentation"], urls["Source"]) == (CONFIGURATION["site_url"], REPOSITORY)
