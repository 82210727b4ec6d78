"""The version of the distribution, also sent as the scope version."""

__version__ = "0.1.0"
