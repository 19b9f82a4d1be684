"""Any image encoder in ONNX form, which is how most face models are handed around."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hilander.data.images import as_shown
from hilander.encoder.base import Encoder

_PIXEL_TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
}


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
        default, 127.5 and 127.5, is what ArcFace models were trained with. A network that reads uint8 gets the pixels
        as they are.
    device : str
        ``auto`` and ``cuda`` run on a GPU where the installed onnxruntime can.

    Notes
    -----
    The first output is the embedding. Images are resized to the input's size, not aligned: bring aligned faces. Where
    the file fixes the batch, a shorter one is filled up with copies of its last image.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        The file is no ONNX model, reads no images, or fails on two images of that size, mean and deviation.
    ImportError
        onnxruntime is not installed.
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
        self._session = _open_session(self.path, device)
        node = self._session.get_inputs()[0]
        self._input_name = node.name
        self._pixel_type = _pixel_type(node.type)
        self._channels_first, self._channels, self._height, self._width = _image_layout(node.shape, image_size)
        # Many exports fix the batch at what they were traced with.
        self._fixed_batch = node.shape[0] if isinstance(node.shape[0], int) and node.shape[0] > 0 else None
        # What the file leaves open is of `image_size`; where it leaves nothing open, its own size tells more.
        self.image_size = image_size if image_size in (self._height, self._width) else self._height
        self.pixel_mean, self.pixel_std = tuple(pixel_mean), tuple(pixel_std)
        self._check_scale()
        self._mean, self._std = (np.array(values, dtype=np.float32) for values in (pixel_mean, pixel_std))
        self.embedding_size = self._encode_batch([Image.new("RGB", (self._width, self._height))] * 2).shape[1]

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any], device: str) -> OnnxEncoder:
        """Read the encoder that `save` wrote; `config` has been checked."""
        return cls(folder / "model.onnx", **config["settings"], device=device)

    def _encode_batch(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        step = self._fixed_batch or len(images)
        return np.concatenate([self._run(images[start : start + step]) for start in range(0, len(images), step)])

    def _run(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        n = len(images)
        filled = [*images, *[images[-1]] * ((self._fixed_batch or n) - n)]
        pixels = self._pixels(filled)
        try:
            output = np.asarray(self._session.run(None, {self._input_name: pixels})[0])
        except Exception as error:  # onnxruntime's own errors share no base class
            cause = str(error).strip().partition("\n")[0]
            raise ValueError(
                f"{self.path} cannot encode images as {pixels.dtype} of shape {pixels.shape}; export it for that, or "
                f"set encoder.image_size to the size that it was trained with: {cause}"
            ) from error
        if output.shape[:1] != (len(filled),) or output[0].size > max(output.shape[1:], default=1):
            raise ValueError(
                f"{self.path} must give one embedding per image, (b, d); got {output.shape} for {len(filled)} images. "
                "Export it with an open batch, or with one of 1, and with the embedding as its first output, not "
                "states of tokens or a map of features"
            )
        return output[:n].reshape(n, -1).astype(np.float32)

    def _pixels(self, images: Sequence[Image.Image]) -> NDArray:
        mode = "RGB" if self._channels == 3 else "L"
        size = (self._width, self._height)
        resized = [as_shown(image).convert(mode).resize(size, Image.Resampling.BILINEAR) for image in images]
        pixels = np.stack([np.asarray(image).reshape(*size[::-1], -1) for image in resized])  # (b, height, width, c)
        if self._pixel_type is not np.uint8:
            pixels = ((pixels - self._mean) / self._std).astype(self._pixel_type)
        return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)) if self._channels_first else pixels

    def _check_scale(self) -> None:
        for key, values in (("pixel_mean", self.pixel_mean), ("pixel_std", self.pixel_std)):
            if len(values) not in (1, self._channels) or not np.isfinite(values).all():
                raise ValueError(
                    f"expected encoder.{key} with one finite value, or one for each channel, of which {self.path} has "
                    f"{self._channels}; got {list(values)}"
                )
        if min(self.pixel_std) <= 0:
            raise ValueError(
                f"expected values of encoder.pixel_std above 0, since pixels are divided by them; got "
                f"{list(self.pixel_std)}"
            )

    def _settings(self) -> dict[str, Any]:
        return {
            "image_size": self.image_size,
            "pixel_mean": list(self.pixel_mean),
            "pixel_std": list(self.pixel_std),
        }

    def _write_weights(self, folder: Path) -> None:
        copy = folder / "model.onnx"
        shutil.copyfile(self.path, copy)
        try:
            _open_session(copy, "cpu")
        except ValueError as error:
            raise ValueError(
                f"{self.path} cannot be kept in an encoder's folder, most likely since its weights lie in another file "
                "beside it; export it with all weights inside, from PyTorch by "
                f"torch.onnx.export(…, external_data=False): {error.__cause__}"
            ) from error


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


def _pixel_type(name: str) -> type[np.generic]:
    if name not in _PIXEL_TYPES:
        raise ValueError(f"the ONNX model must read pixels as {', '.join(_PIXEL_TYPES)}; its input is of {name}")
    return _PIXEL_TYPES[name]


def _image_layout(shape: Sequence[int | str | None], image_size: int) -> tuple[bool, int, int, int]:
    """Return whether channels come first, their number, height and width of an input of this shape."""
    if image_size < 1:
        raise ValueError(f"expected encoder.image_size of at least 1 pixel; got {image_size}")
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
