"""How windows are compared with a reference."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DriftSettings:
    """How a window is compared.

    Attributes
    ----------
    false_alarm_rate : float
        Of the overall verdict, all statistics together.
    confidence : float
        That the rate holds, since the limits are estimated from draws.
    n_draws : int
        Healthy windows drawn from the reference.
    max_rows : int
        Rows of either side that are compared; larger windows are sampled.
    n_samples : int
        Of window and reference, over which a window's statistics are averaged. Draws are measured once each, so a
        healthy window's average lies within their spread all the more.
    model_rows : int
        Of these, rows that the model is asked about.
    seed : int
        The same seed gives the same verdict.
    """

    false_alarm_rate: float = 0.05
    confidence: float = 0.95
    n_draws: int = 100
    max_rows: int = 2048
    n_samples: int = 3
    model_rows: int = 1024
    seed: int = 0
