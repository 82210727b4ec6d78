"""Recording of tasks and threads at their creation, on the application's own path."""
