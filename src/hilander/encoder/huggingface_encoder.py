"""Any Hugging Face vision backbone, from a folder on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from hilander.encoder.base import Encoder
from hilander.nn.device import resolve_device


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
    The embedding is the model's image feature (CLIP and its kin), else its pooled output, else the mean over tokens.
    """

    name: ClassVar[str] = "huggingface"

    def __init__(self, path: str | Path, device: str = "auto") -> None:
        self.path = Path(path)
        if not (self.path / "config.json").is_file():
            raise FileNotFoundError(
                f"expected a Hugging Face model in the folder '{self.path}'; fetch one first, for instance by "
                "`hf download NAME --local-dir FOLDER`, and set encoder.path in params.yaml to that folder"
            )
        try:
            from transformers import AutoImageProcessor, AutoModel
        except ImportError as error:
            raise ImportError("Hugging Face encoders need transformers: pip install 'hilander[huggingface]'") from error
        self.device = resolve_device(device)
        # The Pillow backend gives the same pixels whether or not torchvision is installed.
        self._processor = AutoImageProcessor.from_pretrained(self.path, backend="pil", local_files_only=True)
        model = AutoModel.from_pretrained(self.path, local_files_only=True, use_safetensors=True)
        self._model = model.to(self.device).eval()
        self.embedding_size = self._encode_batch([Image.new("RGB", (64, 64))]).shape[1]

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any], device: str) -> HuggingFaceEncoder:
        """Read the encoder that `save` wrote; `config` has been checked."""
        return cls(folder / "backbone", device)

    def _encode_batch(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        inputs = self._processor(images=[image.convert("RGB") for image in images], return_tensors="pt").to(self.device)
        with torch.inference_mode():
            if hasattr(self._model, "get_image_features"):
                output = self._model.get_image_features(**inputs)
            else:
                output = self._model(**inputs)
        if isinstance(output, torch.Tensor):
            pooled = output
        elif getattr(output, "pooler_output", None) is not None:
            pooled = output.pooler_output
        else:
            pooled = output.last_hidden_state.mean(dim=1)
        return pooled.flatten(start_dim=1).float().cpu().numpy()

    def _settings(self) -> dict[str, Any]:
        return {}

    def _write_weights(self, folder: Path) -> None:
        self._model.save_pretrained(folder / "backbone")
        self._processor.save_pretrained(folder / "backbone")
