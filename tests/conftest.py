"""What every test relies on."""

import gc
import signal


def pytest_configure():
    """Let Ctrl-C reach the programs under test: what a shell starts in the background ignores it, children too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish():
    """Leave the thousands of collected tests out of each garbage collection, of which many tests make several."""
    gc.collect()
    gc.freeze()
