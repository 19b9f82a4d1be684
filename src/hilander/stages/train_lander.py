"""Stage ``train_lander``: learn from the training classes how to cluster."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.contrib.logging import logging_redirect_tqdm

from hilander.atomic_write import atomic_file, atomic_folder
from hilander.stages.inputs import Inputs
from hilander.training.train_lander import train_lander

EMBEDDINGS, GRAPH = Path("artifacts/embeddings/train"), Path("artifacts/graph/train")
MODELS, HISTORY = Path("artifacts/lander"), Path("reports/lander_training.csv")


def main() -> None:
    """Write a model folder for the variant in service and for those it is compared with, and their histories."""
    inputs = Inputs("lander")
    params = inputs.params.lander
    embeddings = np.load(EMBEDDINGS / "embeddings.npy")
    labels = pd.read_parquet(EMBEDDINGS / "items.parquet")["label"].to_numpy()
    neighbors = np.load(GRAPH / "neighbors.npy"), np.load(GRAPH / "similarities.npy")
    histories = []
    with atomic_folder(MODELS) as folder:
        for variant in dict.fromkeys((params.variant, *params.compare_with)):
            model = train_lander(
                embeddings,
                labels,
                variant=variant,
                params=params.params_of(variant),
                neighbors=neighbors,
                random_state=params.seed,
                device=params.device,
                show_progress=True,
            )
            model.save(folder / variant)
            histories.append(pd.DataFrame(model.provenance["history"]).assign(variant=variant))
        inputs.check_unchanged()
    with atomic_file(HISTORY) as temporary:
        pd.concat(histories).to_csv(temporary, index=False)


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    logging.getLogger("hilander").setLevel(logging.INFO)
    try:
        with logging_redirect_tqdm():
            main()
    except (ValueError, OSError) as error:
        sys.exit(f"train_lander: {error}")
