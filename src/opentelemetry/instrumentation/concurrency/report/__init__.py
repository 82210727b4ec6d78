"""Reports and metrics."""
