"""The command ``otel-concurrency``: every Python process of this machine, what it runs, what it leaks.

``main`` reads the command line, one module a command does it. ``processes`` says what can be known of a process from
outside, ``connection`` asks its agent, ``sources`` turns targets into what can be asked. Everything shown is rendered
here, from values; failures are one paragraph each (``failures``).
"""
