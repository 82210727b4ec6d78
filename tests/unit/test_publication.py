"""What the exporter reads: one publication per scan, marked once it was read."""

from opentelemetry.instrumentation.concurrency.census.scan import Scan
from opentelemetry.instrumentation.concurrency.diagnose.diagnosis import Diagnosed
from opentelemetry.instrumentation.concurrency.report.series import Publication, SeriesAllocator


def test_publication_is_unread_until_an_exporter_reads_it():
    """Only what was read may be left out of a series that begins later."""
    allocator = SeriesAllocator(max_sites=10, granularity="line", totals_only=False)
    assert Publication((), 0, 0).was_read is False
    assert Publication((), 0, 0).tasks_unexamined == 0
    assert Publication((), 0, 0).suspects == {"task": 0, "thread": 0}
    allocator.publish(Scan(1, 2.0, False, (), ()), Diagnosed(unexamined=3), {"task": [], "thread": []})
    assert not allocator._publication.was_read
    found = allocator.read()
    assert found.was_read and found.tasks_unexamined == 3
    allocator.publish(Scan(2, 3.0, False, (), ()), Diagnosed(), {"task": [], "thread": []})
    assert not allocator._publication.was_read
