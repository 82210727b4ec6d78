"""Leaked asyncio tasks and threads, by the line that created them, for every OpenTelemetry backend."""
