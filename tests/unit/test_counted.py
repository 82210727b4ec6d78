"""Counts of live tasks and threads over the agent's socket."""

import json

import pytest
from pictured import SPAWN, healthy, leaked, spawned, thread

from opentelemetry.instrumentation.concurrency.agent.counted import _pieces, read_counted
from opentelemetry.instrumentation.concurrency.snapshot.tally import tally


def test_counts_come_back_as_they_were_written():
    """What runs, the spawners and whose creation stack it is included."""
    counts = tally([leaked(1), spawned(2, creation_sampled=True), healthy(3), thread(4)])
    read = read_counted("".join(_pieces(counts)).encode())
    assert read == counts
    assert [one.site.via for one in read if one.site.runs] == [(SPAWN,)]


def test_counts_of_a_process_with_an_earlier_version_are_read():
    """They say neither what runs nor whose stack it is."""
    lines = [json.loads(piece) for piece in _pieces(tally([spawned(1)]))]
    for line in lines:
        for name in ("runs", "via", "creation_sampled"):
            del line[name]
    (read,) = read_counted("".join(json.dumps(line) + "\n" for line in lines).encode())
    assert (read.count, read.site.runs, read.site.via) == (1, "", ())


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"site": [1]}', b"x"])
def test_text_without_counts_is_a_value_error(body):
    """With what is wrong about it."""
    with pytest.raises(ValueError, match="contains no counts"):
        read_counted(body)
