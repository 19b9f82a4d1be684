"""`hilander cluster`: what it writes, says and draws; and `hilander assign`, which reads that."""

import json
import os
import re

import numpy as np
import pandas as pd

from hilander import HiLander
from hilander.encoder.torch_encoder import TorchEncoder
from tests.cli.conftest import blobs, run


def test_clustering_works_at_the_first_try_and_says_what_a_model_would_add(files):
    result = run("cluster", "others.npy")
    assert result.exit_code == 0, result.output
    assert "hilander train" in result.output
    table = pd.read_parquet("clusters.parquet")
    assert list(table.columns) == ["id", "cluster", "probability"]
    assert table["cluster"].tolist() == HiLander().fit_predict(np.load("others.npy")).tolist()
    scored = run("evaluate", "clusters.parquet", "true.npy", "--json")
    assert json.loads(scored.output)["f_bcubed"] > 0.9
    assigned = run("assign", "others.npy", "--to", "others.npy", "--clusters", "clusters.parquet")
    assert assigned.exit_code == 0, assigned.output


def test_labels_that_stand_beside_clusters_are_the_true_ones(files):
    table = pd.DataFrame({"id": range(6), "cluster": [0, 0, 0, 1, 1, 1], "label": ["a", "a", "b", "b", "c", "c"]})
    table.to_csv("both.csv", index=False)
    scored = run("evaluate", "both.csv", "both.csv", "--json")
    assert json.loads(scored.output)["recall_pairwise"] == 2 / 3
    table[["id", "label"]].rename(columns={"id": "ID"})[::-1].to_csv("labels.csv", index=False)
    refused = run("evaluate", "both.csv", "labels.csv")
    assert (refused.exit_code, "call that column id" in " ".join(refused.output.split())) == (1, True)


def test_ids_that_repeat_are_noted(files):
    embeddings, _ = blobs()
    pd.DataFrame({"embedding": list(embeddings), "id": ["a", *map(str, range(239))]}).to_parquet("same.parquet")
    assert "ids occur before" not in run("cluster", "same.parquet").output
    pd.DataFrame({"embedding": list(embeddings), "id": "a"}).to_parquet("same.parquet")
    assert "239 ids occur before" in run("cluster", "same.parquet").output


def test_images_are_encoded_clustered_and_shown_on_a_page(files, draw_characters, loads_nothing):
    (files / "photos").mkdir()
    for character, copy, image in draw_characters(8, 6, side=16, margin=2, shake=1):
        image.save(files / "photos" / f"{character}_{copy}.png")
    TorchEncoder("conv", image_size=16, width=8, embedding_size=16, device="cpu").save(files / "encoder")
    result = run("cluster", "photos", "--encoder", "encoder", "--report", "page.html")
    assert result.exit_code == 0, result.output
    table = pd.read_parquet("clusters.parquet")
    assert len(table) == 48
    assert f"page: {files / 'page.html'}" in result.output.replace("\n", "")
    html = (files / "page.html").read_text(encoding="utf-8")
    assert loads_nothing(html)
    assert f"<b>{table['cluster'].nunique()}</b>clusters" in html
    assert "data:image/png;base64," in html
    assert "the general one of the package" in html


def test_a_page_of_embeddings_names_the_items(files):
    result = run("cluster", "others.npy", "--outliers", "label", "--report", "page.html")
    assert result.exit_code == 0, result.output
    html = (files / "page.html").read_text(encoding="utf-8")
    assert "data:image/png" not in html
    assert "none, they are embeddings" in html


def test_a_page_is_written_of_data_whose_name_is_no_utf8(files):
    odd = (files / "others.npy").rename(files / os.fsdecode(b"f\xfcr.npy"))
    result = run("cluster", odd, "--report", "page.html")
    assert result.exit_code == 0, result.output
    assert "f?r.npy" in (files / "page.html").read_text(encoding="utf-8")


def test_assigning_by_the_threshold_that_was_printed_is_as_after_a_fit(files):
    printed = run("cluster", "others.npy", "-o", "clusters.csv").output
    threshold = re.search(r"at linkage threshold ([\d.]+)", printed)[1]
    later = np.load("others.npy") + 0.3 * np.random.default_rng(5).normal(size=(240, 16))
    np.save("later.npy", later)
    arguments = ("later.npy", "--to", "others.npy", "--clusters", "clusters.csv", "--threshold", threshold)
    assert run("assign", *arguments, "-o", "assigned.csv").exit_code == 0
    expected = HiLander().fit(np.load("others.npy")).predict(later)
    assert pd.read_csv("assigned.csv")["cluster"].tolist() == expected.tolist()


def test_assigning_takes_the_same_thresholds_as_clustering(files):
    run("cluster", "others.npy", "-o", "clusters.csv")
    arguments = ("others.npy", "--to", "others.npy", "--clusters", "clusters.csv", "-o", "assigned.csv", "--threshold")
    assert run("assign", *arguments, "adapted").exit_code == 0
    assert "must be a number within [0, 1] or 'adapted', got 'high'" in run("assign", *arguments, "high").output


def test_later_embeddings_that_cannot_be_assigned_are_refused_before_the_earlier_ones_are_looked_at(files):
    run("cluster", "others.npy")
    np.save("earlier.npy", np.full((240, 16), np.nan))  # refused as soon as they are looked at
    arguments = ("--to", "earlier.npy", "--clusters", "clusters.parquet")
    for later, told in ((np.zeros((3, 16)), "zero vectors"), (np.ones((3, 5)), "must have shape (n, 16)")):
        np.save("later.npy", later)
        result = run("assign", "later.npy", *arguments)
        assert result.exit_code == 1
        assert told in result.output.replace("\n", " ")
    assert "found no such file" in run("assign", "missing.npy", *arguments).output.replace("\n", " ")
    np.save("later.npy", np.ones((3, 16)))
    assert "NaN" in run("assign", "later.npy", *arguments).output
