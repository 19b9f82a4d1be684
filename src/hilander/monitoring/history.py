"""Verdicts over time, and what they say together: has it drifted for long, is it time to retrain."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from hilander.monitoring.drift.verdict import Verdict

logger = logging.getLogger(__name__)

FILE = "drift.jsonl"


@dataclass(frozen=True)
class Judgement:
    """One verdict and what it was about.

    Attributes
    ----------
    time : datetime
        When it was reached, with a time zone.
    model_version : str
        Of the release in service then.
    verdict : Verdict
    """

    time: datetime
    model_version: str
    verdict: Verdict


def append_judgement(folder: str | Path, judgement: Judgement) -> Path:
    """Add a line to the history in `folder`; several processes may.

    Raises
    ------
    ValueError
        The time has no zone.
    """
    if judgement.time.tzinfo is None:
        raise ValueError(f"the time of a verdict must have a time zone; got {judgement.time}")
    path = Path(folder) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    line = {"time": judgement.time.isoformat(), "model_version": judgement.model_version}
    content = json.dumps(line | {"verdict": judgement.verdict.to_dict()})
    # The line break comes first too: a line that an earlier writer left torn then spoils itself only.
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(handle, f"\n{content}\n".encode())
    finally:
        os.close(handle)
    return path


def read_history(folder: str | Path) -> list[Judgement]:
    """Return all judgements in the order in which they were reached; lines that are torn are skipped with a warning.

    Not in order of time: verdicts of a clock that was ahead would be the last ones until it is that late.
    """
    path = Path(folder) / FILE
    found = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            content = json.loads(line)
            time = datetime.fromisoformat(content["time"])
            found.append(Judgement(time, content["model_version"], Verdict.from_dict(content["verdict"])))
        except (ValueError, KeyError, TypeError) as error:
            logger.warning("line %d of %s is torn and was skipped: %s", number, path, error)
    return found


def sustained(history: Sequence[Judgement], n: int, *, model_version: str | None = None) -> bool:
    """Return whether the last `n` verdicts all say drift; of one model, where its version is given.

    At a false-alarm rate of 5 %, three windows in a row are falsely so once in 8,000 times, if they are independent.

    Raises
    ------
    ValueError
        `n` below 1.

    Examples
    --------
    >>> sustained([], 3)
    False
    """
    if n < 1:
        raise ValueError(f"n must be at least 1; got {n}")
    last = [entry.verdict.drifted for entry in history if model_version in (None, entry.model_version)][-n:]
    return len(last) == n and all(last)


def cooled_down(last: datetime | None, now: datetime, cooldown: timedelta) -> bool:
    """Return whether `cooldown` has passed since `last`, for instance the last retraining; True if there was none.

    Nor was there one where `last` lies farther ahead than that: the clock was wrong then.

    Examples
    --------
    >>> cooled_down(datetime(2026, 1, 1), datetime(2026, 1, 2), timedelta(hours=12))
    True
    """
    return last is None or abs(now - last) >= cooldown
