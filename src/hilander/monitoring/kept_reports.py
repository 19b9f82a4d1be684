"""The reports beside the verdicts: one for each, of which the newest are kept."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

_TIME = "%Y%m%dT%H%M%S%f"  # to the microsecond: two runs may judge within one second
_REPORT = re.compile(r"drift-(\d{8}T\d{6}(?:\d{6})?)(?:-evidently)?\.html")


def report_path(folder: str | Path, time: datetime) -> Path:
    """Return where the report on the verdict of that time lies."""
    return Path(folder) / f"drift-{time.astimezone(UTC):{_TIME}}.html"


def remove_old_reports(folder: str | Path, keep: int, now: datetime) -> int:
    """Remove all reports but the newest, with Evidently's pages; other files stay.

    Parameters
    ----------
    folder : str or Path
    keep : int
        How many reports, 1 or more.
    now : datetime
        Reports of a later time were written while the clock was wrong, and go first.

    Returns
    -------
    int
        How many went.

    Raises
    ------
    ValueError
        `keep` below 1.
    """
    if keep < 1:
        raise ValueError(f"keep must be at least 1; got {keep}")
    pages: dict[str, list[Path]] = {}
    for path in Path(folder).glob("drift-*.html"):
        if match := _REPORT.fullmatch(path.name):
            pages.setdefault(match[1], []).append(path)
    latest = f"{now.astimezone(UTC):{_TIME}}"
    times = sorted(pages, key=lambda time: (time <= latest, time))
    for time in times[:-keep]:
        for path in pages[time]:
            path.unlink(missing_ok=True)  # another run was quicker
    return len(times[:-keep])
