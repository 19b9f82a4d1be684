"""Stage ``train_encoder``: make the encoder that ``params.yaml`` asks for, from the training classes alone."""

from __future__ import annotations

import json
import math
import shutil
import sys
from pathlib import Path

import pandas as pd

from hilander.atomic_write import atomic_file
from hilander.data import read_dataset, train_test
from hilander.encoder import make_encoder
from hilander.stages.inputs import Inputs

ENCODER, CHECKPOINTS = Path("artifacts/encoder"), Path("artifacts/checkpoints/encoder")
METRICS, HISTORY = Path("reports/encoder.json"), Path("reports/encoder_training.csv")


def main() -> None:
    """Train or open the encoder; write its folder, what its training came to, and the history."""
    inputs = Inputs("data", "encoder")
    params = inputs.params
    train, _ = train_test(read_dataset(params.data.path, params.data.format), params.data)
    encoder, history = make_encoder(train, params.encoder, checkpoint_folder=CHECKPOINTS, show_progress=True)
    inputs.check_unchanged()  # while the checkpoint is there: with the old parameters again it is no work
    encoder.save(ENCODER)
    # Durations stay out of both files: the same data and parameters give the same outputs.
    columns = ["epoch", "loss", "held_out_one_nn"]
    with atomic_file(HISTORY) as temporary:
        pd.DataFrame(history, columns=[*columns, "seconds"])[columns].to_csv(temporary, index=False)
    metrics: dict[str, float] = {"embedding_size": encoder.embedding_size, "epochs": len(history)}
    scores = [record.held_out_one_nn for record in history if not math.isnan(record.held_out_one_nn)]
    if scores:  # none where too few are held out to tell anything
        metrics["held_out_one_nn"] = max(scores)
    with atomic_file(METRICS) as temporary:
        temporary.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(CHECKPOINTS, ignore_errors=True)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"train_encoder: {error}")
