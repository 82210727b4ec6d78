"""Print the packages that the extra `test` does not install on one version of Python, as alternatives of a pattern.

Usage: ``python .ci/excluded_packages.py 3.15``.
"""

import sys
from importlib.metadata import requires

from packaging.requirements import Requirement

where = {"python_version": sys.argv[1], "python_full_version": f"{sys.argv[1]}.0", "extra": "test"}
named = [Requirement(text) for text in requires("opentelemetry-instrumentation-concurrency") or ()]
markers = {one.name: one.marker for one in named if one.marker is not None and 'extra == "test"' in str(one.marker)}
excluded = sorted(name for name, marker in markers.items() if not marker.evaluate(where))
sys.stdout.write("|".join(excluded) + "\n")
