"""Checks in the running process that the internals of other libraries are as this version expects."""
