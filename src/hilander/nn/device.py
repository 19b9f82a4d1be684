"""Which processor the networks run on."""

from __future__ import annotations

import torch


def resolve_device(device: str) -> torch.device:
    """Return the torch device for "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:N".

    Raises
    ------
    ValueError
        A GPU is asked for where torch sees none, or the name is unknown.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device must be 'auto', 'cpu' or 'cuda', got {device!r}") from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {device!r} is asked for, but torch sees no GPU here; use device='auto' or 'cpu'")
    return resolved
