"""The registry of semantic conventions is whole, and says what the code and the pages say."""

import re

import pytest
import yaml
from test_docs import ROOT, load

from opentelemetry.instrumentation.concurrency.diagnose.introspection.wait_reason import WAIT_REASONS
from opentelemetry.instrumentation.concurrency.instrumentor import SCHEMA_URL
from opentelemetry.instrumentation.concurrency.report import attributes as names
from opentelemetry.instrumentation.concurrency.report.metrics import OBSERVED
from opentelemetry.instrumentation.concurrency.report.sinks import DROP_REASONS

telemetry = load(ROOT / "docs" / "telemetry.py")
OURS = {each["id"]: each for group in telemetry.of_type("attribute_group") for each in group["attributes"]}
OF_OPENTELEMETRY = re.compile(
    r"code\.(function\.name|file\.path|line\.number|stacktrace)|thread\.(id|name)|otel\.event\.name"
)


def referred(kind: str) -> set[str]:
    return {each["ref"] for group in telemetry.of_type(kind) for each in group.get("attributes", ())}


@pytest.mark.parametrize("page", telemetry.PAGES, ids=lambda page: page.name)
def test_tables_of_the_page_are_current(page):
    """Run ``python docs/telemetry.py`` after a change of the registry or of the settings."""
    text = page.read_text()
    assert text == telemetry.current(text)
    assert "| `" in text


def test_registry_groups_have_the_fields_of_weaver():
    """Identifiers are unique and follow the name; type, brief and stability are there."""
    groups = telemetry.groups()
    identifiers = [group["id"] for group in groups]
    assert len(identifiers) == len(set(identifiers))
    for group in groups:
        assert group["brief"], group["id"]
        if group["type"] == "attribute_group":
            continue
        name = group["metric_name"] if group["type"] == "metric" else group["name"]
        assert group["id"] == f"{group['type']}.{name}"
        assert group["stability"] == "development", group["id"]
        for attribute in group.get("attributes", ()):
            level = attribute["requirement_level"]
            assert level in ("required", "recommended", "opt_in") or list(level) == ["conditionally_required"]


def test_every_attribute_has_type_brief_stability_and_examples():
    """A value of a closed list is described, and every example is of the type."""
    types = {"string": str, "string[]": list, "int": int, "double": float, "boolean": bool}
    for name, attribute in OURS.items():
        assert attribute["brief"] and attribute["stability"] == "development" and attribute["examples"], name
        if isinstance(attribute["type"], str):
            assert {type(example) for example in attribute["examples"]} == {types[attribute["type"]]}, name
        else:
            members = attribute["type"]["members"]
            assert all(member["brief"] and member["stability"] == "development" for member in members), name
            assert set(attribute["examples"]) <= {member["value"] for member in members}, name


def test_every_attribute_that_is_used_is_defined_and_the_reverse():
    """Used is what a metric or an event refers to; what is not ours is OpenTelemetry's."""
    used = referred("metric") | referred("event")
    foreign = {name for name in used if name not in OURS}
    assert all(OF_OPENTELEMETRY.fullmatch(name) for name in foreign), foreign
    assert set(OURS) <= used


def test_metrics_are_those_of_the_code():
    """Name, instrument, unit and description of every observed instrument."""
    registered = {
        group["metric_name"]: (group["instrument"], group["unit"], group["brief"])
        for group in telemetry.of_type("metric")
        if group["instrument"] != "histogram"
    }
    code = {
        name: (method.removeprefix("create_observable_").replace("up_down_counter", "updowncounter"), unit, description)
        for method, name, unit, description, _ in OBSERVED
    }
    assert registered == code


def test_events_and_their_attributes_are_those_of_the_code():
    """Every name that a report can carry."""
    assert {group["name"] for group in telemetry.of_type("event")} == set(names.EVENTS)
    constants = {value for key, value in vars(names).items() if key.isupper() and isinstance(value, str)}
    assert referred("event") == constants - set(names.EVENTS)


@pytest.mark.parametrize(
    ("attribute", "values"),
    [("python.asyncio.task.wait_reason", WAIT_REASONS), ("python.leak.drop_reason", DROP_REASONS)],
)
def test_closed_lists_are_those_of_the_code(attribute, values):
    """A value more or less on either side fails."""
    assert {member["value"] for member in OURS[attribute]["type"]["members"]} == set(values)


def test_schema_url_of_the_telemetry_is_that_of_the_registry():
    """Not OpenTelemetry's: most names are not defined there."""
    manifest = yaml.safe_load((telemetry.REGISTRY / "manifest.yaml").read_text())
    assert manifest["schema_url"] == SCHEMA_URL
