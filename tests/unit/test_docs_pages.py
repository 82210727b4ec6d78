"""The pages of docs/: no command escapes its test, no link is dead, every benchmark's block is current."""

import ast
import re

import pytest
import yaml
from docs_blocks import DOCS, PAGES, SHELLS, blocks, lacks
from test_docs import ROOT, load

from opentelemetry.instrumentation.concurrency.report.attributes import EVENTS
from opentelemetry.instrumentation.concurrency.settings import SETTING_SPECS

LANGUAGES = {"console", "python", "yaml", "text", "dockerfile", "promql", "traceql", "logql", "query", "json"}
EVERY_PAGE = sorted([*DOCS.glob("*.md"), *DOCS.glob("guides/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_shell_block_is_run_or_says_why_not(page):
    """Shell stands in ``console`` blocks alone, with ``$`` before each command; what is not run has a reason."""
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{block.language!r} is no language of these pages"
        assert block.language == "console" or block.language not in SHELLS
        if block.language == "console":
            assert block.commands, block.text
            assert re.fullmatch(r"|exit \d+|service|not-run: \w.{9,}", block.options), block.options
        else:
            assert not re.search(r"^\$ ", block.text, re.M), block.text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_block_hides_from_these_tests(page):
    """Fences stand at the left edge, in pairs; indented ones and tildes would be blocks that nobody reads here."""
    fences = re.findall(r"^[ \t]*(?:```|~~~).*$", page.read_text(), re.M)
    assert all(fence.startswith("```") for fence in fences)
    assert len(fences) == 2 * len(blocks(page))


def test_commands_and_queries_are_found():
    """An empty list would pass every other test."""
    found = [block for page in PAGES for block in blocks(page)]
    assert sum(block.language == "console" and "not-run" not in block.options for block in found) >= 8
    assert sum(block.language == "promql" for block in found) >= 5


def test_queries_find_events_by_the_attribute():
    """Most backends do not store a record's own event name yet; ``otel.event.name`` they do."""
    queries = [block.text for page in PAGES for block in blocks(page) if block.language in ("logql", "query")]
    named = [name for text in queries for name in re.findall(r"[\w.@]*event[._]name", text)]
    assert len(named) >= 4
    assert {re.sub(r"[._@]", "", name) for name in named} == {"oteleventname"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_query_says_where_it_runs(page):
    """PromQL is asked a real Prometheus; any other query needs a server that is not here."""
    for block in blocks(page):
        if block.language in ("traceql", "logql", "query"):
            assert re.fullmatch(r"not run here: needs .{5,}", block.options), block
        if block.language == "promql":
            assert block.options == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_and_configuration_in_a_page_can_be_read(page):
    """Python parses, YAML parses."""
    for block in blocks(page):
        if block.language == "python":
            ast.parse(block.text)
        if block.language == "yaml":
            assert list(yaml.safe_load_all(block.text))


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """Every relative link is a file of the repository."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_settings_metrics_and_events_exist(page):
    """A name of ours in a page is one of the code's."""
    text = page.read_text()
    variables = {spec.variable for spec in SETTING_SPECS}
    named = set(re.findall(r"OTEL_PYTHON_CONCURRENCY_[A-Z][A-Z_]+", text))
    assert named <= variables, named - variables
    registry = load(DOCS / "telemetry.py")
    known = set(EVENTS) | {each["id"] for group in registry.of_type("attribute_group") for each in group["attributes"]}
    known |= {group["metric_name"] for group in registry.of_type("metric")}
    dotted = {name.rstrip(".") for name in re.findall(r"\bpython\.(?:asyncio|thread|leak|concurrency)\.[a-z_.]+", text)}
    assert dotted <= known, dotted - known


BACKENDS = [page for page in PAGES if re.match("# Find the leak in", page.read_text())]


@pytest.mark.parametrize("page", BACKENDS, ids=lambda page: page.name)
def test_guide_of_a_backend_names_every_variable_to_set(page):
    """Those of the Collector's file that have no default."""
    text = page.read_text()
    (file,) = set(re.findall(r"otelcol.* --config (\S+)", text))
    required = set(re.findall(r"\$\{env:([A-Z_]+)\}", (ROOT / file).read_text()))
    assert required <= set(re.findall(r"[A-Z_]{4,}", text)), required
    assert f"](../../{file})" in text


def test_index_names_every_page_and_fits_a_screen():
    """A page that the index does not name is not found."""
    index = (DOCS / "README.md").read_text()
    named = {path.relative_to(DOCS).as_posix() for path in EVERY_PAGE}
    assert named - {"README.md"} == set(re.findall(r"\]\(([\w/-]+\.md)\)", index))
    assert len(index.splitlines()) <= 40


def test_tables_of_the_snapshot_match_the_schema():
    """Run ``python docs/formats.py`` after a change of the schema."""
    formats = load(DOCS / "formats.py")
    page = formats.PAGE.read_text()
    assert formats.current(page) == page
    assert page.count("| property | type |") == 8


def test_blocks_of_benchmarks_are_current():
    """Run ``python docs/cost.py`` after a benchmark."""
    cost = load(DOCS / "cost.py")
    for page in cost.PAGES:
        text = page.read_text()
        assert text == cost.current(text)
        shown = set(re.findall(r"<!-- (\S+\.txt) -->", text))
        assert shown and all((ROOT / "benchmarks" / "results" / name).exists() for name in shown)


def test_shown_output_is_compared_with_the_real_one():
    """Digits and space may differ, dots stand for anything; another word does not pass."""
    output = "12 tasks unwakeable: created by shop.query  /srv/shop.py:9\n"
    assert lacks(["3 tasks unwakeable: created by shop.query ...:31"], output) == []
    for wrong in ("3 tasks orphaned: ...", "3 tasks unwakeable", "three tasks ..."):
        assert lacks([wrong], output) == [wrong]
