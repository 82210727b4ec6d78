"""The warning for spawned workers that share one service instance."""

import multiprocessing.process
import sys
from types import SimpleNamespace

import pytest

from opentelemetry.instrumentation.concurrency.report.shared_identity import warn_of_shared_identity

GIVEN = "service.name=shop, service.instance.id =one"


@pytest.fixture
def worker(monkeypatch):
    """Make this process the worker of that number; None for one that was not spawned."""

    def make(identity, attributes=GIVEN):
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", attributes)
        monkeypatch.setattr(sys, "argv", ["worker", *(["--multiprocessing-fork"] if identity else [])])
        monkeypatch.setattr(sys, "orig_argv", ["python"])
        current = SimpleNamespace(_identity=identity or ())
        monkeypatch.setattr(multiprocessing.process, "current_process", lambda: current)

    return make


def test_warn_first_spawned_worker_with_a_given_instance(worker, caplog):
    worker((1,))
    warn_of_shared_identity()
    (record,) = caplog.records
    assert "OTEL_RESOURCE_ATTRIBUTES" in record.getMessage()
    assert "service.instance.id" in record.getMessage()


def test_warn_nested_first_worker_as_well(worker, caplog):
    worker((2, 1))
    warn_of_shared_identity()
    assert len(caplog.records) == 1


@pytest.mark.parametrize("identity", [(2,), (1, 2), None])
def test_warn_other_process_is_silent(worker, caplog, identity):
    """Of several workers of one parent the first alone warns."""
    worker(identity)
    warn_of_shared_identity()
    assert caplog.records == []


@pytest.mark.parametrize("attributes", ["", "service.name=shop", "my.service.instance.id=one", "x=service.instance.id"])
def test_warn_without_a_given_instance_is_silent(worker, caplog, attributes):
    worker((1,), attributes)
    warn_of_shared_identity()
    assert caplog.records == []
