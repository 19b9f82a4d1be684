"""Any image encoder in ONNX form, which is how most face models are handed around."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hilander.encoder.base import Encoder


class OnnxEncoder(Encoder):
    """An ONNX file with one image input, (b, c, height, width) or (b, height, width, c) with c of 1 or 3.

    Parameters
    ----------
    path : str or Path
        The ``.onnx`` file, weights inside.
    image_size : int
        Height and width where the file leaves them open.
    pixel_mean, pixel_std : sequence of float
        The network reads (pixel − mean) / std, pixels from 0 to 255 in RGB order; one value, or one per channel. The
        default, 127.5 and 127.5, is what ArcFace models were trained with.
    device : str
        ``auto`` and ``cuda`` run on a GPU where the installed onnxruntime can.

    Notes
    -----
    The first output is the embedding. Images are resized to the input's size, not aligned: bring aligned faces.
    """

    name: ClassVar[str] = "onnx"

    def __init__(
        self,
        path: str | Path,
        image_size: int = 112,
        pixel_mean: Sequence[float] = (127.5,),
        pixel_std: Sequence[float] = (127.5,),
        device: str = "auto",
    ) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"expected an ONNX file in '{self.path}'; set encoder.path in params.yaml to it")
        self.pixel_mean, self.pixel_std = tuple(pixel_mean), tuple(pixel_std)
        self._mean, self._std = (np.array(values, dtype=np.float32) for values in (pixel_mean, pixel_std))
        self._session = _open_session(self.path, device)
        node = self._session.get_inputs()[0]
        self._input_name = node.name
        self._one_by_one = node.shape[0] == 1  # many exports fix the batch at the one image they were traced with
        self._channels_first, self._channels, self._height, self._width = _image_layout(node.shape, image_size)
        self.embedding_size = self._run([Image.new("RGB", (self._width, self._height))]).shape[1]

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any], device: str) -> OnnxEncoder:
        """Read the encoder that `save` wrote; `config` has been checked."""
        return cls(folder / "model.onnx", **config["settings"], device=device)

    def _encode_batch(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        if self._one_by_one:
            return np.concatenate([self._run([image]) for image in images])
        return self._run(images)

    def _run(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        mode = "RGB" if self._channels == 3 else "L"
        size = (self._width, self._height)
        resized = [image.convert(mode).resize(size, Image.Resampling.BILINEAR) for image in images]
        pixels = np.stack([np.asarray(image, dtype=np.float32).reshape(*size[::-1], -1) for image in resized])
        pixels = (pixels - self._mean) / self._std  # (b, height, width, c)
        if self._channels_first:
            pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        output = self._session.run(None, {self._input_name: pixels})[0]
        if len(output) != len(images):
            raise ValueError(
                f"{self.path} must give one embedding per image, (b, d); got {output.shape} for {len(images)} images"
            )
        return output.reshape(len(images), -1).astype(np.float32)

    def _settings(self) -> dict[str, Any]:
        return {
            "image_size": self._height,
            "pixel_mean": list(self.pixel_mean),
            "pixel_std": list(self.pixel_std),
        }

    def _write_weights(self, folder: Path) -> None:
        shutil.copyfile(self.path, folder / "model.onnx")


def _open_session(path: Path, device: str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError("ONNX encoders need onnxruntime: pip install 'hilander[onnx]'") from error
    available = onnxruntime.get_available_providers()
    wanted = ["CPUExecutionProvider"] if device == "cpu" else ["CUDAExecutionProvider", "CPUExecutionProvider"]
    try:
        return onnxruntime.InferenceSession(str(path), providers=[name for name in wanted if name in available])
    except Exception as error:  # onnxruntime's own errors share no base class
        raise ValueError(f"{path} is no ONNX model that onnxruntime can read: {error}") from error


def _image_layout(shape: Sequence[int | str | None], image_size: int) -> tuple[bool, int, int, int]:
    """Return whether channels come first, their number, height and width of an input of this shape."""
    if len(shape) == 4:
        for channels_first, channel_axis, height_axis in ((True, 1, 2), (False, 3, 1)):
            channels, height, width = shape[channel_axis], shape[height_axis], shape[height_axis + 1]
            if channels in (1, 3):
                sides = [side if isinstance(side, int) and side > 0 else image_size for side in (height, width)]
                return channels_first, int(channels), sides[0], sides[1]
    raise ValueError(
        f"the ONNX model must read images, (b, c, height, width) or (b, height, width, c) with c of 1 or 3; "
        f"its input has shape {list(shape)}"
    )
