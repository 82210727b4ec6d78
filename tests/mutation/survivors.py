"""Why a mutant that no unit test finds may stay, by its key."""

REASONS: dict[str, str] = {
    "record/tasks.py create_task: (frame := frame.f_back).f_code is by_gather → "
    "(frame := frame.f_back).f_code is not by_gather": (
        "Equivalent: skipping asyncio's own callers here only saves the walk that skips them as plumbing."
    ),
    "record/site_table.py _stand_in: condition reversed: len(self._stand_ins) >= _MOST_TRIED": (
        "Equivalent in results: the cache is emptied too often, or never; it is rebuilt on the next miss."
    ),
}
