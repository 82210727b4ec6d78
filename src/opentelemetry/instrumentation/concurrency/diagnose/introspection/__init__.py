"""Inspection of tasks and threads without running application code."""
