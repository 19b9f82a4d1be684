"""What was found, in a form that people, programs and Prometheus read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

TITLES = {
    "domain_auc": "Telling window and reference apart",
    "mean_discrepancy": "Distance between the two sets",
    "norm": "Length of the embeddings",
    "cosine_to_mean": "Similarity to the reference's mean",
    "distance_to_nearest_mean": "Distance to the nearest reference item, mean",
    "distance_to_nearest_tail": "Distance to the nearest reference item, farthest 5 %",
    "distance_within_mean": "Distance to the nearest item of the window, mean",
    "distance_within_tail": "Distance to the nearest item of the window, farthest 5 %",
    "distance_within": "Distance to the nearest item of the window, distribution",
    "component_1": "Principal component 1",
    "component_2": "Principal component 2",
    "component_3": "Principal component 3",
    "component_4": "Principal component 4",
    "linkage": "Likeliest link of each item",
    "density": "Predicted density",
    "cluster_size": "Cluster sizes",
    "singleton": "Share of items that stand alone",
}

SCALAR_TITLES = {
    "norm": "Length",
    "cosine_to_mean": "Similarity to the mean",
    "distance_to_nearest": "Distance to reference",
    "distance_within": "Distance within window",
    "component_1": "Component 1",
    "component_2": "Component 2",
    "component_3": "Component 3",
    "component_4": "Component 4",
    "linkage": "Likeliest link",
    "density": "Predicted density",
    "cluster_size": "Cluster size, log₂",
}


@dataclass(frozen=True)
class Statistic:
    """One comparison.

    Attributes
    ----------
    name : str
        Key of `TITLES`.
    value, threshold : float
        Beyond the threshold the window has drifted.
    p : float
        Share of healthy windows with as large a value, this statistic looked at alone.
    excess : float
        0 at the mean of healthy windows, 1 at the threshold.
    """

    name: str
    value: float
    threshold: float
    p: float
    excess: float

    @property
    def drifted(self) -> bool:
        """Whether the value lies beyond its threshold."""
        return self.value > self.threshold

    @property
    def title(self) -> str:
        """What it measures, in words."""
        return TITLES.get(self.name, self.name)


@dataclass(frozen=True)
class Verdict:
    """Whether a window has drifted.

    Attributes
    ----------
    drifted : bool
    p : float
        Share of healthy windows whose largest deviation is as large: all statistics together.
    reasons : list of str
        A sentence each; of a healthy window, one that says so.
    statistics : list of Statistic
    false_alarm_rate : float
        Of `drifted`, that it was calibrated to.
    n_window, n_distinct, n_compared, n_reference : int
        Rows that came, those that differ, those compared with as many of the reference's.
    sparse : bool
        The window was compared with healthy windows of few items of each class, which it looks like.
    """

    drifted: bool
    p: float
    reasons: list[str]
    statistics: list[Statistic]
    false_alarm_rate: float
    n_window: int
    n_distinct: int
    n_compared: int
    n_reference: int
    sparse: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        content = asdict(self)
        for entry, statistic in zip(content["statistics"], self.statistics, strict=True):
            entry["drifted"] = statistic.drifted
        return content

    def to_json(self) -> str:
        """As a JSON object."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Verdict:
        """Read back what `to_dict` gave."""
        fields = ("name", "value", "threshold", "p", "excess")
        statistics = [Statistic(**{name: entry[name] for name in fields}) for entry in content["statistics"]]
        return cls(**{**content, "statistics": statistics})

    def gauges(self) -> dict[str, float]:
        """Return values of Prometheus gauges by name."""
        named = {
            "hilander_drift_detected": float(self.drifted),
            "hilander_drift_p_value": self.p,
            "hilander_drift_window_rows": float(self.n_window),
        }
        for statistic in self.statistics:
            named[f"hilander_drift_{statistic.name}"] = statistic.value
            named[f"hilander_drift_{statistic.name}_threshold"] = statistic.threshold
        return named


def reasons_of(
    statistics: Sequence[Statistic], scalars: pd.DataFrame, healthy: pd.DataFrame, *, sparse: bool = False
) -> list[str]:
    """Say in a sentence each why a window has drifted, the farthest out first; or that it has not."""
    beyond = sorted((s for s in statistics if s.drifted), key=lambda s: -s.excess)
    if not beyond:
        nearest = max(statistics, key=lambda s: s.excess)
        return [
            f"Nothing drifted: every statistic is within what healthy windows "
            f"{'of as few items of each class ' if sparse else ''}show; the nearest to its limit is "
            f"“{nearest.title}” ({nearest.value:.3f}, limit {nearest.threshold:.3f})."
        ]
    return [_sentence(statistic, scalars, healthy) for statistic in beyond]


def _sentence(statistic: Statistic, scalars: pd.DataFrame, healthy: pd.DataFrame) -> str:
    value, limit = f"{statistic.value:.3f}", f"{statistic.threshold:.3f}"
    match statistic.name:
        case "domain_auc":
            return f"A classifier tells window from reference with AUC {value}; healthy windows stay below {limit}."
        case "mean_discrepancy":
            return f"The sets lie {value} apart (maximum mean discrepancy); healthy windows stay below {limit}."
        case "distance_to_nearest_mean":
            return f"Items lie {value} from their nearest reference item on average; healthy ones at most {limit}."
        case "distance_to_nearest_tail":
            return f"The farthest 5 % of the items lie {value} from any reference item; healthy ones at most {limit}."
        case "distance_within_mean":
            return (
                f"Items lie {value} from the nearest other one of the window on average; healthy ones at most {limit}."
            )
        case "distance_within_tail":
            return f"The loneliest 5 % of the items lie {value} from any other one; healthy ones at most {limit}."
    now, usual = scalars[statistic.name].mean(), healthy[statistic.name].mean()
    if statistic.name == "singleton":
        return f"{now:.1%} of the items stand alone; {usual:.1%} are usual."
    return (
        f"{statistic.title}: mean {now:.3f}, usually {usual:.3f}; the distributions lie {value} standard deviations "
        f"apart, healthy ones at most {limit}."
    )
