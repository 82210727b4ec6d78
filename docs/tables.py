"""Writes the README's tables from the code: ``python docs/tables.py``. A test holds that they are current."""

import re
from pathlib import Path

from opentelemetry.instrumentation.concurrency.report import attributes
from opentelemetry.instrumentation.concurrency.report.metrics import OBSERVED
from opentelemetry.instrumentation.concurrency.settings import RESERVED, SETTING_SPECS

README = Path(__file__).parent.parent / "README.md"

_SITE = "site"
_ATTRIBUTES = {
    "python.thread.count": "site, `python.thread.daemon`",
    "python.asyncio.task.orphan.count": "site, `python.leak.verdict`",
    "python.thread.orphan.count": "site, `python.leak.verdict`",
    "python.leak.suspect.count": "`python.leak.kind`",
    "python.concurrency.report.dropped": "`python.leak.drop_reason`",
}
_HISTOGRAMS = (
    ("python.asyncio.eventloop.delay", "histogram", "s", "`thread.name`", "How late the event loop answers a ping."),
    ("python.concurrency.scan.duration", "histogram", "s", "", "How long one look at everything alive takes."),
)


def settings_table() -> str:
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for spec in SETTING_SPECS:
        later = " (no effect in this version)" if spec.name in RESERVED else ""
        rows.append(
            f"| `{spec.name.upper()}` | {f'`{spec.default_text}`' if spec.default_text else 'unset'} | {spec.meaning}{later} |"
        )
    return "\n".join(rows)


def metrics_table() -> str:
    rows = ["| metric | instrument | unit | attributes | what |", "| --- | --- | --- | --- | --- |"]
    for method, name, unit, description, _ in OBSERVED:
        instrument = method.removeprefix("create_observable_").replace("_", "-")
        where = _ATTRIBUTES.get(name, "" if name.startswith("python.concurrency") else _SITE)
        rows.append(f"| `{name}` | {instrument} | `{unit}` | {where} | {description} |")
    rows += [f"| `{name}` | {kind} | `{unit}` | {where} | {what} |" for name, kind, unit, where, what in _HISTOGRAMS]
    return "\n".join(rows)


def events_table() -> str:
    names = [value for key, value in vars(attributes).items() if key.isupper() and isinstance(value, str)]
    carried = [name for name in names if name not in attributes.EVENTS]
    return "Attributes: " + ", ".join(f"`{name}`" for name in sorted(carried)) + "."


def current(text: str) -> str:
    for name, table in (("settings", settings_table()), ("metrics", metrics_table()), ("events", events_table())):
        text = re.sub(
            f"<!-- {name} -->\n.*?(?=\n## |\\Z)",
            f"<!-- {name} -->\n\n{table}\n".replace("\\", "\\\\"),
            text,
            flags=re.S,
        )
    return text


if __name__ == "__main__":
    README.write_text(current(README.read_text()))
