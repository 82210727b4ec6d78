"""What rules and dashboard ask Prometheus for is what the package sends, and what it sends is shown."""

import json
import re
from html import escape
from pathlib import Path

import pytest
import yaml

from opentelemetry.instrumentation.concurrency.report import metrics

ROOT = Path(__file__).parents[2]
RULES = ROOT / "collector-config" / "prometheus"
DASHBOARD = ROOT / "collector-config" / "grafana" / "dashboard.json"
UNITS = {"s": "_seconds", "By": "_bytes"}
# A histogram is asked for by its parts.
HISTOGRAMS = {"python.asyncio.eventloop.delay", "python.concurrency.scan.duration"}
SHOWN_NOWHERE = {
    "python.concurrency.site.count": "of interest only where `site.overflow` is not 0, which is shown",
    "python.concurrency.proof.unexamined": "says how far the proof has come, which the reports say as well",
}
LABELS = {"job", "instance", "kind", "code_function_name", "code_file_path", "code_line_number", "le"} | {
    "cluster",
    "namespace",
    "k8s_cluster_name",
    "k8s_namespace_name",
    "exporter",
    "otel_scope_name",
    "otel_scope_version",
    "otel_scope_schema_url",
    "python_asyncio_task_coroutine",
    "python_thread_target",
    "python_leak_verdict",
    "python_leak_kind",
    "python_leak_drop_reason",
    "thread_name",
    "python_thread_daemon",
    "python_executor_thread_state",
    "service_version",  # of the resource, in `target_info`
}


BY_FUNCTION = {"python_asyncio_generator_unfinished_total", "python_asyncio_coroutine_unawaited_total"}
"""Metrics of functions rather than of sites: the function is itself what runs."""


def in_prometheus(method, name, unit):
    """Return the names that a metric has there."""
    plain = name.replace(".", "_") + UNITS.get(unit, "")
    if name in HISTOGRAMS:
        return {plain + part for part in ("_bucket", "_sum", "_count")}
    return {plain + "_total"} if method == "create_observable_counter" else {plain}


SENT = {name: in_prometheus(method, name, unit) for method, name, unit, *_ in metrics.OBSERVED} | {
    name: in_prometheus("", name, "s") for name in HISTOGRAMS
}
RECORDED = {
    rule["record"]
    for group in yaml.safe_load((RULES / "recording_rules.yaml").read_text())["groups"]
    for rule in group["rules"]
}


def expressions():
    """Yield where each expression stands, and the expression."""
    for name in ("recording_rules.yaml", "alerting_rules.yaml"):
        for group in yaml.safe_load((RULES / name).read_text())["groups"]:
            for rule in group["rules"]:
                yield name, rule["expr"]
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield "variables", variable["definition"]


def asked(expression):
    """Return the metrics and recorded series that an expression names."""
    names = set(
        re.findall(
            r"(?<![\w:])(?:python_\w+|otelcol_\w+|process_\w+|up\b|\w+:\w+:\w+)", re.sub(r'"[^"]*"', "", expression)
        )
    )
    return names - LABELS


OF_OTHERS = {
    "up",
    "otelcol_exporter_queue_size",
    "otelcol_exporter_queue_capacity",
    "process_resident_memory_bytes",
    "process_memory_usage_bytes",
    "process_cpu_seconds_total",
    "process_cpu_time_seconds_total",
}
"""Sent by Prometheus, by the Collector about itself, by prometheus_client and by the instrumentation system-metrics."""


RULES_TEXT = (RULES / "recording_rules.yaml").read_text()
DECLARED = set(re.findall(r"^ +# - record: (\S+)$", RULES_TEXT, re.M))
"""Recorded by a rule that the reader uncomments."""


def test_rules_to_uncomment_are_rules():
    """Each is a record with an expression and the labels of a service."""
    text = re.sub(r"^(      )# (- record|  expr|  labels|    job)", r"\1\2", RULES_TEXT, flags=re.M)
    rules = {rule["record"]: rule for rule in yaml.safe_load(text)["groups"][0]["rules"] if "record" in rule}
    assert DECLARED
    for name in DECLARED:
        assert rules[name]["expr"] and rules[name]["labels"]["job"]


def unknown(expression):
    return asked(expression) - RECORDED - DECLARED - OF_OTHERS - {name for names in SENT.values() for name in names}


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_name_is_sent_or_recorded(where, expression):
    assert asked(expression) or "otelcol_exporter" in expression, where
    assert not unknown(expression)


def test_misspelt_name_is_found():
    assert unknown("sum(python_asyncio_tasks_count)") == {"python_asyncio_tasks_count"}
    assert unknown("max(job_site:python_orphans:rise7m)") == {"job_site:python_orphans:rise7m"}
    assert unknown("rate(python_asyncio_task_created[1m])") == {"python_asyncio_task_created"}


def test_every_metric_is_shown_or_not_for_a_reason():
    used = set().union(*(asked(expression) for _, expression in expressions()))
    hidden = {name for name, names in SENT.items() if not names & used}
    assert hidden == set(SHOWN_NOWHERE)


def test_every_recorded_series_is_used():
    used = [name for _, expression in expressions() for name in asked(expression)]
    assert set(used) >= RECORDED


def test_labels_that_rules_group_by_are_known():
    for where, expression in expressions():
        for listed in re.findall(r"\b(?:by|on|without) \(([^)]*)\)", expression):
            assert set(re.split(r",\s*", listed)) <= LABELS, where


def test_clauses_by_line_keep_the_started_function():
    """Two coroutines that one line starts are two sites: a clause that names the line alone would mix them."""
    for where, expression in expressions():
        for listed in re.findall(r"\bby \(([^)]*)\)", expression):
            labels = set(re.split(r",\s*", listed))
            if "code_line_number" in labels and not asked(expression) & BY_FUNCTION:
                assert labels & {"python_asyncio_task_coroutine", "python_thread_target"}, where


def test_legends_and_annotations_name_line_and_function():
    """Wherever a function is named, its line and what it runs stand beside it; lines differ between releases."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    legends = [
        target.get("legendFormat", "")
        for panel in panels
        if panel["title"] != "First release of each leak"
        for target in panel["targets"]
    ]
    alerts = yaml.safe_load((RULES / "alerting_rules.yaml").read_text())["groups"][0]["rules"]
    summaries = [alert["annotations"]["summary"] for alert in alerts]
    by_function = [
        target["legendFormat"] for panel in panels for target in panel["targets"] if asked(target["expr"]) & BY_FUNCTION
    ]
    assert len(by_function) == 2 and all("code_line_number" in text for text in by_function)
    naming = [text for text in (*legends, *summaries) if "code_function_name" in text and text not in by_function]
    assert len(naming) >= 12
    for text in naming:
        assert "code_line_number" in text, text
        assert "python_asyncio_task_coroutine" in text or "python_thread_target" in text, text


def test_alerts_each_name_their_section_of_the_runbook():
    """An absolute address: who is paged reads it on a phone, not in a checkout."""
    page = (ROOT / "docs" / "alerts.md").read_text()
    for group in yaml.safe_load((RULES / "alerting_rules.yaml").read_text())["groups"]:
        for alert in group["rules"]:
            address, _, anchor = alert["annotations"]["runbook_url"].partition("#")
            assert address.startswith("https://") and address.endswith("/docs/alerts.md")
            assert anchor == alert["alert"].lower() and f"## {alert['alert']}\n" in page


PANELS = json.loads(DASHBOARD.read_text())["panels"]
BY_PANEL = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])


@BY_PANEL
def test_panel_says_why_it_is_empty(panel):
    assert len(panel["fieldConfig"]["defaults"]["noValue"]) > 15


@BY_PANEL
def test_panel_links_keep_the_time_range_of_the_reader(panel):
    for link in panel["fieldConfig"]["defaults"].get("links", ()):
        assert "${__from}" in link["url"] and "${__to}" in link["url"] and "now-" not in link["url"]


@BY_PANEL
def test_panel_has_one_unit_per_axis(panel):
    """Seconds and rates beside counts have an axis of their own."""
    overrides = panel["fieldConfig"]["overrides"]
    for target in panel["targets"]:
        legend = target.get("legendFormat", "")
        if panel["fieldConfig"]["defaults"]["unit"] == "short" and "second" in legend:
            (override,) = [each for each in overrides if re.search(each["matcher"]["options"].strip("/"), legend)]
            assert {"id": "custom.axisPlacement", "value": "right"} in override["properties"]


@BY_PANEL
def test_panel_over_time_is_by_service_and_process(panel):
    """A sum over processes hides the one that leaks; releases are compared as a whole."""
    if panel["type"] == "timeseries" and panel["title"] != "Leaked per hour by release":
        for target in panel["targets"]:
            assert re.search(r"by \((?:le, )?job, instance\b", target["expr"])
            assert "{{job}} {{instance}}" in target["legendFormat"] or "{{instance}}" in target["legendFormat"]


def test_what_leaks_comes_first():
    below = sorted(PANELS, key=lambda panel: (panel["gridPos"]["y"], panel["gridPos"]["x"]))[6:8]
    assert [panel["title"] for panel in below] == ["Orphans by site and verdict", "Leaked per hour by site"]


def test_picture_shows_every_panel():
    """Run ``python docs/dashboard_chart.py`` after a change of the dashboard."""
    drawn = (ROOT / "docs" / "pictures" / "dashboard-chart.svg").read_text()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        assert f">{escape(panel['title'])}</text>" in drawn
