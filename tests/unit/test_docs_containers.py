"""The files for Docker, Compose and the Operator: they parse, pin what they take, and name what exists."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from test_docs import ROOT

from opentelemetry.instrumentation.concurrency.settings import Settings, load_settings
from opentelemetry.instrumentation.concurrency.version import __version__

EXAMPLES = ROOT / "examples"
COMPOSE_FILE = EXAMPLES / "compose" / "compose.yaml"
COMPOSE = yaml.safe_load(COMPOSE_FILE.read_text())
DOCKERFILES = [EXAMPLES / "docker" / "Dockerfile", EXAMPLES / "kubernetes" / "Dockerfile"]
PINNED = re.compile(r"[\w./-]+(:\d+)?/?[\w./-]*:v?\d+[\w.-]*")


def instructions(path: Path) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile: name and rest, continuations joined."""
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.M).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def settings_of(environ: dict[str, str]) -> list[str]:
    """Return the warnings that our settings in an environment give."""
    warnings: list[str] = []
    load_settings({}, {name: str(value) for name, value in environ.items()}, warn=warnings.append)
    return warnings


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_dockerfile_pins_images_and_copies_existing_files(path):
    """`latest` is another image tomorrow; a path that is not there breaks the build."""
    found = instructions(path)
    images = [rest.split()[0] for name, rest in found if name == "FROM"]
    assert images and all(PINNED.fullmatch(image) for image in images), images
    for sources in (rest.split()[:-1] for name, rest in found if name == "COPY" and "--from" not in rest):
        context = ROOT if path.parent.name == "docker" else path.parent
        assert all((context / source).exists() for source in sources), sources


def test_plain_image_runs_instrumented_without_root():
    """The service itself is process 1's successor, so the command is a list and no shell."""
    found = dict(instructions(DOCKERFILES[0]))
    assert int(found["USER"]) > 0, "Kubernetes can't check that a name is not root"
    command = yaml.safe_load(found["ENTRYPOINT"])
    assert command[:2] == ["opentelemetry-instrument", "python"]


def test_operator_image_holds_this_version_for_both_platforms():
    """The Operator copies one of two directories, by the platform of the pod."""
    lines = (EXAMPLES / "kubernetes" / "requirements.txt").read_text().splitlines()
    required = [line for line in lines if not line.startswith("#")]
    assert f"opentelemetry-instrumentation-concurrency=={__version__}" in required
    assert all("==" in line and "grpc" not in line for line in required), required
    assert {"opentelemetry-distro", "opentelemetry-exporter-otlp-proto-http"} <= {
        line.split("==")[0] for line in required
    }
    targets = [rest.split()[-1] for name, rest in instructions(DOCKERFILES[1]) if "--from" in rest]
    assert targets == ["/autoinstrumentation", "/autoinstrumentation-musl"]


def test_instrumentation_resource_names_known_settings():
    """Fields as in the Operator's definition of the resource; our settings are accepted without a warning."""
    resource = yaml.safe_load((EXAMPLES / "kubernetes" / "instrumentation.yaml").read_text())
    assert (resource["apiVersion"], resource["kind"]) == ("opentelemetry.io/v1alpha1", "Instrumentation")
    assert resource["spec"]["exporter"]["endpoint"].endswith(":4318")
    python = resource["spec"]["python"]
    assert PINNED.fullmatch(python["image"])
    assert python["image"] in DOCKERFILES[1].read_text()
    assert settings_of({each["name"]: each["value"] for each in python["env"]}) == []


def test_deployment_asks_for_that_resource():
    """By the annotation on the pod, not on the deployment, where the Operator does not look."""
    deployment = yaml.safe_load((EXAMPLES / "kubernetes" / "deployment.yaml").read_text())
    resource = yaml.safe_load((EXAMPLES / "kubernetes" / "instrumentation.yaml").read_text())
    assert (deployment["apiVersion"], deployment["kind"]) == ("apps/v1", "Deployment")
    template = deployment["spec"]["template"]
    asked = template["metadata"]["annotations"]["instrumentation.opentelemetry.io/inject-python"]
    assert asked == resource["metadata"]["name"]
    named = template["metadata"]["annotations"]["instrumentation.opentelemetry.io/container-names"]
    assert named in {container["name"] for container in template["spec"]["containers"]}
    assert template["spec"]["securityContext"]["runAsUser"] > 0
    labels = template["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for container in template["spec"]["containers"]:
        assert PINNED.fullmatch(container["image"])
        mounted = {each["name"] for each in container["volumeMounts"]}
        assert mounted <= {each["name"] for each in template["spec"]["volumes"]}


def test_deployment_listens_where_its_port_is_reached():
    deployment = yaml.safe_load((EXAMPLES / "kubernetes" / "deployment.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    port, host = container["command"][-2:]
    assert [each["containerPort"] for each in container["ports"]] == [int(port)]
    assert host == "0.0.0.0"


def test_examples_compress_what_they_send():
    """Attributes repeat at each series: without compression an export is many times as large."""
    resource = yaml.safe_load((EXAMPLES / "kubernetes" / "instrumentation.yaml").read_text())
    operator = {each["name"]: each["value"] for each in resource["spec"]["python"]["env"]}
    assert operator["OTEL_EXPORTER_OTLP_COMPRESSION"] == "gzip"
    assert "OTEL_EXPORTER_OTLP_COMPRESSION=gzip" in DOCKERFILES[0].read_text()
    for page in ("turning-it-on.md", "guides/kubernetes.md"):
        assert "OTEL_EXPORTER_OTLP_COMPRESSION" in (ROOT / "docs" / page).read_text()


def test_compose_has_the_whole_chain():
    """Service, Collector, Prometheus, Grafana, Jaeger, Loki; what depends on something names a service."""
    services = COMPOSE["services"]
    assert {"shop", "collector", "prometheus", "grafana", "jaeger", "loki"} <= services.keys()
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= services.keys(), name
        assert ("image" in service) != ("build" in service), name
        if "image" in service:
            assert PINNED.fullmatch(service["image"]), service["image"]
    assert settings_of(services["shop"]["environment"]) == []
    assert Settings().task_age > 5


@pytest.mark.skipif(
    importlib.util.find_spec("check_jsonschema") is None,
    reason="check-jsonschema is in the extra dev alone; the file is the same on every Python",
)
def test_compose_file_is_valid_by_its_schema():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE_FILE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_grafana_of_compose_has_the_dashboard_and_its_sources():
    """Nothing is to be imported by hand; the dashboard chooses a data source by its type."""
    mounts = dict(mount.rsplit(":", 2)[:2] for mount in COMPOSE["services"]["grafana"]["volumes"])
    provider = yaml.safe_load((COMPOSE_FILE.parent / "dashboards.yaml").read_text())["providers"][0]
    (folder,) = [source for source, target in mounts.items() if target == provider["options"]["path"]]
    assert (COMPOSE_FILE.parent / folder / "dashboard.json").resolve().is_file()
    sources = yaml.safe_load((COMPOSE_FILE.parent / "datasource.yaml").read_text())["datasources"]
    assert {"prometheus", "loki", "jaeger"} == {source["type"] for source in sources}
    assert [source["type"] for source in sources if source.get("isDefault")] == ["prometheus"]


def test_compose_publishes_on_loopback_alone():
    """A laptop in a train is no server."""
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports), ports


def test_files_that_compose_names_exist():
    """Mounts and build files, from the place of the file."""
    for service in COMPOSE["services"].values():
        for mount in service.get("volumes", ()):
            assert (COMPOSE_FILE.parent / mount.split(":")[0]).exists(), mount
        if "build" in service:
            context = (COMPOSE_FILE.parent / service["build"]["context"]).resolve()
            assert context == ROOT and (context / service["build"]["dockerfile"]).is_file()


def test_parts_of_compose_name_each_other():
    """Addresses in the configuration are services of the file; every component of a pipeline is configured."""
    collector = yaml.safe_load((EXAMPLES / "compose" / "collector.yaml").read_text())
    for pipeline in collector["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= collector[kind].keys()
    prometheus = yaml.safe_load((EXAMPLES / "compose" / "prometheus.yaml").read_text())
    target = prometheus["scrape_configs"][0]["static_configs"][0]["targets"][0]
    host, port = target.split(":")
    assert host in COMPOSE["services"] and collector["exporters"]["prometheus"]["endpoint"].endswith(port)
    assert collector["exporters"]["otlp_grpc"]["endpoint"].split(":")[0] in COMPOSE["services"]
    rules = ROOT / "collector-config" / "prometheus"
    assert all((rules / Path(name).name).is_file() for name in prometheus["rule_files"])
    assert collector["exporters"]["otlp_http/loki"]["endpoint"].split("//")[1].split(":")[0] in COMPOSE["services"]
    for source in yaml.safe_load((EXAMPLES / "compose" / "datasource.yaml").read_text())["datasources"]:
        assert source["url"].split("//")[1].split(":")[0] in COMPOSE["services"]
