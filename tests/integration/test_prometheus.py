"""A real Prometheus: the rules do what their tests say, alerts fire for a leak and not for its healthy twin."""

import json
import re
import shutil
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from debug_endpoint import free_port, wait_for
from prometheus_server import prometheus
from scraped_shop import scraped_shop

ROOT = Path(__file__).parents[2]
RULES = ROOT / "collector-config" / "prometheus"
DASHBOARD = json.loads((ROOT / "collector-config" / "grafana" / "dashboard.json").read_text())
pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs Debian's package prometheus")


def promtool(*arguments, cwd=RULES):
    return subprocess.run(["promtool", *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_configuration_and_rules_are_valid():
    done = promtool("check", "config", "prometheus.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("alerting_rules.yaml", "recording_rules.yaml"):
        rules = sum(len(group["rules"]) for group in yaml.safe_load((RULES / name).read_text())["groups"])
        assert f"{rules} rules found" in done.stdout


def test_rules_pass_their_promtool_tests():
    done = promtool("test", "rules", "rules_test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "rule", "broken"),
    [
        ("recording_rules.yaml", "min_over_time", "max_over_time"),
        ("recording_rules.yaml", "sum by (job, instance, code_function_name", "sum by (job, code_function_name"),
        ("recording_rules.yaml", ", python_asyncio_task_coroutine", ""),
        ("alerting_rules.yaml", ":{{ . }}", ""),
        ("recording_rules.yaml", "offset 20m", "offset 80m"),
        ("recording_rules.yaml", "(python_thread_orphan_count)", "(python_thread_count)"),
        ("alerting_rules.yaml", "python_leaked_in_20m:max > 20", "python_leaked_in_20m:max > 2"),
        ("alerting_rules.yaml", "python_unwakeable:sum) > 20", "python_unwakeable:sum) > 2"),
        ("alerting_rules.yaml", "for: 30m", "for: 5m"),
        ("alerting_rules.yaml", "scan_age_seconds > 900", "scan_age_seconds > 9000"),
        ("alerting_rules.yaml", "queue_size[10m] offset 11m", "queue_size[10m] offset 60m"),
        ("alerting_rules.yaml", "orphans:sum[10m] offset 11m", "orphans:sum[10m] offset 60m"),
        ("alerting_rules.yaml", "[30m], 3 * 3600) > 10000", "[30m], 3 * 3600) > 1000"),
        ("alerting_rules.yaml", "[1h], 3 * 3600) > 1e9", "[1h], 3 * 3600) > 1e10"),
        (
            "recording_rules.yaml",
            "deriv(job_instance_site:python_orphans:sum[30m])",
            "job_instance_site:python_orphans:sum",
        ),
    ],
)
def test_a_broken_rule_fails_the_tests_of_the_rules(tmp_path, file, rule, broken):
    for name in ("recording_rules.yaml", "alerting_rules.yaml", "rules_test.yaml"):
        text = (RULES / name).read_text()
        assert name != file or rule in text
        (tmp_path / name).write_text(text.replace(rule, broken) if name == file else text)
    assert promtool("test", "rules", "rules_test.yaml", cwd=tmp_path).returncode != 0


@pytest.fixture(scope="module")
def server():
    """Prometheus, with minutes read as seconds, over a leaking shop and its healthy twin."""
    stop = threading.Event()
    with ExitStack() as stack:
        targets = {
            job: stack.enter_context(scraped_shop(lambda _, path=path: path, stop)) for job, path in JOBS.items()
        }
        yield stack.enter_context(prometheus(free_port(), targets, seconds_for_minutes=True))


JOBS = {"leaking": "/query", "healthy": "/query-fixed"}
PAGES = {"PythonLeakGrows", "PythonTasksCanNeverWake"}


def test_leak_pages_and_its_healthy_twin_stays_silent(server):
    wait_for(lambda: {(alert, "leaking") for alert in PAGES} <= server.firing(), 90)
    found = server.query('ALERTS{alertname="PythonLeakGrows", alertstate="firing"}')
    assert {each["metric"]["code_function_name"] for each in found} == {"shop.search.query"}
    # The twin was watched for as long, at the same rate.
    assert server.value('sum(python_asyncio_task_created_total{job="healthy"})') > 100
    assert not {job for _, job in server.firing() if job == "healthy"}
    ever = server.query('count_over_time(ALERTS{alertstate="firing", job="healthy"}[10m])')
    assert ever == []


def queries():
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")


@pytest.mark.parametrize("expression", list(queries()))
def test_every_query_of_the_dashboard_returns_data(server, expression):
    for variable in ("job", "instance", "function"):
        expression = expression.replace(f"${variable}", ".*")
    expression = expression.replace("$__rate_interval", "15s")
    wait_for(lambda: server.query(expression), 60)


def test_variables_of_the_dashboard_find_services_and_functions(server):
    asked = {each["name"]: each["definition"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"}
    assert sorted(asked) == ["function", "instance", "job"]
    for name, definition in asked.items():
        metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", definition).groups()
        metric = re.sub(r"\$\w+", ".*", metric)
        wait_for(lambda metric=metric, label=label: server.query(f"count by ({label}) ({metric})"), 30)
        found = {each["metric"].get(label) for each in server.query(f"count by ({label}) ({metric})")}
        assert None not in found, name
    assert {each["metric"]["job"] for each in server.query("count by (job) (python_asyncio_task_count)")} == set(JOBS)


def test_metric_names_agree_with_rules_and_dashboard(server):
    known = {each["metric"]["__name__"] for each in server.query('{__name__=~"python_.+"}')}
    texts = [(RULES / name).read_text() for name in ("recording_rules.yaml", "alerting_rules.yaml")]
    named = set(re.findall(r"(?<![:\w])python_\w+", " ".join([*texts, *(p.values[0] for p in queries())])))
    named = {name for name in named if name not in LABELS}
    assert named and named <= known, named - known


LABELS = {"python_leak_verdict", "python_leak_kind", "python_leak_drop_reason"} | {
    "python_asyncio_task_coroutine",
    "python_thread_target",
}
