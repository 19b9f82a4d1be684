"""Verdicts over time, and what they say together: has it drifted for long, is it time to retrain."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from hilander.monitoring.drift.verdict import Verdict

logger = logging.getLogger(__name__)

FILE = "drift.jsonl"
_BYTES_AT_ONCE = 1 << 20


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


def read_history(folder: str | Path, *, last: int | None = None, model_version: str | None = None) -> list[Judgement]:
    """Return judgements in the order in which they were reached; lines that are torn are skipped with a warning.

    Not in order of time: verdicts of a clock that was ahead would be the last ones until it is that late.

    Parameters
    ----------
    folder : str or Path
        Where there is no history yet, there are no judgements.
    last : int, optional
        The last so many, 1 or more. The file is read from its end, and no farther than that: of a verdict a minute it
        grows by 1.6 GB a year.
    model_version : str, optional
        Those on this release.

    Raises
    ------
    ValueError
        `last` below 1.
    """
    if last is not None and last < 1:
        raise ValueError(f"last must be at least 1; got {last}")
    path = Path(folder) / FILE
    # Looked for before a line is parsed, which takes far longer: a new release has all verdicts on others behind it.
    named = b"" if model_version is None else json.dumps(model_version).encode()
    found: list[Judgement] = []
    for line in _lines_from_the_end(path):
        if not line or named not in line:
            continue
        try:
            content = json.loads(line.decode(errors="replace"))
            time, version = datetime.fromisoformat(content["time"]), content["model_version"]
            judgement = Judgement(time, version, Verdict.from_dict(content["verdict"]))
        except (ValueError, KeyError, TypeError) as error:
            logger.warning("a line of %s is torn and was skipped, %.60r: %s", path, line, error)
            continue
        if model_version in (None, version):
            found.append(judgement)
        if len(found) == last:
            break
    return found[::-1]


def _lines_from_the_end(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, the last one first; none where there is no file."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        position, begun = file.seek(0, os.SEEK_END), b""
        while position:
            size = min(_BYTES_AT_ONCE, position)
            position -= size
            file.seek(position)
            begun, *lines = (file.read(size) + begun).split(b"\n")  # the first one may begin in the block before
            yield from reversed(lines)
        yield begun


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
