"""Writes the tables of telemetry.md from the registry, and of settings.md from the code: ``python docs/telemetry.py``.

A test holds that both are current.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from opentelemetry.instrumentation.concurrency.settings import SETTING_SPECS

HERE = Path(__file__).parent
REGISTRY = HERE / "registry"
PAGES = (HERE / "telemetry.md", HERE / "settings.md")

_INSTRUMENTS = {"updowncounter": "up-down counter"}


def groups() -> list[dict[str, Any]]:
    """Return all groups of the registry, in the order of its files."""
    files = [path for path in sorted(REGISTRY.glob("*.yaml")) if path.name != "manifest.yaml"]
    return [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]


def of_type(kind: str) -> list[dict[str, Any]]:
    """Return the groups that are an ``attribute_group``, a ``metric`` or an ``event``."""
    return [group for group in groups() if group["type"] == kind]


def _type_text(declared: Any) -> str:
    if isinstance(declared, str):
        return declared
    return "one of " + ", ".join(f"`{member['value']}`" for member in declared["members"])


def _level_text(level: Any) -> str:
    return level if isinstance(level, str) else next(iter(level.values()))


def _attribute_list(group: dict[str, Any]) -> str:
    return ", ".join(f"`{attribute['ref']}`" for attribute in group.get("attributes", ()))


def metrics_table() -> str:
    rows = ["| metric | instrument | unit | attributes | what |", "| --- | --- | --- | --- | --- |"]
    for group in of_type("metric"):
        kind = _INSTRUMENTS.get(group["instrument"], group["instrument"])
        what = " ".join(filter(None, (group["brief"], group.get("note"))))
        rows.append(f"| `{group['metric_name']}` | {kind} | `{group['unit']}` | {_attribute_list(group)} | {what} |")
    return "\n".join(rows)


def events_block() -> str:
    parts = []
    for group in of_type("event"):
        parts += [f"### `{group['name']}`", "", f"{group['brief']} {group['note']}", ""]
        parts += ["| attribute | when |", "| --- | --- |"]
        for attribute in group["attributes"]:
            parts.append(f"| `{attribute['ref']}` | {_level_text(attribute['requirement_level'])} |")
        parts.append("")
    return "\n".join(parts).rstrip()


def attributes_table() -> str:
    rows = ["| attribute | type | what | example |", "| --- | --- | --- | --- |"]
    for group in of_type("attribute_group"):
        for attribute in group["attributes"]:
            first = attribute["examples"][0]
            example = ", ".join(first) if isinstance(first, list) else str(first).strip()
            rows.append(
                f"| `{attribute['id']}` | {_type_text(attribute['type'])} | {attribute['brief']} | `{example}` |"
            )
    return "\n".join(rows)


def settings_table() -> str:
    rows = ["| variable | default | value | meaning |", "| --- | --- | --- | --- |"]
    for spec in SETTING_SPECS:
        default = f"`{spec.default_text}`" if spec.default_text else "unset"
        expected = spec.kind.expected.replace(" such as 500ms, 1.5s, 10m, 2h or 1d", "")
        rows.append(f"| `{spec.variable}` | {default} | {expected} | {spec.meaning} |")
    return "\n".join(rows)


def with_block(text: str, name: str, block: str) -> str:
    pattern = f"(<!-- {re.escape(name)} -->\n).*?(?=<!-- end -->)"
    return re.sub(pattern, lambda found: f"{found.group(1)}{block}\n", text, flags=re.S)


def current(text: str) -> str:
    """Return a page with its tables made anew."""
    blocks = {
        "metrics": metrics_table(),
        "events": events_block(),
        "attributes": attributes_table(),
        "settings": settings_table(),
    }
    for name, block in blocks.items():
        text = with_block(text, name, block)
    return text


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(current(page.read_text()))
