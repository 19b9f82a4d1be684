import re
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hilander.batch import write_run_report
from hilander.batch.changes import compare_runs
from hilander.data.errors import DataError

CLUSTERS = np.array([0] * 30 + [3] * 4 + [7])


@pytest.fixture
def table():
    probabilities = np.linspace(0.1, 1, len(CLUSTERS), dtype=np.float32)
    names = [f"<b>photo {i}</b>" for i in range(len(CLUSTERS))]
    return pd.DataFrame({"id": names, "cluster": CLUSTERS, "probability": probabilities})


@pytest.fixture
def facts():
    return {
        "run_id": "20261122T203015-3f9a1c2b", "source": "s3://•••@bucket/faces", "release": "20261101T000000-0a1b2c3d",
        "counts": {"items": 35, "clusters": 3, "clusters_of_one": 1},
        "levels": [{"nodes": 35, "edges": 30, "clusters": 5}], "settings": {"linkage_threshold": 0.45},
        "seconds": {"embed": 1.25}, "earlier_run": None, "matched_by_items": 0, "matched_by_model": 0, "changes": None,
    }  # fmt: skip


class Pictures:
    def __getitem__(self, i):
        return Image.new("L", (8, 12), 7 * i)


def test_a_report_loads_nothing_and_escapes_names(tmp_path, facts, table, loads_nothing):
    html = write_run_report(tmp_path / "report.html", facts, table).read_text(encoding="utf-8")
    assert html.count("data:image/svg+xml;base64,") == 2
    assert loads_nothing(html)
    assert "&lt;b&gt;photo 34" in html
    assert "--ours" in html  # the reports' style sheet
    assert "What changed" not in html


def test_images_are_shown_in_place_of_names(tmp_path, facts, table):
    html = write_run_report(tmp_path / "report.html", facts, table, images=Pictures()).read_text(encoding="utf-8")
    assert html.count("data:image/png;base64,") == 3 + 2  # largest, and least sure of several items
    assert "photo" not in html


class SomeGone(Pictures):
    def __getitem__(self, i):
        if i == 31:
            raise DataError("image photo 31 cannot be read")
        return super().__getitem__(i)


def test_a_cluster_whose_image_is_gone_by_now_is_named(tmp_path, facts, table):
    html = write_run_report(tmp_path / "report.html", facts, table, images=SomeGone()).read_text(encoding="utf-8")
    assert html.count("data:image/png;base64,") == 2 + 1
    assert "photo 31" in html
    assert "photo 0&" not in html


def test_changes_are_told_in_numbers_and_tables(tmp_path, facts, table):
    earlier = np.where(CLUSTERS == 3, 0, CLUSTERS)
    facts |= {"earlier_run": "20261121T203015-aaaaaaaa", "matched_by_items": 2}
    facts["changes"] = asdict(compare_runs(CLUSTERS, earlier, np.arange(35)))
    html = write_run_report(tmp_path / "report.html", facts, table, metrics={"f_pairwise": 0.771}).read_text()
    text = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", html))
    assert "35 in both runs, 0 added, 0 gone" in text
    assert "4 items are in another cluster now (11.4% of those in both runs)" in text
    assert "2 kept their id (2 by the items in them, 0 recognised by the model), 1 are new" in text
    assert "0 0 (30) , 3 (4)" in text  # the split
    assert "pairwise F 0.771" in text


def test_a_failed_report_leaves_the_old_one(leaves_the_old_page, facts, table):
    assert leaves_the_old_page(lambda path, images: write_run_report(path, facts, table, images=images))
