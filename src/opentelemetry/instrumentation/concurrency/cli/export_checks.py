"""Checks of what a process needs to send telemetry: packages, matching versions, exporter and endpoint."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from ..otlp_exporters import HTTP, INSTALL, PACKAGES, PROTOCOL_VARIABLE
from .finding import Finding
from .installed_packages import InstalledPackages

_EXPORTERS: Final = {"grpc": "otlp_proto_grpc", HTTP: "otlp_proto_http"}
_DEFAULT_ENDPOINTS: Final = {"grpc": "http://localhost:4317", HTTP: "http://localhost:4318"}
_USUAL_PORTS: Final = {"grpc": 4317, HTTP: 4318}
_CONNECT_LIMIT_S: Final = 1.0


def of_packages(packages: InstalledPackages, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield findings about the installed packages."""
    for name, needed_for in (
        ("opentelemetry-sdk", "Without the SDK no telemetry is sent; the command line still works"),
        ("opentelemetry-distro", "Without the distro opentelemetry-instrument configures no exporter"),
    ):
        found = packages.version(name)
        if found:
            yield Finding("ok", f"{name} {found}.")
        else:
            yield Finding("bad", f"{name} is not installed. {needed_for}.", f"Run {INSTALL}.")
    if packages.version("opentelemetry-sdk") and uses_otlp(environment):
        yield from _of_exporter_package(packages, environment)
    yield from _of_versions(packages)


def _of_versions(packages: InstalledPackages) -> Iterator[Finding]:
    mismatches = list(packages.mismatches())
    if not mismatches:
        return
    name, found, requirement, other = mismatches[0]
    more = f" ({len(mismatches) - 1} more such mismatches)" if len(mismatches) > 1 else ""
    names = dict.fromkeys(each for one in mismatches for each in (one[0], one[2].name))
    yield Finding(
        "bad",
        f"{name} {found} requires {requirement}, but {other} is installed{more}.",
        f"Run pip install -U {' '.join(names)}.",
    )


def uses_otlp(environment: Mapping[str, str]) -> bool:
    """Return whether a signal is sent over OTLP, which is the default of the distro."""
    return any("otlp" in each for each in _exporters(environment))


def protocol_of(packages: InstalledPackages | None, environment: Mapping[str, str]) -> str:
    """Return the protocol in use: the chosen one, or the default for which an exporter is installed."""
    chosen = environment.get(PROTOCOL_VARIABLE, "").strip()
    if chosen or packages is None:
        return chosen or "grpc"
    has_only_http = not packages.version(PACKAGES["otlp_proto_grpc"]) and packages.version(PACKAGES["otlp_proto_http"])
    return HTTP if has_only_http else "grpc"


def has_exporter(packages: InstalledPackages, environment: Mapping[str, str]) -> bool:
    """Return whether the exporter for the protocol in use is installed, or OTLP is not used.

    Without it, the default endpoint is that of another protocol than the one that the remedy installs.
    """
    name = PACKAGES.get(_EXPORTERS.get(protocol_of(packages, environment), ""), "")
    return not uses_otlp(environment) or bool(name and packages.version(name))


def of_endpoint(environment: Mapping[str, str], protocol: str) -> Iterator[Finding]:
    """Yield whether the endpoint of the exporter can be reached from here."""
    if not uses_otlp(environment):
        names = ", ".join(sorted(set(_exporters(environment))))
        yield Finding("note", f"The exporters are {names}; nothing is sent over OTLP.")
        return
    endpoint = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or _DEFAULT_ENDPOINTS.get(protocol, "")
    shown = _without_credentials(endpoint)
    try:
        parts = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 4317)
        if port in _USUAL_PORTS.values() and port != _USUAL_PORTS.get(protocol, port):
            yield Finding(
                "note",
                f"The protocol is {protocol}, but {shown} has the usual port of the other protocol.",
                f"Use port {_USUAL_PORTS[protocol]}, or set {PROTOCOL_VARIABLE}={_other(protocol)}.",
            )
        socket.create_connection((host, port), _CONNECT_LIMIT_S).close()
    except (OSError, ValueError) as error:
        yield Finding(
            "bad",
            f"The exporter's endpoint {shown} can't be reached from here ({error}).",
            "Start a Collector there, or set OTEL_EXPORTER_OTLP_ENDPOINT.",
        )
        return
    yield Finding("ok", f"The exporter's endpoint {shown} ({protocol}) can be reached from here.")


def _of_exporter_package(packages: InstalledPackages, environment: Mapping[str, str]) -> Iterator[Finding]:
    protocol = protocol_of(packages, environment)
    name = PACKAGES.get(_EXPORTERS.get(protocol, ""), "")
    if not name:
        yield Finding(
            "bad", f"{PROTOCOL_VARIABLE}={protocol} is not a protocol of OTLP.", f"Set {PROTOCOL_VARIABLE}={HTTP}."
        )
        return
    found = packages.version(name)
    if found:
        yield Finding("ok", f"{name} {found} sends over {protocol}.")
        return
    other = PACKAGES[_EXPORTERS[_other(protocol)]]
    has_other = packages.version(other)
    if not has_other:
        yield Finding("bad", "No exporter for OTLP is installed: no telemetry is sent.", f"Run {INSTALL}.")
        return
    yield Finding(
        "bad",
        f"The exporter for {protocol}, {name}, is not installed: no telemetry is sent.",
        f"Run pip install {name}, or set {PROTOCOL_VARIABLE}={_other(protocol)}.",
    )


def _other(protocol: str) -> str:
    return "grpc" if protocol == HTTP else HTTP


def _exporters(environment: Mapping[str, str]) -> list[str]:
    return [environment.get(f"OTEL_{each}_EXPORTER", "otlp") for each in ("TRACES", "METRICS", "LOGS")]


def _without_credentials(endpoint: str) -> str:
    scheme, separator, rest = endpoint.rpartition("//")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
