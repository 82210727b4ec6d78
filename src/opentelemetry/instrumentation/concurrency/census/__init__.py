"""The census of live tasks and threads."""
