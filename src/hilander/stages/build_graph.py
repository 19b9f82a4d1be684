"""Stage ``build_graph``: the k nearest neighbours of both splits' embeddings."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from hilander.atomic_write import atomic_folder, save_array
from hilander.graph.knn import nearest_neighbors
from hilander.stages.inputs import Inputs

EMBEDDINGS, GRAPH = Path("artifacts/embeddings"), Path("artifacts/graph")


def main() -> None:
    """Write ``neighbors.npy`` (n, k) and ``similarities.npy`` (n, k) of each split."""
    inputs = Inputs("graph")
    params = inputs.params.graph
    with atomic_folder(GRAPH) as folder:
        for split in ("train", "test"):
            embeddings = np.load(EMBEDDINGS / split / "embeddings.npy")
            neighbors, similarities = nearest_neighbors(embeddings, params.n_neighbors, method=params.method)
            (folder / split).mkdir()
            save_array(folder / split / "neighbors.npy", neighbors)
            save_array(folder / split / "similarities.npy", similarities)
        inputs.check_unchanged()


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"build_graph: {error}")
