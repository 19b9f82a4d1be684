"""The service answers as the library does, in every format."""

import io
import re
import time
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hilander.estimator import HiLander
from hilander.releases import release_in_service
from hilander.serving.schemas import KNOBS

NPY = {"Content-Type": "application/x-npy"}


def parquet(rows):
    file = io.BytesIO()
    pq.write_table(pa.table({"id": list(range(len(rows))), "embedding": list(rows)}), file)
    return file.getvalue()


def arrow(rows, new=pa.ipc.new_stream):
    kinds = pa.array(["first", "second"] * (len(rows) // 2)).dictionary_encode()
    table = pa.table({"kind": kinds, "embedding": list(rows), "name": pa.array(map(str, rows))})
    file = io.BytesIO()
    with new(file, table.schema) as writer:
        writer.write_table(table, 7)
    return file.getvalue()


@pytest.fixture(scope="module")
def rows(make):
    return make.blobs(40, seed=3)


@pytest.mark.parametrize("form", ["json", "npy", "parquet", "arrow stream", "arrow file", "form"])
def test_cluster_gives_the_librarys_labels_in_every_format(client, make, rows, form):
    as_binary = {"Content-Type": "application/octet-stream"}
    request = {
        "json": {"json": {"embeddings": rows.astype(float).tolist()}},
        "npy": {"content": make.npy(rows), "headers": NPY},
        "parquet": {"content": parquet(rows), "headers": as_binary},
        "arrow stream": {"content": arrow(rows), "headers": as_binary},
        "arrow file": {"content": arrow(rows, pa.ipc.new_file), "headers": as_binary},
        "form": {"files": {"file": ("rows.npy", make.npy(rows))}},
    }[form]

    answer = client.post("/cluster", **request)

    assert answer.status_code == 200, answer.text
    fitted = HiLander().fit(rows)
    clustering = answer.json()
    assert clustering["labels"] == fitted.labels_.tolist()
    assert clustering["peaks"] == fitted.peaks_.tolist()
    assert clustering["counts"] == np.bincount(fitted.labels_).tolist()
    assert clustering["levels"][0]["n_nodes"] == len(rows)
    np.testing.assert_allclose(clustering["probabilities"], fitted.probabilities_, atol=1e-6)


@pytest.mark.parametrize("place", ["json", "query", "form"])
def test_granularity_is_an_option_wherever_the_data_are(client, make, rows, place):
    if place == "json":
        answer = client.post("/cluster", json={"embeddings": rows.tolist(), "linkage_threshold": 0.999})
    elif place == "query":
        answer = client.post("/cluster?linkage_threshold=0.999", content=make.npy(rows), headers=NPY)
    else:
        files, data = {"file": ("rows.npy", make.npy(rows))}, {"linkage_threshold": "0.999"}
        answer = client.post("/cluster", files=files, data=data)
    assert answer.json()["labels"] == HiLander(linkage_threshold=0.999).fit_predict(rows).tolist()


def test_the_threshold_can_adapt_to_the_rows(client, make, rows):
    [described] = KNOBS["linkage_threshold"]["oneOf"][1]["enum"]
    answer = client.post(f"/cluster?linkage_threshold={described}", content=make.npy(rows), headers=NPY)
    assert answer.json()["labels"] == HiLander(linkage_threshold="adapted").fit_predict(rows).tolist()


@pytest.mark.parametrize(("n", "n_clusters"), [(1, 1), (30, 1)])
def test_one_row_and_duplicates_are_one_cluster(client, make, n, n_clusters):
    rows = np.repeat(make.blobs(1), n, axis=0)
    answer = client.post("/cluster", content=make.npy(rows), headers=NPY)
    assert answer.status_code == 200
    assert len(answer.json()["counts"]) == n_clusters


def test_assign_names_clusters_of_the_catalogue_or_new(client, folder):
    catalogue = release_in_service(folder / "models").catalogue()
    known = catalogue.embeddings[:5]
    stranger = np.linalg.svd(catalogue.embeddings)[2][-1:]  # as good as orthogonal to them all
    answer = client.post("/assign", json={"embeddings": np.concatenate([known, stranger]).tolist()}).json()
    assert answer["clusters"] == [*catalogue.table["cluster"][:5].tolist(), "new"]
    assert len(answer["probabilities"]) == 6


def test_images_come_as_one_as_form_and_as_zip(client, make):
    pictures = {f"{ink}.png": make.png(ink=ink) for ink in (2, 9, 15)}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, picture in pictures.items():
            archive.writestr(f"folder/{name}", picture)

    one = client.post("/encode", content=pictures["2.png"], headers={"Content-Type": "image/png"}).json()
    form = client.post("/encode", files=[("images", (name, picture)) for name, picture in pictures.items()]).json()
    zipped = client.post("/encode", content=packed.getvalue(), headers={"Content-Type": "application/zip"}).json()
    binary = client.post(
        "/encode", content=packed.getvalue(), headers={"Content-Type": "application/zip", "Accept": "application/x-npy"}
    )

    assert form["ids"] == list(pictures)
    assert zipped["ids"] == [f"folder/{name}" for name in pictures]
    np.testing.assert_allclose(zipped["embeddings"], form["embeddings"], atol=1e-5)
    np.testing.assert_allclose(one["embeddings"][0], form["embeddings"][0], atol=1e-5)
    np.testing.assert_allclose(np.load(io.BytesIO(binary.content)), form["embeddings"], atol=1e-5)
    assert binary.headers["X-Model-Version"] == form["model_version"]


def test_cluster_images_encodes_and_clusters_and_names_the_peaks(client, make):
    same, other = make.png(ink=2), make.png(ink=14)
    files = [("images", (name, picture)) for name, picture in [("a.png", same), ("a.png", same), ("b.png", other)]]
    answer = client.post("/cluster_images", files=files).json()
    assert answer["ids"] == ["a.png", "a.png#2", "b.png"]
    assert answer["labels"][0] == answer["labels"][1]
    assert set(answer["peak_ids"]) <= set(answer["ids"])


def test_model_probes_and_metrics(client, folder):
    release = release_in_service(folder / "models")
    model = client.get("/model").json()
    assert model["version"] == release.version
    assert model["metrics"] == release.metrics
    assert model["newer_release_refused"] is None
    assert "linkage" in model["card"]
    assert [client.get(path).status_code for path in ("/livez", "/readyz")] == [200, 200]
    time.sleep(1.2)  # the gauges are set every second
    assert 'hilander_capture{what="rows_captured"}' in client.get("/metrics").text


def test_the_examples_of_the_description_run_as_they_stand(client):
    description = client.get("/docs.json").json()
    for path, methods in description["paths"].items():
        content = methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        if "example" in content:
            assert client.post(path, json=content["example"]).status_code in (200, 202), path
    assert {"/cluster", "/assign", "/encode", "/cluster_images", "/model"} <= set(description["paths"])


def test_the_page_finds_all_that_it_names(client):
    named = re.findall(r"\"\./([^\"]+)\"", client.get("/").text)
    assert len(named) == 3  # styles, script, description
    assert [client.get(f"/{name}").status_code for name in named] == [200] * 3
    assert client.get("/static_content/nowhere").json()["error"].startswith("there is no such path here")


def test_incoming_embeddings_are_captured_with_labels_and_without_images(client, make, folder):
    from hilander.monitoring.capture import read_captures

    rows = make.blobs(9, seed=11)
    version = client.get("/model").json()["version"]
    client.post("/cluster", content=make.npy(rows), headers=NPY)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        captured = read_captures(str(folder / "captured"))
        if any(np.allclose(rows[0] / np.linalg.norm(rows[0]), row, atol=1e-5) for row in captured.embeddings):
            break
        time.sleep(0.2)
    else:
        pytest.fail("the embeddings were not captured")
    assert version
