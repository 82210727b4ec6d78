"""What a reader of ``collector-config`` may rely on, without a Collector at hand."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "collector-config"
FILES = sorted({*FOLDER.glob("*.yaml"), *FOLDER.glob("vendors/*.yaml")} - {FOLDER / "builder.yaml"})
VENDORS = [
    "datadog",
    "new-relic",
    "honeycomb",
    "grafana-cloud",
    "elastic",
    "dynatrace",
    "google-cloud",
    "aws",
    "azure-monitor",
]
OLD_NAMES = {
    "otlp": "otlp_grpc",
    "otlphttp": "otlp_http",
    "loadbalancing": "load_balancing",
    "azuremonitor": "azure_monitor",
    "cumulativetodelta": "cumulative_to_delta",
}
KINDS = {kind: kind[:-1] for kind in ("receivers", "processors", "exporters", "connectors", "extensions")}
LEFT_OUT = re.findall(
    r"^\| `(\w+)` (exporter|extension) \| \[([^\]]+)\]", (FOLDER / "README.md").read_text(), re.MULTILINE
)
left_out = {name for name, _, _ in LEFT_OUT}
built = {
    (kind, re.sub(rf"({singular}| v[\d.]+)", "", each["gomod"].rsplit("/", 1)[1]))
    for kind, singular in KINDS.items()
    for each in yaml.safe_load((FOLDER / "builder.yaml").read_text())[kind]
}


def content(path):
    return yaml.safe_load(path.read_text())


def components(path):
    """Yield kind and type of each component that a file configures."""
    for kind in KINDS:
        for name in content(path).get(kind, {}):
            yield kind, name.partition("/")[0]


every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def test_each_vendor_has_a_file():
    assert {path.stem for path in FOLDER.glob("vendors/*.yaml")} == set(VENDORS)


@every_file
def test_first_lines_name_purpose_and_settings(path):
    """Every variable without a default is named there."""
    text = path.read_text()
    head = text[: re.search(r"^[^#]", text, re.MULTILINE).start()]
    assert head.startswith("# ")
    assert len(head.splitlines()) >= 2
    for name in re.findall(r"\$\{env:(\w+)\}", text):
        assert name in head, name


@every_file
def test_components_are_in_the_build_or_named_as_left_out(path):
    for kind, name in components(path):
        # Modules are named without underscores, and that of OTLP over gRPC has the old name.
        module = {"otlp_grpc": "otlp"}.get(name, name).replace("_", "")
        assert (kind, module) in built or name in left_out, name


@every_file
def test_no_old_name_and_no_deprecated_part(path):
    for kind, name in components(path):
        assert kind == "receivers" or name not in OLD_NAMES, f"{name} is called {OLD_NAMES.get(name)} now"
        assert (kind, name) != ("processors", "batch"), "exporters batch in their own queue"


@every_file
def test_secrets_come_from_the_environment(path):
    text = path.read_text()
    found = re.findall(
        r"^\s+(?:authorization|[\w-]*(?:token|password|secret|api[-_]key|honeycomb-team)|key|connection_string): (.*)",
        text,
        re.IGNORECASE | re.MULTILINE,
    )
    assert all("${env:" in value for value in found)
    assert found or path.parent == FOLDER or path.stem in ("aws", "google-cloud"), (
        "credentials are found elsewhere there"
    )


@every_file
def test_server_listens_on_loopback_by_default(path):
    for protocol in content(path)["receivers"]["otlp"]["protocols"].values():
        assert re.fullmatch(r"\$\{env:\w+:-127\.0\.0\.1:\d+\}", protocol["endpoint"])


@every_file
def test_every_component_is_used(path):
    service = content(path)["service"]
    used = {name for pipeline in service["pipelines"].values() for part in pipeline.values() for name in part}
    used |= set(service.get("extensions", []))
    assert used == {name for kind in KINDS for name in content(path).get(kind, {})}


@every_file
def test_memory_is_limited_first_of_all(path):
    """But in the smallest file, which is for looking."""
    for pipeline in content(path)["service"]["pipelines"].values():
        assert path.stem == "minimal" or pipeline["processors"][0] == "memory_limiter"


def test_readme_names_each_file():
    text = (FOLDER / "README.md").read_text()
    for path in FILES:
        assert f"({path.relative_to(FOLDER)})" in text or f"({path.parent.relative_to(FOLDER)}/)" in text


def test_every_component_left_out_is_used_by_the_file_beside_it():
    assert LEFT_OUT
    for name, kind, file in LEFT_OUT:
        assert (f"{kind}s", name) in set(components(FOLDER / file))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("vendors/*.yaml")), ids=lambda path: path.stem)
def test_vendor_file_names_the_date_of_its_check(path):
    """Endpoints and limits of vendors change."""
    (year,) = re.findall(
        r"^# Checked against the vendor's documentation on (\d{4})-\d\d-\d\d\.$", path.read_text(), re.M
    )
    assert int(year) >= 2026


@pytest.mark.parametrize("vendor", ["datadog", "dynatrace", "elastic"])
def test_backends_that_need_delta_histograms_get_them(vendor):
    file = content(FOLDER / "vendors" / f"{vendor}.yaml")
    assert "cumulative_to_delta" in file["service"]["pipelines"]["metrics"]["processors"]
    types = (file["processors"]["cumulative_to_delta"] or {}).get("include", {}).get("metric_types", ["histogram"])
    assert "histogram" in types


TIERS = ("agent", "gateway")
queues = pytest.mark.parametrize("tier", TIERS)


def tier_content(tier):
    return content(FOLDER / f"{tier}.yaml")


def test_limits_of_record_sizes_match_along_the_chain():
    """Data that the agent accepts over either protocol is below the limit of the gateways."""
    agent = tier_content("agent")["receivers"]["otlp"]["protocols"]
    gateway = tier_content("gateway")["receivers"]["otlp"]["protocols"]
    accepted = agent["http"]["max_request_body_size"]
    assert agent["grpc"]["max_recv_msg_size_mib"] << 20 == accepted
    assert gateway["grpc"]["max_recv_msg_size_mib"] << 20 > accepted
    assert f"{accepted >> 20} MiB" in (FOLDER / "README.md").read_text()


@queues
def test_queue_on_disk_survives_faults_and_shrinks(tier):
    store = tier_content(tier)["extensions"]["file_storage"]
    assert store["fsync"] == "${env:QUEUE_FSYNC:-true}"
    assert store["recreate"] is True
    limit = int(re.search(r":-(\d+)", store["max_size"])[1])
    compaction = store["compaction"]
    assert compaction["on_start"] and compaction["on_rebound"] and compaction["cleanup_on_start"]
    assert compaction["directory"] == store["directory"], "a renamed file stays on its file system"
    assert compaction["rebound_trigger_threshold_mib"] < compaction["rebound_needed_threshold_mib"] < limit >> 20


@queues
def test_every_exporter_with_a_queue_retries_without_end(tier):
    exporter = tier_content(tier)["exporters"][{"agent": "load_balancing", "gateway": "otlp_http"}[tier]]
    assert exporter["sending_queue"]["storage"] == "file_storage"
    assert exporter["sending_queue"]["block_on_overflow"] is True
    assert exporter["retry_on_failure"]["max_elapsed_time"] in ("0s", 0)


def test_file_of_reports_survives_a_restart():
    """Without ``rotation`` or ``append`` the exporter empties the file when it starts."""
    assert tier_content("gateway")["exporters"]["file/reports"]["rotation"]["max_backups"] > 0


def test_table_of_the_chain_is_readable_at_80_columns():
    table = (ROOT / "benchmarks" / "results" / "chain.txt").read_text().splitlines()
    assert max(map(len, table)) <= 80
    assert any("401" in line for line in table) and any("MiB" in line for line in table)
