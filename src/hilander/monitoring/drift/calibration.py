"""How large each statistic gets where nothing drifted: draws of the reference, and a limit on all at once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import binom

from hilander.atomic_write import atomic_file

FORMAT = "hilander-drift-calibration/2"
N_QUANTILES = 400
_FINEST = 1e-6  # by which an AUC can differ from 1: of 1,024 rows and 1,024, one pair


@dataclass(frozen=True)
class Calibration:
    """Statistics of healthy windows.

    A limit lies so many standard deviations above the mean. Of the classifier's AUC that could be more than 1, where
    it ends; so it is counted as the distance of two normal distributions that overlap as much, which has no end.

    Attributes
    ----------
    names : list of str
        One per statistic.
    draws : list of list of float
        (n_draws, n_statistics): what healthy windows measure.
    limit : float
        Standard deviations above the mean of its draws that a statistic may reach, whichever it is.
    healthy : dict of str to list of float
        Quantiles of each scalar.
    """

    names: list[str]
    draws: list[list[float]]
    limit: float
    healthy: dict[str, list[float]]

    @classmethod
    def of(cls, draws: pd.DataFrame, healthy: pd.DataFrame, false_alarm_rate: float, confidence: float) -> Calibration:
        """Choose the limit so that the largest statistic passes it at the given rate only.

        The limit is the draw of so high a rank that, with probability `confidence`, no more than `false_alarm_rate`
        of all healthy windows lie above it (Wilks, 1941): the limit is itself estimated, and errs to the safe side.
        """
        endless = _without_end(draws.to_numpy(), list(draws.columns))
        largest = np.sort(_standardized(endless, endless).max(axis=1))
        ranks = np.arange(1, len(largest) + 1)
        safe = ranks[binom.cdf(ranks - 1, len(largest), 1 - false_alarm_rate) >= confidence]
        if not len(safe):
            needed = int(np.ceil(np.log(1 - confidence) / np.log(1 - false_alarm_rate)))
            raise ValueError(
                f"{len(largest)} draws cannot show a false-alarm rate of {false_alarm_rate:g} with confidence "
                f"{confidence:g}; raise n_draws to {needed}"
            )
        limit = float(largest[safe[0] - 1])
        return cls(list(draws.columns), draws.to_numpy().tolist(), limit, healthy.to_dict("list"))

    @property
    def thresholds(self) -> dict[str, float]:
        """Largest healthy value of each statistic; of the AUC 1, which none exceeds, where healthy windows reach it."""
        draws = self._endless_draws()
        limits = (draws.mean(axis=0) + self.limit * _deviation(draws)).tolist()
        return {
            name: _auc(limit) if name == "domain_auc" else limit for name, limit in zip(self.names, limits, strict=True)
        }

    def p_values(self, values: dict[str, float]) -> tuple[dict[str, float], float]:
        """Return each statistic's p and that of the largest of all: the share of healthy draws as far out."""
        draws, row = self._endless_draws(), self._endless(values)
        each = (1 + (draws >= row).sum(axis=0)) / (len(draws) + 1)
        largest = _standardized(draws, draws).max(axis=1)
        overall = (1 + (largest >= _standardized(row, draws).max()).sum()) / (len(draws) + 1)
        return dict(zip(self.names, each.tolist(), strict=True)), float(overall)

    def excess(self, values: dict[str, float]) -> dict[str, float]:
        """Return how far each statistic lies out, 1 being its threshold and 0 the mean of healthy windows."""
        out = _standardized(self._endless(values), self._endless_draws())[0] / self.limit
        return dict(zip(self.names, out.tolist(), strict=True))

    def _endless_draws(self) -> NDArray[np.float64]:
        return _without_end(np.array(self.draws), self.names)

    def _endless(self, values: dict[str, float]) -> NDArray[np.float64]:
        return _without_end(np.array([[values[name] for name in self.names]]), self.names)

    def save(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps({"format": FORMAT} | asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Calibration | None:
        """Read back; None where there is none or it was damaged, which costs computing it again."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(**content) if content.pop("format") == FORMAT else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None


def _without_end(rows: NDArray[np.float64], names: list[str]) -> NDArray[np.float64]:
    """Return statistics (n, n_statistics) on scales that go on for ever."""
    is_auc = np.array(names) == "domain_auc"
    return np.where(is_auc, ndtri(np.clip(rows, _FINEST, 1 - _FINEST)), rows)


def _auc(distance: float) -> float:
    auc = float(ndtr(distance))
    return auc if auc < 1 - _FINEST else 1.0


def _deviation(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(draws.std(axis=0), 1e-9)


def _standardized(rows: NDArray[np.float64], draws: NDArray[np.float64]) -> NDArray[np.float64]:
    return (rows - draws.mean(axis=0)) / _deviation(draws)


def quantiles(values: pd.DataFrame) -> pd.DataFrame:
    """Reduce scalars of many draws to so many quantiles of each."""
    levels = (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES
    return values.quantile(levels).reset_index(drop=True).round(6)
