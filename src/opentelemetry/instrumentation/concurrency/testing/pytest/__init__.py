"""The pytest plugin; only ``plugin.py`` and ``options.py`` are always loaded."""
