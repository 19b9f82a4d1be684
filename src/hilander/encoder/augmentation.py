"""Random views of prepared images, drawn anew in every epoch."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor


def build_augmentation(strength: float, *, color: bool = False) -> Callable[[Tensor], Tensor]:
    """Return the map from a batch of images to randomly distorted ones.

    Each is turned by up to 10°, shifted by up to a tenth of its size, scaled by 0.8 to 1.2 and sheared by up to 10°;
    half of them are also bent like a rubber sheet (Simard et al., *Best Practices for Convolutional Neural Networks
    Applied to Visual Document Analysis*, ICDAR 2003). Brightness, contrast and saturation of coloured images change by
    up to a fifth. Random numbers come from torch's global generator.

    Parameters
    ----------
    strength : float
        Factor on all of these amounts; 0 leaves images as they are.
    color : bool
        Images show colours; what comes in from outside is the nearest pixel, else 0, the ground of grey images.

    Returns
    -------
    callable
        (b, c, height, width) float32 from 0 to 1 -> the same.

    Raises
    ------
    ImportError
        kornia is not installed.
    """
    if strength == 0:
        return _as_they_are
    K = _kornia_augmentation()
    angle, shift, zoom = 10 * strength, 0.1 * strength, 0.2 * strength
    outside = "border" if color else "zeros"
    steps: list[torch.nn.Module] = [
        K.RandomAffine(
            degrees=angle,
            translate=(shift, shift),
            scale=(1 - zoom, 1 + zoom),
            shear=torch.tensor([[-angle, angle], [-angle, angle]]),
            padding_mode=outside,
            p=1.0,
        ),
        # Noise blurred over 5 pixels has a standard deviation of about .03 half image sizes.
        K.RandomElasticTransform((25, 25), (5.0, 5.0), (strength, strength), padding_mode=outside, p=0.5),
    ]
    if color:
        change = 0.2 * strength
        steps.append(K.ColorJitter(brightness=change, contrast=change, saturation=change, p=1.0))
    return torch.nn.Sequential(*steps)


def build_mirror(mirror: bool) -> Callable[[Tensor], Tensor]:
    """Return the map from a batch of images to the same, half of them mirrored left to right; all as they are if not.

    It comes before `random_quarter_turns`: mirrored left to right afterwards, a quarter turn to the left would show the
    class's quarter turn to the right.

    Raises
    ------
    ImportError
        kornia is not installed.
    """
    return _kornia_augmentation().RandomHorizontalFlip(p=0.5) if mirror else _as_they_are


def random_quarter_turns(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Turn each image by 0, 90, 180 or 270 degrees, and make each turn of a class a class of its own.

    A character on its side is a shape as new as another character: four times the classes from the same drawings
    (Santoro et al., *Meta-Learning with Memory-Augmented Neural Networks*, ICML 2016, section 4.1).

    Parameters
    ----------
    images : (b, c, size, size)
        Square.
    labels : (b,) int64
        Classes 0..C-1.

    Returns
    -------
    images : (b, c, size, size)
        A fresh tensor.
    labels : (b,) int64
        Classes 0..4C-1: four times the class, plus the number of quarter turns.
    """
    turns = torch.randint(4, labels.shape).to(labels.device)
    turned = images.clone()
    for quarter in (1, 2, 3):
        chosen = turns == quarter
        turned[chosen] = torch.rot90(images[chosen], quarter, (2, 3))
    return turned, 4 * labels + turns


def _as_they_are(images: Tensor) -> Tensor:
    return images


def _kornia_augmentation() -> ModuleType:
    try:
        import kornia.augmentation
    except ImportError as error:
        raise ImportError("training an encoder needs kornia: pip install 'hilander[encoder]'") from error
    return kornia.augmentation
