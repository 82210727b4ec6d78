"""Known differences: tests that observe necessary changes, by name, with the reason. At most five."""

_POOL = "test.test_concurrent_futures.test_process_pool.ProcessPoolForkProcessPoolExecutorTest"

KNOWN: dict[str, str] = {
    "test.test_threading.ThreadTests.test_leak_without_join": (
        "It counts the threads of the process before and after. The thread of this package stops for the fork in an "
        "earlier test and starts again with the next thread, which is the one that this test creates."
    ),
    "test.test_threading.ThreadTests.test_import_from_another_thread": (
        "It requires that threading has not been imported in its process. Instrumentation loaded at start-up imports "
        "it: OpenTelemetry's API does."
    ),
    f"{_POOL}.test_python_finalization_error": (
        "It allows exactly one thread to start and expects it to be the pool's. The threads of this package stop while "
        "the pool forks its workers and restart afterwards, so that the command line reaches a process that only forks."
    ),
    "test.test_threading.ThreadTests.test_finalize_daemon_thread_hang": (
        "It replaces sys.stderr.flush and expects the first call during finalization. Once logging is imported, as by "
        "OpenTelemetry's API, logging.shutdown calls it earlier; with an SDK the test fails bare as well."
    ),
    "tests/sync/test_connection.py::ServerConnectionTests::test_writing_in_recv_events_fails": (
        "Of websockets. It passes only if the main thread closes one direction before the thread that it has just "
        "started begins to read. Recording the start takes microseconds, in which that thread begins. Bare, the test "
        "fails now and then, and always if the main thread waits for 10 ms first."
    ),
}

APART = (f"{_POOL}.test_python_finalization_error",)
"""Known differences that run alone: after this test fails, its workers are never ended and its module hangs."""


_AFTER_FORK = "test.test_threading.ThreadTests.test_main_thread_after_fork_from"

WITHOUT_THREADS = (
    "test.test_threading.ThreadJoinOnShutdown.test_3_join_in_forked_from_thread",
    f"{_AFTER_FORK}_nonmain_thread",
    f"{_AFTER_FORK}_foreign_thread",
    f"{_AFTER_FORK}_dummy_thread",
)
"""Tests that run with an SDK without threads only. An SDK starts its threads again in a forked child, and a child that
was forked from a thread ends with its last thread: these tests wait for it in vain, with this package or without.
"""
