"""What ``--json`` prints of tasks and threads, without the tables that snapshots are written with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ..census.snapshot import LivePicture
from .sources import Taken


def pictures_json(taken: Taken, pictures: Iterable[LivePicture]) -> dict[str, Any]:
    """Return pictures as one object a process."""
    return {
        "pid": taken.snapshot.process_id,
        "service": taken.process.service_name,
        "python": taken.process.python_version,
        "taken_at": taken.snapshot.taken_at,
        "live": [asdict(picture) for picture in pictures],
    }
