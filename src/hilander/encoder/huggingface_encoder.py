"""Any Hugging Face vision backbone, from a folder on this machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from hilander.data.images import as_shown
from hilander.encoder.base import Encoder
from hilander.nn.device import resolve_device

_NOT_OF_THE_IMAGE = ("mask_token", "text_", "logit_")  # weights that no embedding of a whole image depends on

_LONGEST = 16  # times what is kept of an image: to resize more of it would take gigabytes


class HuggingFaceEncoder(Encoder):
    """A backbone as ``save_pretrained`` writes it, with its own image processor; nothing is ever downloaded.

    Parameters
    ----------
    path : str or Path
        Folder with ``config.json``, ``model.safetensors`` and ``preprocessor_config.json``.
    device : str
        Where it runs: ``auto``, ``cpu``, ``cuda``, …

    Notes
    -----
    The embedding is the model's image feature (CLIP and its kin), else its pooled output, else the mean over tokens or
    positions. A folder without the weights of the pooler, such as one of a model for classification, gives that mean
    too: transformers would fill the pooler with other random numbers at each loading. Whatever the precision that
    weights are kept in, they are computed with in 32 bits. Code that a folder brings is never run.

    Where the processor keeps the centre of an image whose shortest edge it has resized, most of what it would throw
    away of a long strip is cut off before.

    Raises
    ------
    FileNotFoundError
        The folder holds no ``config.json``.
    ValueError
        Another file is missing or damaged, or weights are missing that the embedding depends on.
    ImportError
        transformers is not installed.
    """

    name: ClassVar[str] = "huggingface"

    def __init__(self, path: str | Path, device: str = "auto") -> None:
        self.path = Path(path)
        if not (self.path / "config.json").is_file():
            raise FileNotFoundError(
                f"expected a Hugging Face model in the folder '{self.path}'; fetch one first, for instance by "
                "`hf download NAME --local-dir FOLDER`, and set encoder.path in params.yaml to that folder"
            )
        self.device = resolve_device(device)
        self._processor, model, self._missing = _open(self.path)
        self._model = model.to(self.device).eval()
        self._has_pooler = not any(_is_pooler(key) for key in self._missing)
        self.embedding_size = self._encode_batch([Image.new("RGB", (64, 64))]).shape[1]

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any], device: str) -> HuggingFaceEncoder:
        """Read the encoder that `save` wrote; `config` has been checked."""
        return cls(folder / "backbone", device)

    def _encode_batch(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        pictures = [self._without_ends(as_shown(image)).convert("RGB") for image in images]
        inputs = self._processor(images=pictures, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            if hasattr(self._model, "get_image_features"):
                output = self._model.get_image_features(**inputs)
            else:
                output = self._model(**inputs)
        if isinstance(output, torch.Tensor):
            pooled = output
        elif self._has_pooler and getattr(output, "pooler_output", None) is not None:
            pooled = output.pooler_output
        else:
            states = output.last_hidden_state
            # (b, tokens, d), or of convolutions and pyramids (b, d, height, width)
            pooled = states.mean(dim=1 if states.ndim == 3 else (2, 3))
        return pooled.flatten(start_dim=1).float().cpu().numpy()

    def _without_ends(self, image: Image.Image) -> Image.Image:
        """Return the middle of a strip: resized by its shortest edge, it would fill the memory before it is cropped."""
        size, crop = getattr(self._processor, "size", None), getattr(self._processor, "crop_size", None)
        edge = size.get("shortest_edge") if size else None
        if not (edge and crop and getattr(self._processor, "do_center_crop", False)):
            return image
        kept = max(crop.get("height") or 0, crop.get("width") or 0, edge) / edge
        most = math.ceil(_LONGEST * kept * min(image.size))
        left, top = (max(0, side - most) // 2 for side in image.size)  # as much on both sides: the centre stays
        return image.crop((left, top, image.width - left, image.height - top)) if left or top else image

    def _settings(self) -> dict[str, Any]:
        return {}

    def _write_weights(self, folder: Path) -> None:
        # Weights that were not read are not written either, so that what is loaded finds the same ones missing.
        weights = {key: value for key, value in self._model.state_dict().items() if key not in self._missing}
        self._model.save_pretrained(folder / "backbone", state_dict=weights)
        self._processor.save_pretrained(folder / "backbone")


def _open(path: Path) -> tuple[Any, Any, set[str]]:
    """Return the image processor, the model, and the names of its weights that the folder lacks."""
    try:
        from transformers import AutoImageProcessor, AutoModel
    except ImportError as error:
        raise ImportError("Hugging Face encoders need transformers: pip install 'hilander[huggingface]'") from error
    try:
        # The Pillow backend gives the same pixels whether or not torchvision is installed.
        processor = AutoImageProcessor.from_pretrained(
            path, backend="pil", local_files_only=True, trust_remote_code=False
        )
        model, report = AutoModel.from_pretrained(
            path,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            trust_remote_code=False,  # else whoever sits at a terminal is asked
            dtype=torch.float32,  # as processors give pixels, which half of the models do not convert
        )
    except Exception as error:  # what is missing or damaged shows as errors of many kinds
        cause = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"expected a whole Hugging Face vision model in the folder '{path}', with config.json, "
            f"preprocessor_config.json and safetensors; fetch it again: {cause}"
        ) from error
    missing = set(report["missing_keys"])
    needed = sorted(key for key in missing if not any(part in key for part in _NOT_OF_THE_IMAGE))
    if not hasattr(model, "get_image_features"):  # which may be computed from the pooled output
        needed = [key for key in needed if not _is_pooler(key)]
    if needed:
        raise ValueError(
            f"expected all weights of the Hugging Face model in the folder '{path}'; {len(needed)} are missing, for "
            f"instance {needed[0]}; fetch it again"
        )
    return processor, model, missing


def _is_pooler(key: str) -> bool:
    return "pooler" in key and "text_" not in key
