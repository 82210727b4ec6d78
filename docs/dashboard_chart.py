"""A chart of the dashboard's queries in a real Prometheus: ``python docs/dashboard_chart.py``.

The shop runs for two minutes; a third of the way in, the version with the leak takes over. The script runs
every query of collector-config/grafana/dashboard.json over that time and draws each panel in the dashboard's layout, to
docs/pictures/dashboard-chart.svg. The chart is not a screenshot of Grafana. Rules and rates use seconds instead of
minutes. Needs Debian's package prometheus.
"""

import json
import re
import socket
import sys
import threading
import time
from html import escape
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples"))

from prometheus_server import prometheus
from scraped_shop import scraped_shop

SECONDS, HEALTHY_S = 120, 40
COLUMN, ROW, GAP, LEGEND, FOOT = 50, 30, 6, 17, 34
BACK, PANEL, TEXT, FAINT, GRID = "#111217", "#1b1d23", "#d8d9da", "#9a9ba1", "#33353d"
COLOURS = ("#73bf69", "#f2cc0c", "#5794f2", "#ff780a", "#e05a6a", "#b877d9", "#37a2b0", "#c4a000", "#8ab8ff", "#ffa6b0")
UNITS = {"s": " s", "decbytes": " B", "short": ""}


def short(value, unit=""):
    """Return a number as a dashboard shows it."""
    if unit == " s" and 0 < abs(value) < 1:
        return f"{value * 1e3:.3g} ms"
    for limit, prefix in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g} {prefix}{unit.strip()}"
    return f"{value:.3g}{unit}"


def name_of(labels, legend):
    """Return the legend with the labels filled in."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend) or "value"


def text(x, y, content, size=12, fill=TEXT, anchor="start", weight="normal"):
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{fill}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(content)}</text>'
    )


def lines_of(panel, ask):
    """Return the lines of a panel: name and points."""
    found = []
    for target in panel["targets"]:
        for result in ask(target["expr"]):
            points = [(float(at), float(value)) for at, value in result["values"] if value not in ("NaN", "+Inf")]
            if points:
                found.append((name_of(result["metric"], target.get("legendFormat", "")), points))
    return sorted(found, key=lambda line: -line[1][-1][1])


def drawn_number(panel, lines, x, y, width, height):
    """Yield the parts of a panel with one number."""
    value = lines[0][1][-1][1] if lines else 0.0
    bad = value > 0 and panel["title"] in ("Orphans", "Can never wake", "Growing sites")
    unit = UNITS.get(panel["fieldConfig"]["defaults"].get("unit", "short"), "")
    yield text(x + width / 2, y + height / 2 + 26, short(value, unit), 34, COLOURS[4 if bad else 0], "middle", "bold")


def drawn_lines(panel, lines, x, y, width, height, began):
    """Yield the parts of a panel with lines over time."""
    shown = lines[:4]
    left, top, right = x + 46, y + 34, x + width - 12
    bottom = y + height - 24 - LEGEND * len(shown)
    highest = max((value for _, points in lines for _, value in points), default=0.0) or 1.0
    unit = UNITS.get(panel["fieldConfig"]["defaults"].get("unit", "short"), "")
    for step in range(4):
        at = bottom - (bottom - top) * step / 3
        yield f'<path d="M{left} {at:.0f}H{right}" stroke="{GRID}"/>'
        yield text(left - 6, at + 4, short(highest * step / 3, unit), 10, FAINT, "end")
    for second in range(0, SECONDS + 1, 30):
        at = left + (right - left) * second / SECONDS
        yield text(at, bottom + 14, f"{second // 60}:{second % 60:02}", 10, FAINT, "middle")
    for number, (_, points) in reversed(list(enumerate(lines[: len(COLOURS)]))):
        path = " ".join(
            f"{left + (right - left) * (at - began) / SECONDS:.1f},{bottom - (bottom - top) * value / highest:.1f}"
            for at, value in points
        )
        yield f'<polyline points="{path}" fill="none" stroke="{COLOURS[number]}" stroke-width="1.7"/>'
    for number, (name, points) in enumerate(shown):
        at = y + height - 10 - LEGEND * (len(shown) - 1 - number)
        yield f'<rect x="{x + 12}" y="{at - 5}" width="12" height="3" fill="{COLOURS[number]}"/>'
        room = int((width - 110) / 6.1)
        yield text(x + 30, at, name if len(name) <= room else name[: room - 1] + "…", 11)
        yield text(x + width - 12, at, short(points[-1][1], unit), 11, FAINT, "end")


def picture(dashboard, ask, began):
    """Return the dashboard as SVG."""
    width = 24 * COLUMN + GAP
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"]) * ROW + FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="Inter, Helvetica, Arial, '
        f'sans-serif"><rect width="{width}" height="{height}" fill="{BACK}"/>'
    ]
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        x, y = place["x"] * COLUMN + GAP, place["y"] * ROW + GAP
        wide, high = place["w"] * COLUMN - GAP, place["h"] * ROW - GAP
        parts.append(f'<rect x="{x}" y="{y}" width="{wide}" height="{high}" rx="3" fill="{PANEL}"/>')
        parts.append(text(x + 12, y + 20, panel["title"], 13, weight="bold"))
        lines = lines_of(panel, ask)
        if panel["type"] == "stat":
            parts += drawn_number(panel, lines, x, y, wide, high)
        else:
            parts += drawn_lines(panel, lines, x, y, wide, high, began)
    caption = (
        f"Drawn by docs/dashboard_chart.py from {SECONDS} seconds of a real Prometheus and the demo service; the leak "
        f"begins after {HEALTHY_S} seconds. Rules and rates read seconds for minutes here."
    )
    parts.append(text(width / 2, height - 12, caption, 12, FAINT, "middle"))
    return "".join(parts) + "</svg>\n"


def main():
    dashboard = json.loads((ROOT / "collector-config" / "grafana" / "dashboard.json").read_text())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stop = threading.Event()
    with (
        scraped_shop(lambda passed: "/query" if passed > HEALTHY_S else "/query-fixed", stop) as address,
        prometheus(port, {"shop": address}, seconds_for_minutes=True) as server,
    ):
        began = time.time()
        time.sleep(SECONDS)

        def ask(expression):
            for variable in ("job", "instance", "function"):
                expression = expression.replace(f"${variable}", ".*")
            expression = expression.replace("$__rate_interval", "10s")
            return server.query(expression, start=began, end=began + SECONDS, step=1)

        drawn = picture(dashboard, ask, began)
    (ROOT / "docs" / "pictures" / "dashboard-chart.svg").write_text(drawn)


if __name__ == "__main__":
    main()
