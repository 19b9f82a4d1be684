"""`hilander train`, and what its model is good for."""

import re
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from tests.cli.conftest import blobs, run

needs_dgl = pytest.mark.skipif(find_spec("dgl") is None, reason="trains the published variant, which takes DGL")


def test_train_cluster_assign(files):
    trained = run("train", "labelled.npz", "-o", "model")
    assert trained.exit_code == 0, trained.output
    assert "--check tells" in trained.output  # of twenty classes
    assert (files / "model" / "README.md").exists()
    clustered = run("cluster", "others.npy", "--model", "model", "-o", "clusters.csv")
    assert clustered.exit_code == 0, clustered.output
    assert "No model was given" not in clustered.output
    np.save("later.npy", np.load("others.npy")[::7] * 2)
    assigned = run(
        "assign", "later.npy", "--to", "others.npy", "--clusters", "clusters.csv", "--model", "model", "-o", "a.csv"
    )
    assert assigned.exit_code == 0, assigned.output
    expected = pd.read_csv("clusters.csv")["cluster"][::7].to_numpy()
    agreed = pd.read_csv("a.csv")["cluster"].to_numpy() == expected
    assert agreed.mean() > 0.9  # the same points again, in other units


def test_a_check_tells_what_to_expect_of_the_model_beside_the_general_one(files):
    result = run("train", "labelled.npz", "-o", "model", "--check")
    assert result.exit_code == 0, result.output
    told = " ".join(result.output.split())
    found = re.search(
        r"learned from 10 classes, 10 others are clustered with F_P (\S+), F_B (\S+), by the general model with "
        r"F_P ([.\d]+), F_B ([.\d]+)",
        told,
    )
    trained, general = (sum(map(float, found.groups()[part])) for part in (slice(0, 2), slice(2, 4)))
    assert ("the better one here" in told) == (general - trained > 0.02)
    assert ("about as good" in told) == (abs(general - trained) < 0.02)
    assert "--check tells" not in told


@needs_dgl
def test_labels_from_a_file_of_their_own(files):
    with np.load("labelled.npz") as arrays:
        np.save("bare.npy", arrays["embeddings"])
        pd.DataFrame({"label": arrays["labels"]}).to_csv("labels.csv")
    assert "holds no labels" in run("train", "bare.npy").output
    assert run("train", "bare.npy", "--labels", "labels.csv", "--variant", "published").exit_code == 0


@needs_dgl
def test_items_without_a_label_are_not_learned_from_as_a_class(files):
    embeddings, labels = blobs()
    names = pd.Series([f"class {label}" for label in labels])
    names[::3] = None
    pd.DataFrame({"embedding": list(embeddings.astype(np.float32)), "label": names}).to_parquet("partly.parquet")
    trained = run("train", "partly.parquet", "-o", "model", "--variant", "published")
    assert trained.exit_code == 0, trained.output
    assert "80 items without a label are left out" in trained.output
    assert "160 items of 20 classes" in trained.output
