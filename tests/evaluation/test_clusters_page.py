import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hilander.clustering import LevelSummary
from hilander.evaluation import write_clusters_page

CLUSTERS = np.array([0] * 30 + [3] * 4 + [7, -1, -1])


class Pictures:
    def __getitem__(self, i):
        return Image.new("L", (8, 12), 6 * i)


@pytest.fixture
def table():
    probabilities = np.linspace(0.1, 1, len(CLUSTERS), dtype=np.float32)
    names = [f"<b>photo {i}</b>" for i in range(len(CLUSTERS))]
    return pd.DataFrame({"id": names, "cluster": CLUSTERS, "probability": probabilities})


def text_of(html):
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", html))


def test_a_page_tells_sizes_levels_and_facts_and_escapes_names(tmp_path, table, loads_nothing):
    level = LevelSummary(1037, 34, 1003, np.maximum(CLUSTERS, 0))
    facts = {"Data": "photos & <more>"}
    page = write_clusters_page(tmp_path / "page.html", table, levels=[level], facts=facts)
    html = page.read_text(encoding="utf-8")
    assert loads_nothing(html)
    assert html.count("data:image/svg+xml;base64,") == 2
    assert "&lt;b&gt;photo 34" in html
    assert "photos &amp; &lt;more&gt;" in html
    text = text_of(html)
    assert "3 clusters 1 of one item" in text
    assert "37 items 11.7 a cluster" in text
    assert "2 items in no cluster" in text
    assert "0 1,037 34 1,003" in text


def test_items_are_shown_from_the_surest_on_and_none_of_no_cluster(tmp_path, table):
    text = text_of(write_clusters_page(tmp_path / "page.html", table).read_text(encoding="utf-8"))
    shown = [int(row) for row in re.findall(r"photo (\d+)", text)]
    assert shown[:5] == [29, 22, 15, 7, 0]  # of thirty, the surest, the least sure, and between
    assert shown[5:10] == [33, 32, 31, 30, 34]
    assert not {35, 36} & set(shown)


def test_images_are_shown_in_place_of_names(tmp_path, table):
    html = write_clusters_page(tmp_path / "page.html", table, images=Pictures()).read_text(encoding="utf-8")
    assert html.count("data:image/png;base64,") == 3 + 2  # largest, and least sure of several items
    assert "photo" not in html


def test_where_all_items_stand_alone_no_cluster_is_drawn(tmp_path, table):
    table["cluster"] = -1
    html = write_clusters_page(tmp_path / "page.html", table).read_text(encoding="utf-8")
    assert html.count("data:image/svg+xml;base64,") == 1  # of the probabilities
    text = text_of(html)
    assert "37 items in no cluster" in text
    assert "largest clusters" not in text


def test_a_failed_page_leaves_the_old_one(leaves_the_old_page, table):
    assert leaves_the_old_page(lambda path, images: write_clusters_page(path, table, images=images))
