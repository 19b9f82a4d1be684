"""Checkpoints of the official Hi-LANDER repository as models of ours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hilander.models.clustering_model import ClusteringSettings
from hilander.models.published import PublishedModel
from hilander.nn.lander import Lander

# Their names of parameters, and ours.
_NAMES = (
    (r"conv\.(\d+)\.(?:gcn_layer\.)?mlp\.(weight|bias)", r"convolutions.\1.linear.\2"),
    (r"conv\.(\d+)\.gcn_layer\.(fc\.weight|attn_l|attn_r|bias)", r"convolutions.\1.attention.\2"),
    (r"conv\.(\d+)\.bias", r"convolutions.\1.bias"),
    (r"src_mlp\.(weight|bias)", r"source.\1"),
    (r"dst_mlp\.(weight|bias)", r"destination.\1"),
    (r"classifier_conn\.(\d+)\.(weight|bias)", r"classifier.\1.\2"),
)


class CheckpointError(ValueError):
    """Not a checkpoint of an official LANDER."""


def load_official_checkpoint(
    path: str | Path,
    *,
    linkage_threshold: float = 0.8,
    n_neighbors: int = 10,
    early_stop: bool = False,
    use_cluster_features: bool = True,
    device: str = "auto",
) -> PublishedModel:
    """Read a ``.pth`` state dict of the official LANDER.

    The file is read with ``weights_only=True``, so nothing in it is executed. Its architecture follows from the
    shapes of its tensors; the settings of clustering do not stand in it.

    Parameters
    ----------
    path : str or Path
    linkage_threshold : float
        p_τ; the official scripts take .8 for faces and .1 for species.
    n_neighbors : int
        k. The official ``--knn_k`` counts the node itself, so it is one higher.
    early_stop : bool
    use_cluster_features : bool
        Whether it was trained with ``--use_cluster_feat``.
    device : str

    Raises
    ------
    FileNotFoundError
        No such file.
    CheckpointError
        Not a state dict of tensors, or not one of a LANDER.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected an official checkpoint at {path}, found none")
    try:
        theirs = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can fail in any way
        raise CheckpointError(f"{path} is not a state dict of tensors alone, so it was not loaded: {error}") from error
    if not isinstance(theirs, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in theirs.items()):
        raise CheckpointError(f"{path} is not a state dict: expected names and tensors")
    ours = {_rename(name, path): tensor for name, tensor in theirs.items()}
    try:
        arguments = _architecture(ours)
        lander = Lander(**arguments)
        lander.load_state_dict(ours)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is not a whole LANDER: {error}") from error
    width = arguments["n_features"] // (2 if use_cluster_features else 1)
    return PublishedModel(
        settings=ClusteringSettings(n_neighbors, linkage_threshold, early_stop=early_stop),
        n_features=width,
        provenance={"source": f"official checkpoint {path.name}"},
        lander=lander.eval(),
        lander_arguments=arguments,
        use_cluster_features=use_cluster_features,
        device=device,
    )


def _rename(name: str, path: Path) -> str:
    for pattern, replacement in _NAMES:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, replacement, name)
    raise CheckpointError(f"{path} holds {name!r}, which no official LANDER has")


def _architecture(state: dict[str, Tensor]) -> dict[str, Any]:
    n_convolutions = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("convolutions."))
    arguments = {"hidden_features": 2 * len(state["source.bias"]), "n_convolutions": n_convolutions}
    if "convolutions.0.attention.fc.weight" in state:
        return arguments | {
            "convolution": "attention",
            "n_features": state["convolutions.0.attention.fc.weight"].shape[1],
            "n_heads": state["convolutions.0.attention.attn_l"].shape[1],
        }
    return arguments | {"convolution": "mean", "n_features": state["convolutions.0.linear.weight"].shape[1] // 2}
