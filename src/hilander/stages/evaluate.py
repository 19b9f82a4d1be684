"""Stage ``evaluate``: cluster the test embeddings, set the baselines beside, write figures, plots and the report."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm.contrib.logging import logging_redirect_tqdm

from hilander.atomic_write import atomic_file, atomic_folder
from hilander.config import Params
from hilander.data import Dataset, read_dataset, train_test
from hilander.estimator import HiLander
from hilander.evaluation import Evaluation, Prediction, evaluate, format_table, write_report
from hilander.stages.inputs import Inputs

EMBEDDINGS, GRAPH = Path("artifacts/embeddings"), Path("artifacts/graph")
MODELS = Path("artifacts/lander")
CLUSTERS = Path("artifacts/clusters/test.parquet")
METRICS, PLOTS, REPORT = Path("reports/metrics.json"), Path("reports/plots"), Path("reports/report.html")
ENCODER_HISTORY, LANDER_HISTORY = Path("reports/encoder_training.csv"), Path("reports/lander_training.csv")


def main() -> None:
    """Write clusters, ``metrics.json``, the plots' tables and the HTML report; print the table of methods."""
    inputs = Inputs("data", "encoder", "lander", "evaluate")
    params = inputs.params
    train, train_items, train_graph = _read_split("train")
    test, test_items, test_graph = _read_split("test")
    variants = dict.fromkeys((params.lander.variant, *params.lander.compare_with))
    clusterers = {variant: HiLander.load(MODELS / variant, device=params.lander.device) for variant in variants}
    predictions = [Prediction.of(variant, clusterer, test) for variant, clusterer in clusterers.items()]
    evaluation = evaluate(
        predictions,
        train,
        train_items["label"].to_numpy(),
        test,
        test_items["label"].to_numpy(),
        baselines=params.evaluate.baselines,
        seed=params.evaluate.seed,
        show_progress=True,
        train_graph=train_graph,
        test_graph=test_graph,
    )
    inputs.check_unchanged()
    _write_tables(evaluation, test_items, predictions[0])
    _, dataset = train_test(read_dataset(params.data.path, params.data.format), params.data)
    write_report(
        REPORT,
        evaluation,
        images=dataset.images if _in_order(dataset, test_items) else None,
        facts=_facts(params, clusterers[params.lander.variant]),
        histories=_histories(params.lander.variant),
    )
    print(format_table(evaluation.results, evaluation.n_classes))
    print(f"\nreport: {REPORT.resolve()}")


def _read_split(split: str) -> tuple[NDArray[np.float32], pd.DataFrame, tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Embeddings, items (id, label) and kNN graph of one split."""
    embeddings = np.load(EMBEDDINGS / split / "embeddings.npy")
    items = pd.read_parquet(EMBEDDINGS / split / "items.parquet")
    graph = np.load(GRAPH / split / "neighbors.npy"), np.load(GRAPH / split / "similarities.npy")
    return embeddings, items, graph


def _write_tables(evaluation: Evaluation, items: pd.DataFrame, ours: Prediction) -> None:
    with atomic_file(CLUSTERS) as temporary:
        items.assign(cluster=ours.labels, probability=ours.probabilities).to_parquet(temporary, index=False)
    with atomic_file(METRICS) as temporary:
        temporary.write_text(json.dumps(evaluation.metrics(), indent=2) + "\n", encoding="utf-8")
    methods = [{"method": row.title, **row.metrics} for row in evaluation.results if row.metrics]
    with atomic_folder(PLOTS) as folder:
        pd.DataFrame(methods).to_csv(folder / "methods.csv", index=False)
        evaluation.sizes.to_csv(folder / "cluster_sizes.csv", index=False)
        evaluation.reliability.to_csv(folder / "reliability.csv", index=False)
        evaluation.precision_coverage.to_csv(folder / "precision_coverage.csv", index=False)
        evaluation.levels.to_csv(folder / "levels.csv", index=False)


def _in_order(dataset: Dataset, items: pd.DataFrame) -> bool:
    """True where the dataset holds images and its rows are those that were embedded."""
    return dataset.images is not None and np.array_equal(dataset.ids, items["id"].to_numpy(dtype=str))


def _histories(variant: str) -> dict[str, pd.DataFrame]:
    """Curves of the encoder's training and of each network of our model, by title."""
    histories = {"Encoder": pd.read_csv(ENCODER_HISTORY)} if ENCODER_HISTORY.is_file() else {}
    if LANDER_HISTORY.is_file():
        steps = pd.read_csv(LANDER_HISTORY)
        ours = steps[steps["variant"] == variant].dropna(axis=1, how="all").drop(columns="variant")
        if "network" in ours:
            for number, title in enumerate(("LANDER of items", "LANDER of clusters")):
                histories[title] = ours[ours["network"] == number].drop(columns="network")
        else:
            histories["LANDER"] = ours
    return histories


def _facts(params: Params, clusterer: HiLander) -> dict[str, str]:
    encoder = params.encoder
    trained = "; ".join(
        f"{each.loss} loss, {each.epochs} epochs, images of {each.image_size} px, seed {each.seed}"
        for each in encoder.networks()
    )
    settings = dataclasses.asdict(clusterer.model.settings) if clusterer.model is not None else {}
    return {
        "Data": params.data.path,
        "Encoder": encoder.name + (f": {trained}" if encoder.name in ("resnet", "conv") else ""),
        "Model": f"variant {params.lander.variant}, seed {params.lander.seed}",
        "Clustering": ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items()),
    }


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    logging.getLogger("hilander").setLevel(logging.INFO)
    try:
        with logging_redirect_tqdm():
            main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"evaluate: {error}")
