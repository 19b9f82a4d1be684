"""Several encoders side by side: networks that err in different places tell more classes apart together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file, save_file

from hilander.embeddings import check_embeddings
from hilander.encoder.base import Encoder
from hilander.whitening import Whitening

_WHITENING = "whitening.safetensors"


class EnsembleEncoder(Encoder):
    """The members' embeddings, normalised and each whitened if so asked, one after the other in one vector.

    The cosine of two such vectors is the mean of the members' cosines.

    Parameters
    ----------
    members : sequence of Encoder
        One or more.
    whitenings : sequence of Whitening, optional
        One for each member.
    """

    name: ClassVar[str] = "ensemble"

    def __init__(self, members: Sequence[Encoder], whitenings: Sequence[Whitening] = ()) -> None:
        if not members or len(whitenings) not in (0, len(members)):
            raise ValueError(
                f"expected at least one encoder and a whitening for each or none; got {len(members)} encoders and "
                f"{len(whitenings)} whitenings"
            )
        self.members = tuple(members)
        self.whitenings = tuple(whitenings)
        self.embedding_size = sum(member.embedding_size for member in members)

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any], members: Sequence[Encoder]) -> EnsembleEncoder:
        """Read what `save` wrote beside the members, which the caller has read; `config` has been checked."""
        if not config["settings"]["whitened"]:
            return cls(members)
        arrays = load_file(folder / _WHITENING)
        return cls(members, [Whitening(arrays[f"{i}.mean"], arrays[f"{i}.transform"]) for i in range(len(members))])

    @staticmethod
    def member_folders(folder: Path, config: dict[str, Any]) -> list[Path]:
        """Where `save` put the members."""
        return [folder / f"member_{i}" for i in range(config["settings"]["n_members"])]

    def _encode_batch(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        return self.side_by_side([check_embeddings(member._encode_batch(images)) for member in self.members])

    def side_by_side(self, embeddings: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return what the encoder makes of images that each member has embedded, (n, d) with rows of norm 1 each."""
        if self.whitenings:
            embeddings = [whiten(own) for whiten, own in zip(self.whitenings, embeddings, strict=True)]
        return np.concatenate(embeddings, axis=1)

    def _settings(self) -> dict[str, Any]:
        return {"n_members": len(self.members), "whitened": bool(self.whitenings)}

    def _write_weights(self, folder: Path) -> None:
        for member, path in zip(self.members, self.member_folders(folder, {"settings": self._settings()}), strict=True):
            member.save(path)
        if self.whitenings:
            arrays: dict[str, NDArray[np.float32]] = {}
            for i, whitening in enumerate(self.whitenings):
                arrays |= {f"{i}.mean": whitening.mean, f"{i}.transform": whitening.transform}
            save_file(arrays, folder / _WHITENING)
