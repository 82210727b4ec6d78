"""JSON output of tasks and threads (``--json``), without the lookup tables of snapshots."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ..snapshot.values import LivePicture
from .taken import Taken


def pictures_json(taken: Taken, pictures: Iterable[LivePicture]) -> dict[str, Any]:
    """Return pictures as one object per process."""
    return {
        "pid": taken.snapshot.process_id,
        "service": taken.process.service_name,
        "python": taken.process.python_version,
        "taken_at": taken.snapshot.taken_at,
        "live": [asdict(picture) for picture in pictures],
    }
