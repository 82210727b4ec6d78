"""The order of the integration tests: files with a long test start first, so that none of them ends alone."""

LONG_S = 300


def pytest_collection_modifyitems(items):
    """Move the files in which some test may take long to the front; the rest keeps its order."""
    long = {item.path for item in items if (mark := item.get_closest_marker("timeout")) and mark.args[0] > LONG_S}
    items.sort(key=lambda item: item.path not in long)
