"""Snapshots of all live tasks and threads: taking, writing as JSON, and reading."""
