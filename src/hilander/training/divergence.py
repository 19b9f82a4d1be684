"""Trainings that go astray end at once, before a useless model is saved."""

from __future__ import annotations

from torch import Tensor


def check_finite(loss: Tensor, when: str, learning_rate: float) -> None:
    """Raise ValueError where the loss of a step is NaN or infinite.

    Parameters
    ----------
    loss : Tensor of shape ()
    when : str
        As ``"step 7"``.
    learning_rate : float
        The one that was trained with.
    """
    if not loss.isfinite():
        raise ValueError(
            f"the training of LANDER has diverged: its loss is {loss.item()} at {when}; choose a lower learning_rate "
            f"than {learning_rate:g}, or other weights and decays nearer to their defaults"
        )
