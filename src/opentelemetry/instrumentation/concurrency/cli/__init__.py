"""The command ``otel-concurrency``: inspects every Python process on this machine.

``main`` parses the command line; there is one module per command. ``processes`` reads process information from the
operating system, ``connection`` sends requests to an agent, ``sources`` resolves targets. All output is rendered here,
from values; each failure is one paragraph (``failures``).
"""
