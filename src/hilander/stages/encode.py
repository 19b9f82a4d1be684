"""Stage ``encode``: images (or embeddings brought along) of both splits to L2-normalised embeddings."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd

from hilander.atomic_write import atomic_file, atomic_folder, save_array
from hilander.data import read_dataset, train_test
from hilander.encoder import encode_dataset, load_encoder
from hilander.graph.knn import nearest_neighbors
from hilander.stages.inputs import Inputs

ENCODER, EMBEDDINGS, METRICS = Path("artifacts/encoder"), Path("artifacts/embeddings"), Path("reports/encode.json")


def main() -> None:
    """Write ``embeddings.npy`` and ``items.parquet`` (id, label) of each split, and their 1-NN accuracy."""
    inputs = Inputs("data", "encode")
    params = inputs.params
    encoder = load_encoder(ENCODER, params.encoder.device)
    train, test = train_test(read_dataset(params.data.path, params.data.format), params.data)
    metrics: dict[str, dict[str, float]] = {}
    with atomic_folder(EMBEDDINGS) as folder:
        for split, items in (("train", train), ("test", test)):
            embeddings = encode_dataset(encoder, items, params.encode.batch_size, show_progress=True)
            (folder / split).mkdir()
            save_array(folder / split / "embeddings.npy", embeddings)
            table = pd.DataFrame({"id": items.ids, "label": items.labels})
            table.to_parquet(folder / split / "items.parquet", index=False)
            metrics[split] = {"items": len(table), "classes": int(table["label"].nunique())}
            if len(table) > 1:  # a single item has no neighbour
                neighbors, _ = nearest_neighbors(embeddings, 1)
                right = table["label"].to_numpy()[neighbors[:, 0]] == table["label"].to_numpy()
                metrics[split]["one_nn"] = float(right.mean())
        inputs.check_unchanged()
    with atomic_file(METRICS) as temporary:
        temporary.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"encode: {error}")
