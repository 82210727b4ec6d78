"""Writes the tables of docs/formats.md from the JSON schema: ``python docs/formats.py``. A test holds that they are current."""

import json
import re
from importlib.resources import files
from pathlib import Path

PAGE = Path(__file__).parent / "formats.md"
SCHEMA = json.loads(
    files("opentelemetry.instrumentation.concurrency.snapshot").joinpath("snapshot.schema.json").read_text("utf-8")
)
_OBJECTS = ("process", "totals", "site", "place", "group_by_site", "group_by_stack", "picture")


def _described(value):
    """Return a property's type and description, from the definition it refers to if it has none itself."""
    target = SCHEMA["$defs"].get(value.get("$ref", "").rpartition("/")[2], {})
    kind = value.get("type") or target.get("type") or ("text" if "enum" in {**target, **value} else "constant")
    if kind == "array":
        inner = value["items"].get("type") or value["items"]["$ref"].rpartition("/")[2]
        kind = f"list of {inner}"
    text = value.get("description") or target.get("description") or ""
    choices = {**target, **value}.get("enum", ())
    if 0 < len(choices) <= 4:
        text = " or ".join(f"`{choice}`" for choice in choices) + (f". {text}" if text else "")
    return kind, text or ("One of the [wait reasons](reading-a-report.md)." if choices else "")


def table(name):
    """Return the properties of one object of the document; an empty name is the whole document."""
    described = SCHEMA["$defs"].get(name) or SCHEMA["properties"].get(name) or SCHEMA
    rows = ["| property | type | always | meaning |", "| --- | --- | --- | --- |"]
    for key, value in described["properties"].items():
        kind, text = _described(value)
        rows.append(f"| `{key}` | {kind} | {'yes' if key in described.get('required', ()) else ''} | {text} |")
    return "\n".join(rows)


def current(text):
    """Return the page with every table made anew."""
    for name in ("document", *_OBJECTS):
        block = table("" if name == "document" else name)
        text = re.sub(
            f"(<!-- {name} -->\n).*?(?=<!-- end -->)",
            lambda found, block=block: f"{found[1]}{block}\n",
            text,
            flags=re.S,
        )
    return text


if __name__ == "__main__":
    PAGE.write_text(current(PAGE.read_text()))
