"""A training run on disk, so that an interrupted one carries on where it stopped."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hilander.atomic_write import atomic_file
from hilander.config import EncoderParams

logger = logging.getLogger(__name__)


class Checkpoint:
    """State of one training run in a folder.

    Parameters
    ----------
    folder : str, Path or None
        Where ``checkpoint.pt`` lies; None keeps nothing.
    fingerprint : str
        Of parameters and data, see `fingerprint`; a state with another one is never picked up.
    """

    def __init__(self, folder: str | Path | None, fingerprint: str) -> None:
        self._path = None if folder is None else Path(folder) / "checkpoint.pt"
        self._fingerprint = fingerprint

    def write(self, state: dict[str, Any]) -> None:
        """Keep `state` (tensors, numbers, text, and lists and dicts of them) in place of the one before.

        Raises
        ------
        DiskFullError
            There was no room for it.
        """
        if self._path is None:
            return
        content = io.BytesIO()  # a disk that is full, torch would tell as two numbers
        torch.save({"fingerprint": self._fingerprint, "state": state}, content)
        with atomic_file(self._path) as temporary:
            temporary.write_bytes(content.getbuffer())

    def read(self) -> dict[str, Any] | None:
        """Return the state last written for this fingerprint, or None."""
        if self._path is None or not self._path.is_file():
            return None
        try:
            content = torch.load(self._path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file fails in many ways; any of them means: no state
            logger.warning("%s cannot be read (%s); training starts from the beginning", self._path, error)
            return None
        if not isinstance(content, dict) or content.get("fingerprint") != self._fingerprint:
            logger.info("%s is no state of these parameters and data; training starts from the beginning", self._path)
            return None
        return content["state"]


def fingerprint(params: EncoderParams, images: Tensor, *others: Tensor) -> str:
    """Return a digest of all that decides the result.

    That is parameters (but for the device), images, and in order whatever else does: labels, which of them are held
    out, and the weights to begin with, if any.
    """
    settings = dataclasses.asdict(params)
    del settings["device"]
    digest = hashlib.sha256(json.dumps([settings, torch.__version__, list(images.shape)]).encode())
    for array in (images, *others):
        digest.update(array.cpu().contiguous().numpy().data)
    return digest.hexdigest()
