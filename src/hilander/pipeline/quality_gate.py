"""Whether a trained model is good enough to be put into service."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hilander.config import GateParams

METRICS = {"f_pairwise": "F_P", "f_bcubed": "F_B"}
Metrics = Mapping[str, Mapping[str, float]]


class QualityGateRefused(RuntimeError):
    """A floor was missed; the message names each one."""


@dataclass(frozen=True)
class GateCheck:
    """One floor that the model must keep.

    Attributes
    ----------
    floor : str
        What the floor is.
    metric : str
        ``F_P`` or ``F_B``, on classes never seen in training.
    value, at_least : float
        What the model reaches, and what is asked for.
    passed : bool
    """

    floor: str
    metric: str
    value: float
    at_least: float
    passed: bool

    def __str__(self) -> str:
        verdict = "kept" if self.passed else "missed"
        return f"{self.floor}: {self.metric} is {self.value:.4f}, asked for is {self.at_least:.4f}: {verdict}"


def check_quality(
    metrics: Metrics,
    variant: str,
    baselines: Sequence[str],
    params: GateParams,
    in_service: Mapping[str, float] | None,
) -> list[GateCheck]:
    """Hold the figures of a run against every floor of ``params.yaml``.

    Parameters
    ----------
    metrics : mapping
        ``reports/metrics.json``: the metrics of each method by name.
    variant : str
        The method that would be put into service.
    baselines : sequence of str
        Names of the methods that it must beat; one that gave no result asks for nothing.
    params : GateParams
    in_service : mapping or None
        Metrics of the model in service now; None where there is none yet.

    Raises
    ------
    ValueError
        No figures of `variant`, or one is missing; or baselines are to be beaten, and none of them gave a result.
    """
    ours = metrics.get(variant, {})
    missing = [name for name in METRICS if not isinstance(ours.get(name), int | float)]
    if missing:
        raise ValueError(
            f"expected {' and '.join(missing)} of '{variant}' in reports/metrics.json, found none; "
            "run the stage 'evaluate'"
        )
    checks = []
    for name, symbol in METRICS.items():
        floors = {"lowest accepted": getattr(params, f"min_{name}")}
        if in_service is not None and params.max_drop is not None and name in in_service:
            floors[f"model in service ({in_service[name]:.4f}), less {params.max_drop}"] = (
                in_service[name] - params.max_drop
            )
        reached = {method: metrics.get(method, {}).get(name, math.nan) for method in baselines}
        rivals = {method: value for method, value in reached.items() if math.isfinite(value)}
        if params.beat_baselines and baselines and not rivals:  # else a gate that is to compare would compare nothing
            raise ValueError(
                f"expected {name} of one of {', '.join(baselines)} in reports/metrics.json, found none; the log of the "
                "stage 'evaluate' says why they gave no result; or set gate.beat_baselines to false"
            )
        if params.beat_baselines and rivals:
            best = max(rivals, key=lambda method: rivals[method])
            floors[f"best baseline ({best})"] = rivals[best]
        for floor, at_least in floors.items():
            # Not "value < at_least": NaN keeps no floor. A baseline must be beaten, not only equalled, unless it is
            # without a fault: nothing is higher than 1.
            to_beat = floor.startswith("best baseline") and at_least < 1
            beaten = ours[name] > at_least if to_beat else ours[name] >= at_least
            checks.append(GateCheck(floor, symbol, ours[name], at_least, bool(beaten)))
    return checks


def refuse_missed(checks: Sequence[GateCheck]) -> None:
    """Raise where a floor was missed.

    Raises
    ------
    QualityGateRefused
    """
    missed = [str(check) for check in checks if not check.passed]
    if missed:
        raise QualityGateRefused(
            "the quality gate refused the model, and the one in service stays. " + "; ".join(missed)
            + ". Improve the model, or lower the floors under `gate` in params.yaml"
        )  # fmt: skip
