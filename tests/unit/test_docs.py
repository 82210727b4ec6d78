"""The documentation says what the code does."""

import importlib.util
import re
from pathlib import Path

from otlp_receiver import Span

ROOT = Path(__file__).parents[2]


def load(path: Path):
    """Import a script that belongs to no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_readme_figures_are_those_of_the_benchmark():
    """Run ``python docs/tables.py`` after the benchmark of creations."""
    tables = load(ROOT / "docs" / "tables.py")
    readme = (ROOT / "README.md").read_text()
    assert readme == tables.current(readme)


def test_readme_fits_four_screens():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_readme_links_are_absolute_and_lead_to_files():
    """Package indexes show the README as well, where relative links lead nowhere."""
    pages = load(ROOT / "docs" / "tables.py").PAGES
    targets = re.findall(r"\]\(([^)#]+)", (ROOT / "README.md").read_text())
    assert targets and all(target.startswith("https://") for target in targets)
    assert [
        target for target in targets if target.startswith(pages) and not (ROOT / target[len(pages) :]).exists()
    ] == []


def test_lines_of_the_demo_in_the_readme_exist():
    """The file and line that the README shows are where the example really creates and waits."""
    source = (ROOT / "examples" / "shop" / "search.py").read_text().splitlines()
    shown = dict(re.findall(r"(shop\.search\.\S+) +\(?shop/search\.py:(\d+)", (ROOT / "README.md").read_text()))
    assert "spawn(ask" in source[int(shown["shop.search.query"]) - 1]
    assert "spawn(self._work" in source[int(shown["shop.search.Worker.start"]) - 1]
    assert "_taken.acquire" in source[int(shown["shop.search.HandOff.put"]) - 1]


def test_every_result_of_a_benchmark_is_shown():
    """Each stands on a page between its marks, where the script of that page writes it, or behind a link."""
    pages = "".join(
        path.read_text() for path in (ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md"))
    )
    names = [path.name for path in (ROOT / "benchmarks" / "results").glob("*.txt")]
    found = [f"<!-- {name} -->" in pages or f"benchmarks/results/{name})" in pages for name in names]
    assert names and all(found), dict(zip(names, found, strict=True))


def test_demo_in_the_readme_has_the_shape_of_the_output(capsys):
    """Run ``python docs/tables.py --demo`` after a change of the demo's output. Numbers, names and times may differ."""
    demo = load(ROOT / "examples" / "demo.py")
    receiver = demo.OtlpReceiver()
    for function, live in (("§", 1000), ("shop.search.query_fixed", 0)):
        site = {"code.function.name": function, "code.file.path": "§", "code.line.number": 1}
        for kind in ("asyncio.task", "thread"):
            for metric in ("count", "orphan.count"):
                name = f"python.{kind}.{metric}"
                point = demo.Point(name, "", "sum", False, 2, site, live, 1, "", "", {})
                receiver.points.append(point)
    event = {
        "python.leak.count": 1000,
        "python.leak.reason": "§",
        "python.leak.waiting_at": "§",
        "python.asyncio.task.coroutine": "§",
        "python.leak.spawned_via": ["§"],
        "python.leak.creator.span_name": "§",
        "code.stacktrace": "§",
        "python.leak.creation_stacktrace": "§",
    }
    name = "python.asyncio.task.orphaned"
    receiver.spans.append(Span(name, "", "", "", 1, {}, [("§", "§")], [(name, event)], ""))
    assert demo.show(receiver, receiver.points, 10.0)

    def shape(text: str) -> list[str]:
        lines = load(ROOT / "docs" / "tables.py").shown(text).splitlines()
        return [" ".join(re.sub(r"\d+", "N", line.partition("§")[0]).split()) for line in lines]

    shown = iter(shape((ROOT / "README.md").read_text().partition("<!-- demo -->\n```text\n")[2].partition("\n```")[0]))
    # Each line in the order of the output; between them may be more of the same kind.
    missing = [line for line in shape(capsys.readouterr().out) if not any(other.startswith(line) for other in shown)]
    assert missing == []


def test_readme_payload_is_that_of_the_benchmark():
    """Rounded; ``benchmarks/series.py`` prints them: the demo first, then 300 sites at defaults."""
    stated = re.search(
        r"takes (\d+) kB .*? (\d+) kB for 300 sites .*?gzip` ([\d.]+) and ([\d.]+) kB",
        (ROOT / "README.md").read_text(),
        re.S,
    )
    result = (ROOT / "benchmarks" / "results" / "series-3.11.txt").read_text()
    raw = re.findall(r"uncompressed +([\d.]+)$", result, re.M)[:2]
    packed = re.findall(r"gzip +([\d.]+)$", result, re.M)[:2]
    assert list(stated.groups()) == [*(f"{float(size):.0f}" for size in raw), *packed]
