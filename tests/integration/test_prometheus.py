"""Real servers of both majors: rules pass their tests, alerts fire for a leak and not for its healthy twin.

The installed Prometheus, and the Prometheus 3 that ``make prometheus`` builds: scraping, and receiving OTLP.
"""

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
from prometheus_server import program, prometheus
from scraped_shop import scraped_shop

ROOT = Path(__file__).parents[2]
RULES = ROOT / "collector-config" / "prometheus"
DASHBOARD = json.loads((ROOT / "collector-config" / "grafana" / "dashboard.json").read_text())
INSTALLED = pytest.param(
    False,
    id="installed",
    marks=pytest.mark.skipif(program("promtool", built=False) is None, reason="needs Debian's package prometheus"),
)
BUILT = pytest.param(
    True,
    id="built",
    marks=pytest.mark.skipif(program("promtool", built=True) is None, reason="needs make prometheus"),
)
both = pytest.mark.parametrize("built", [INSTALLED, BUILT])


def promtool(*arguments, cwd=RULES, built=False):
    command = [program("promtool", built=built), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


@both
def test_configuration_and_rules_are_valid(built):
    done = promtool("check", "config", "prometheus.yaml", built=built)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in (ALERTING, RECORDING):
        rules = sum(len(group["rules"]) for group in yaml.safe_load((RULES / name).read_text())["groups"])
        assert f"{rules} rules found" in done.stdout


@both
def test_rules_pass_their_promtool_tests(built):
    done = promtool("test", "rules", "rules_test.yaml", built=built)
    assert done.returncode == 0, done.stdout + done.stderr


RECORDING, ALERTING = "recording_rules.yaml", "alerting_rules.yaml"
PROVEN, SLOW, LOOP, RUSH = "a proven leak of two", "a slow leak", "a crash loop", "a rush of long-lived"
COLLECTOR, STOPPED = "a Collector that fails", "a process that is stopped"
LIMIT = "a leak that reaches the limit"
FIRST = "a leak is that of the first release"
MISSING = "one stopped process of several"
SCOPED = "sum without (python_leak_verdict,"
BROKEN = [
    (RECORDING, "min_over_time", "max_over_time", "a batch of 100"),
    (RECORDING, SCOPED, SCOPED.replace("(", "(instance, "), PROVEN),
    (RECORDING, SCOPED, SCOPED.replace("(", "(cluster, "), PROVEN),
    (RECORDING, SCOPED, SCOPED.replace("(", "(python_asyncio_task_coroutine, "), "two coroutines"),
    (RECORDING, "(python_thread_orphan_count)", "(python_thread_count)", "leaked threads"),
    (RECORDING, "python_unwakeable:sum > 20", "python_unwakeable:sum >= 0", RUSH),
    (RECORDING, "[150m]", "[30m]", RUSH),
    (RECORDING, "[180m]", "[30m]", RUSH),
    (RECORDING, ">= 15", ">= 1", "a batch of 100"),
    (RECORDING, "max by (job, cluster", "max by (job, instance, cluster", LOOP),
    (RECORDING, "unless job_instance_site:python_leak_grows:rise20m", "", PROVEN),
    (ALERTING, "unless on (job, instance) (job_instance", "or on (job, instance) (job_instance", SLOW),
    (ALERTING, ":{{ . }}", "", PROVEN),
    (ALERTING, "for: 60m", "for: 5m", "tasks that are proven move"),
    (ALERTING, "for: 240m", "for: 30m", RUSH),
    (ALERTING, "scan_age_seconds > 900", "scan_age_seconds > 9000", "a scan that stopped"),
    (ALERTING, "up == 0", "up >= 0", STOPPED),
    (ALERTING, "unless on (job) python_concurrency_uptime_seconds", "", STOPPED),
    (ALERTING, "by (job) (python_concurrency_uptime_seconds) > 0", "by (job) (up) > 0", MISSING),
    (
        ALERTING,
        "for: 15m\n        labels:\n          severity: ticket",
        "for: 1m\n        labels: {severity: ticket}",
        MISSING,
    ),
    (ALERTING, "offset 10m", "offset 0m", COLLECTOR),
    (ALERTING, "queue_size[10m] offset 11m", "queue_size[10m] offset 60m", "a queue that only grows"),
    (RECORDING, "orphans:sum[10m] offset 11m", "orphans:sum[10m] offset 60m", LIMIT),
    (RECORDING, "[30m], 3 * 3600) > 10000", "[30m], 3 * 3600) > 1000", LIMIT),
    (RECORDING, "unless job_instance_site:python_leak_to_limit:predict3h", "", LIMIT),
    (RECORDING, "[60m], 3 * 3600) > 1e9", "[60m], 3 * 3600) > 1e10", "leaks that hold a gigabyte"),
    (RECORDING, "deriv(job_instance_site:python_orphans:sum[30m])", "job_instance_site:python_orphans:sum", LIMIT),
    (ALERTING, "> 0.5", "> 0.9", COLLECTOR),
    (RECORDING, "last_over_time(job_site_version:python_leak_first_seen:timestamp[1d])", "vector(-1)", FIRST),
    (
        RECORDING,
        "code_function_name, python_asyncio_task_coroutine, python_thread_target, kind, service_version)",
        "code_function_name, code_line_number, python_asyncio_task_coroutine, kind, service_version)",
        FIRST,
    ),
]


@pytest.mark.parametrize(("file", "rule", "broken", "test"), BROKEN, ids=[f"{each[1]}-{each[2]}" for each in BROKEN])
@pytest.mark.skipif(program("promtool", built=False) is None, reason="needs Debian's package prometheus")
def test_a_broken_rule_fails_its_test(tmp_path, file, rule, broken, test):
    for name in (RECORDING, ALERTING):
        text = (RULES / name).read_text()
        assert name != file or rule in text
        (tmp_path / name).write_text(text.replace(rule, broken) if name == file else text)
    tests = yaml.safe_load((RULES / "rules_test.yaml").read_text())
    (tests["tests"],) = [[each] for each in tests["tests"] if each["name"].startswith(test)]
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(tests))
    assert promtool("test", "rules", "one.yaml", cwd=tmp_path).returncode != 0


def pushing(job, address):
    """Return the settings of a service that sends its metrics to a Prometheus by OTLP."""
    return {
        "OTEL_SERVICE_NAME": job,
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"http://{address}/api/v1/otlp/v1/metrics",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    }


WAYS = [
    pytest.param((*INSTALLED.values, ""), id="installed", marks=INSTALLED.marks),
    pytest.param((*BUILT.values, ""), id="built", marks=BUILT.marks),
    pytest.param((*BUILT.values, "UnderscoreEscapingWithSuffixes"), id="built-OTLP", marks=BUILT.marks),
]


@pytest.fixture(scope="module", params=WAYS)
def server(request):
    """Prometheus, with minutes read as seconds, over a leaking shop and its healthy twin."""
    built, otlp = request.param
    stop, port = threading.Event(), free_port()
    with ExitStack() as stack:

        def serve(targets):
            options = {"seconds_for_minutes": True, "built": built, "otlp": otlp}
            return stack.enter_context(prometheus(port, targets, **options))

        running = serve({}) if otlp else None
        targets = {}
        for job, path in JOBS.items():
            settings = pushing(job, running.address) if running else {}
            targets[job] = stack.enter_context(scraped_shop(lambda _, path=path: path, stop, **settings))
        yield running or serve(targets)


JOBS = {"leaking": "/query", "healthy": "/query-fixed"}


def test_leak_pages_and_its_healthy_twin_stays_silent(server):
    wait_for(lambda: ("PythonLeakGrows", "leaking") in server.firing(), 90)
    found = server.query('ALERTS{alertname="PythonLeakGrows", alertstate="firing"}')
    assert {each["metric"]["code_function_name"] for each in found} == {"shop.search.query"}
    # The twin was watched for as long, at the same rate.
    assert server.value('sum(python_asyncio_task_created_total{job="healthy"})') > 100
    assert not {job for _, job in server.firing() if job == "healthy"}
    ever = server.query('count_over_time(ALERTS{alertstate="firing", job="healthy"}[10m])')
    assert ever == []
    # One leak is one notification.
    assert {alert for alert, job in server.firing() if job == "leaking"} == {"PythonLeakGrows"}


FROM_FIRST_OCCURRENCE = {"python_asyncio_generator_unfinished_total", "python_asyncio_coroutine_unawaited_total"}
"""Not sent before a generator was left half way or a coroutine was not awaited, which the shop never does."""
PROCESS = ("max by (job, instance) (process_", "sum by (job, instance) (rate(process_")


def queries():
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")


@pytest.mark.parametrize("expression", list(queries()))
def test_every_query_of_the_dashboard_returns_data(server, expression):
    if server.otlp and expression.startswith(PROCESS):
        pytest.skip("the shop does not send metrics of its process by OTLP; the panel names the package that does")
    if any(name in expression for name in FROM_FIRST_OCCURRENCE):
        pytest.skip("the shop neither leaves generators half way nor forgets to await")
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


def metric_names():
    """Return the names of this package's metrics that rules and dashboard use."""
    texts = [(RULES / name).read_text() for name in (RECORDING, ALERTING)]
    named = set(re.findall(r"(?<![:\w])python_\w+", " ".join([*texts, *(p.values[0] for p in queries())])))
    return {name for name in named if name not in LABELS} - FROM_FIRST_OCCURRENCE


def unknown_names(server):
    return metric_names() - {each["metric"]["__name__"] for each in server.query('{__name__=~"python.+"}')}


def test_metric_names_agree_with_rules_and_dashboard(server):
    assert metric_names()
    wait_for(lambda: not unknown_names(server), 60)


@pytest.mark.skipif(program("prometheus", built=True) is None, reason="needs make prometheus")
@pytest.mark.parametrize(
    ("strategy", "arrives", "lacking"),
    [
        ("UnderscoreEscapingWithoutSuffixes", "python_asyncio_task_created", r"_(total|seconds|bytes)(_[a-z]+)?$"),
        ("NoUTF8EscapingWithSuffixes", "python.asyncio.task.created_total", ""),
        ("NoTranslation", "python.asyncio.task.created", ""),
    ],
)
def test_other_translation_strategies_lack_names(strategy, arrives, lacking):
    """As docs/guides/prometheus.md says: names without suffixes lack some, names with dots lack all."""
    stop = threading.Event()
    with (
        prometheus(free_port(), {}, built=True, otlp=strategy) as server,
        scraped_shop(lambda _: "/query", stop, **pushing("shop", server.address)),
    ):
        wait_for(lambda: server.query(f'{{__name__="{arrives}"}}'), 60)
        wait_for(lambda: server.query('{__name__=~"python.concurrency.uptime.*"}'), 60)
        expected = {name for name in metric_names() if re.search(lacking, name)}
        wait_for(lambda: unknown_names(server) == expected, 60)
        assert strategy in (ROOT / "docs" / "guides" / "prometheus.md").read_text()


def test_alertmanager_file_is_valid():
    if shutil.which("amtool") is None:
        pytest.skip("needs Debian's package prometheus-alertmanager")
    done = subprocess.run(["amtool", "check-config", RULES / "alertmanager.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


LABELS = {"python_executor_thread_state", "python_leak_verdict", "python_leak_kind", "python_leak_drop_reason"} | {
    "python_asyncio_task_coroutine",
    "python_thread_target",
}
