"""The shipped rules over services at default settings: a leak pages within half an hour, and healthy load never does.

Time is accelerated; ``benchmarks/alerts.py`` shows two hours of each.
"""

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "alerts.py"
MINUTES = 30
pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs Debian's package prometheus")


@pytest.fixture(scope="module")
def loads():
    if sys.version_info[:2] != (3, 11):
        pytest.skip("once is enough, with the main Python")
    pytest.importorskip("opentelemetry.exporter.prometheus")
    spec = importlib.util.spec_from_file_location("alerts_of_loads", PATH)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.timeout(300)
@pytest.mark.parametrize("shape", ["requests", "connections", "batches", "pools"])
def test_healthy_load_fires_no_alert(loads, shape):
    found = loads.observe(getattr(loads, shape), MINUTES)
    assert loads.most(found, "python_asyncio_task_created_total") > 20
    assert loads.alerts(found) == {}


@pytest.mark.timeout(300)
def test_leak_fires_one_alert_within_half_an_hour(loads):
    fired = loads.alerts(loads.observe(loads.leak, MINUTES))
    assert fired.keys() == {"PythonLeakGrows"}
    assert fired["PythonLeakGrows"] <= MINUTES
