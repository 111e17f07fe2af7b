"""Several logs in one diagnosis, each read by itself: their units, points and runs are their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cotoolkit.core.errors import ConfigError
from cotoolkit.diagnosis.logs.diagnose_log import diagnose_courses
from cotoolkit.diagnosis.logs.reading.courses import Course
from cotoolkit.diagnosis.logs.schema import LogDiagnosis

LOG = "log"
"""The key that tells the runs of several logs apart."""


def diagnose_logs(paths: Sequence[Path], **options: Any) -> tuple[LogDiagnosis, list[Course]]:
    """Diagnose one log or several.

    Args:
        paths: of the logs.
        options: of `diagnose_courses`, for all of them.

    Returns:
        The diagnosis and the courses of all runs; of several logs each run has the name of its log in its key.

    Raises:
        ConfigError: no log, one named twice, logs whose columns have different names; or as `diagnose_log`.
        DataError: as `diagnose_log`.
    """
    twice = [str(path) for path in paths if list(paths).count(path) > 1]
    if twice or not paths:
        raise ConfigError(f"{twice[0]} is named twice; name each log once" if twice else "name a log")
    if len(paths) == 1:
        return diagnose_courses(paths[0], **options)
    names = [path.name for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    found: list[LogDiagnosis] = []
    courses: list[Course] = []
    notes: dict[str, list[str]] = {}
    for path, name in zip(paths, names, strict=True):
        one, its_courses = diagnose_courses(path, **options, key={LOG: name})
        if found and one.columns != found[0].columns:
            first, other = (
                ", ".join(f"{part} {column}" for part, column in it.columns.items()) for it in (found[0], one)
            )
            raise ConfigError(
                f"{names[0]} has the columns {first}, and {name} has {other}: diagnose logs with other columns apart"
            )
        found.append(one)
        courses += its_courses
        for note in one.notes:
            notes.setdefault(note, []).append(name)
    said = tuple(note if len(of) == len(names) else f"{', '.join(of)}: {note}" for note, of in notes.items())
    columns = {**found[0].columns, "run": ", ".join([LOG, *filter(None, [found[0].columns.get("run")])])}
    runs = tuple(run for one in found for run in one.runs)
    return found[0].model_copy(
        update={"source": ", ".join(names), "columns": columns, "notes": said, "runs": runs}
    ), courses
