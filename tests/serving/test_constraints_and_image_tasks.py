"""Constraints and knobs over HTTP, wherever they stand; many images as a task."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from hilander.estimator import HiLander

NPY = {"Content-Type": "application/x-npy"}
MUST, CANNOT = [[0, 1], [1, 7]], [[0, 5], [2, 3]]


@pytest.fixture(scope="module")
def rows(make):
    return make.blobs(40, seed=3)


@pytest.mark.parametrize("place", ["json", "query", "form fields", "form files"])
def test_constraints_give_the_librarys_labels_wherever_they_stand(client, make, rows, place):
    knobs = {"granularity": 0.5, "max_cluster_size": 6, "outliers": "label"}
    as_text = {"must_link": json.dumps(MUST), "cannot_link": json.dumps(CANNOT)}
    file = {"file": ("rows.npy", make.npy(rows))}
    if place == "json":
        body = {"embeddings": rows.astype(float).tolist(), **knobs, "must_link": MUST, "cannot_link": CANNOT}
        answer = client.post("/cluster", json=body)
    elif place == "query":
        answer = client.post("/cluster", params={**knobs, **as_text}, content=make.npy(rows), headers=NPY)
    elif place == "form fields":
        answer = client.post("/cluster", files=file, data={**knobs, **as_text})
    else:
        pairs = {"must_link": ("must.npy", make.npy(np.array(MUST))), "cannot_link": ("cannot.json", str(CANNOT))}
        answer = client.post("/cluster", params=knobs, files={**file, **pairs})

    assert answer.status_code == 200, answer.text
    expected = HiLander(**knobs).fit(rows, must_link=MUST, cannot_link=CANNOT)
    assert answer.json()["labels"] == expected.labels_.tolist()
    assert answer.json()["counts"] == np.bincount(expected.labels_[expected.labels_ >= 0]).tolist()


@pytest.mark.parametrize("size", [41, 2**63 - 1, 2**64, 10**30, 10**400])
def test_a_cluster_may_be_as_large_as_anybody_likes(client, make, rows, size):
    file = {"file": ("rows.npy", make.npy(rows))}
    answers = [
        client.post("/cluster", json={"embeddings": rows.astype(float).tolist(), "max_cluster_size": size}),
        client.post("/cluster", params={"max_cluster_size": size}, content=make.npy(rows), headers=NPY),
        client.post("/cluster", files=file, data={"max_cluster_size": str(size)}),
    ]
    unbounded = HiLander().fit_predict(rows).tolist()
    assert [answer.json().get("labels") for answer in answers] == [unbounded] * 3


def test_a_row_number_of_64_bits_is_refused_as_it_was_sent(client, make, rows):
    pairs = make.npy(np.array([[0, 2**64 - 1]], np.uint64))
    answer = client.post("/cluster", files={"file": ("rows.npy", make.npy(rows)), "must_link": ("must.npy", pairs)})
    assert answer.status_code == 422
    assert f"the pair (0, {2**64 - 1})" in answer.json()["error"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"granularity": 0}, "granularity must be a number above 0"),
        ({"granularity": "fine"}, "granularity must be a number above 0"),
        ({"max_cluster_size": 1.5}, "whole number of rows"),
        ({"max_cluster_size": -(10**400)}, "whole number of rows"),
        ({"granularity": 10**400}, "granularity must be a number above 0"),
        ({"outliers": ["drop"]}, "keep, label"),
        ({"must_link": [[0, 99]]}, "numbered from 0 to 39"),
        ({"must_link": [[0, 1, 2]]}, "rows of 3"),
        ({"must_link": {"0": 1}}, "pairs of row numbers"),
        ({"must_link": [[0, True]]}, "other than integers"),
        ({"must_link": [[0, 10**40]]}, "64 bits"),
        ({"cannot_link": "[[0, "}, "neither JSON nor .npy"),
        ({"must_link": MUST, "cannot_link": [[7, 0]]}, "take one of the two out"),
        ({"must_link": MUST, "max_cluster_size": 2}, "max_cluster_size is 2"),
        ({"cannot_link": [[0, 1]] * 51}, "at most 50 pairs"),
    ],
)
def test_bad_constraints_are_refused_in_a_sentence(small, rows, options, sentence):
    answer = small.post("/cluster", json={"embeddings": rows.astype(float).tolist(), **options})
    assert answer.status_code in (413, 422)
    assert sentence in answer.json()["error"]


@pytest.fixture(scope="module")
def small(tmp_path_factory, make):
    """An application of its own, for which three images are many."""
    from hilander.serving.app import make_app

    folder = tmp_path_factory.mktemp("small")
    make.release(folder / "models")
    path = make.configuration(folder, limits={"max_images_at_once": 2, "max_pairs": 50})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HILANDER_SERVING_CONFIG", str(path))
        with TestClient(make_app(), raise_server_exceptions=False) as client:
            client.tasks = folder / "tasks"
            yield client


def test_many_images_become_a_task_which_keeps_none_of_them(small, make):
    pictures = [make.png(ink=2), make.png(ink=2), make.png(ink=14)]
    files = [("images", (f"{i}.png", picture)) for i, picture in enumerate(pictures)]
    submitted = small.post("/cluster_images", files=files, data={"cannot_link": "[[0, 1]]"})
    assert submitted.status_code == 202, submitted.text
    links = submitted.json()["links"]
    deadline = time.monotonic() + 300
    while (status := small.get(links["status"]).json())["status"] == "in_progress":
        assert time.monotonic() < deadline, status
        time.sleep(0.2)
    assert status["status"] == "completed", status
    answer = small.get(links["get"]).json()
    assert answer["ids"] == ["0.png", "1.png", "2.png"]
    assert answer["labels"][0] != answer["labels"][1]
    assert set(answer["peak_ids"]) <= set(answer["ids"])
    folder: Path = small.tasks / submitted.json()["task_id"]
    assert not {"images.zip", "embeddings.npy"} & {path.name for path in folder.iterdir()}


def test_what_is_no_image_is_refused_before_a_task_is_made_of_it(small, make):
    files = [("images", (f"{i}.png", make.png())) for i in range(2)] + [("images", ("notes.txt", b"hello"))]
    answer = small.post("/cluster_images/submit", files=files)
    assert answer.status_code == 422
    assert "notes.txt" in answer.json()["error"]


def test_more_images_than_can_be_encoded_at_once_are_refused(small, make):
    answer = small.post("/encode", files=[("images", (f"{i}.png", make.png())) for i in range(3)])
    assert answer.status_code == 413
    assert "at most 2 images" in answer.json()["error"]
