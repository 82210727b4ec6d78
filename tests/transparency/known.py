"""Tests of others that see what we must touch, by name, each with its reason. No more than five."""

_POOL = "test.test_concurrent_futures.test_process_pool.ProcessPoolForkProcessPoolExecutorTest"

KNOWN: dict[str, str] = {
    "test.test_threading.ThreadTests.test_leak_without_join": (
        "It counts the threads of the process before and after. Our own is stopped for the fork of an earlier test and "
        "starts again with the next thread, which is the one of this test."
    ),
    "test.test_threading.ThreadTests.test_import_from_another_thread": (
        "It wants to be the first of its process to import threading. Whatever instruments at start-up has done that: "
        "OpenTelemetry's API does."
    ),
    f"{_POOL}.test_python_finalization_error": (
        "It lets one thread be started and no more, and counts on that being the pool's. Ours stop while the pool "
        "forks its workers and go on right afterwards: the command line still reaches a process that only forks."
    ),
}

APART = (f"{_POOL}.test_python_finalization_error",)
"""Of these, those that run alone: in the state where this one fails nobody ends its workers, and its module hangs."""
