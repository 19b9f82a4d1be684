"""The number format that ``precision: auto`` stands for."""

from __future__ import annotations

import torch


def use_bfloat16(precision: str, device: torch.device) -> bool:
    """Return whether convolutions are to be trained in bfloat16; ``auto`` says yes where the device computes in it.

    Raises
    ------
    ValueError
        `precision` is none of ``auto``, ``float32``, ``bfloat16``.
    """
    if precision not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"unknown precision '{precision}'; known: auto, float32, bfloat16")
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
