"""Somebody asks the instrumentation itself, request after request: snapshots, profiles and counts.

A detector that starts threads or tasks for its answers finds itself.

Source: https://pkg.go.dev/net/http/pprof, whose own handler shows in every goroutine profile
"""

import io

from opentelemetry.instrumentation.concurrency import live_counts, take_snapshot

EXPECTED = {}


async def main(park):
    sizes = []

    async def handle(number):
        snapshot = take_snapshot()
        sizes.append((len(snapshot.tasks), len(snapshot.threads), live_counts().tasks))
        io.StringIO().write(str(snapshot.by_stack))

    await park.requests(handle, 10)
    await park()
    assert len(set(sizes)) == 1
