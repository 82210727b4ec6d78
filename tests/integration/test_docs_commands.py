"""Every command in docs/ is run as it stands there, in the order of its page, and shows what the page shows."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from debug_endpoint import free_port, wait_for
from docs_blocks import PAGES, blocks, lacks
from prometheus_server import _MINUTES, program, prometheus
from scraped_shop import scraped_shop

ROOT = Path(__file__).parents[2]
TO_RUN = [page for page in PAGES if any(b.language == "console" and "not-run" not in b.options for b in blocks(page))]


@pytest.fixture
def place(tmp_path):
    """An empty directory that sees the repository's examples, and an agent directory of its own."""
    for name in ("examples", "collector-config", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    # Paths of sockets are short.
    agents = tempfile.mkdtemp(prefix="docs-")
    yield tmp_path, Path(agents)
    shutil.rmtree(agents, ignore_errors=True)


def environ(agents):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    programs = str(Path(sys.executable).parent)
    return clean | {
        "PATH": f"{programs}{os.pathsep}{clean['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT / "src"), clean.get("PYTHONPATH", "")))),
        # gunicorn keeps a socket there.
        "HOME": str(agents),
        "PYTHONUNBUFFERED": "1",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PYTHON_CONCURRENCY_AGENT_DIR": str(agents / "a"),
    }


@contextlib.contextmanager
def service(commands, shown, directory, environment):
    """Run commands in the background from when the last shown line came."""
    *first, last = commands
    script = "\n".join([*first, f"exec {_words(last)}"])
    log = directory / f"service-{len(list(directory.glob('service-*')))}.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            ["bash", "-euc", script],
            cwd=directory,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(lambda: not lacks(shown, log.read_text()) or process.poll() is not None, 30)
        assert process.poll() is None, log.read_text()
        yield
        assert process.poll() is None, log.read_text()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        # What is left of its group would answer the commands after it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _words(command):
    """Let ``NAME=value program`` be what ``exec`` takes."""
    return f"env {command}" if "=" in command.split()[0] else command


@pytest.mark.parametrize("page", TO_RUN, ids=lambda page: page.name)
def test_commands_of_the_page_print_its_output(page, place):
    directory, agents = place
    environment = environ(agents)
    port = str(free_port())
    with ExitStack() as services:
        running = {}
        for block in blocks(page):
            kind, _, name = block.options.partition(" ")
            if kind == "file:":
                (directory / name).write_text(block.text)
            if block.language != "console" or kind == "not-run:":
                continue
            commands, shown = (
                [line.replace("8000", port) for line in lines] for lines in (block.commands, block.shown)
            )
            if kind == "service":
                # Started again, it replaces the one that runs.
                running.pop(commands[-1], ExitStack()).close()
                running[commands[-1]] = services.enter_context(ExitStack())
                running[commands[-1]].enter_context(service(commands, shown, directory, environment))
                continue
            done = subprocess.run(
                ["bash", "-euc", "\n".join(commands)],
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == (int(name) if kind == "exit" else 0), f"{block.text}\n{done.stdout}"
            assert lacks(shown, done.stdout) == [], done.stdout


QUERIES = [
    pytest.param(block.text.strip(), id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page))
    if block.language == "promql"
]


@pytest.fixture(scope="module", params=[False, True], ids=["installed", "built"])
def server(request):
    """Prometheus over a leaking shop that is asked all the time: the installed one, and that of ``make prometheus``."""
    if program("prometheus", built=request.param) is None:
        pytest.skip("needs make prometheus" if request.param else "needs Debian's package prometheus")
    stop = threading.Event()
    with ExitStack() as stack:
        targets = {"shop": stack.enter_context(scraped_shop(lambda _: "/query", stop))}
        yield stack.enter_context(prometheus(free_port(), targets, seconds_for_minutes=True, built=request.param))


@pytest.mark.parametrize("query", QUERIES)
def test_query_of_the_page_finds_data(query, server):
    """As it stands there, but that minutes are read as seconds."""
    wait_for(lambda: server.query(_MINUTES.sub(r"\1s", query)), 60)
