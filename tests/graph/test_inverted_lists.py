import numpy as np
import pytest

from hilander.embeddings import check_embeddings
from hilander.graph import inverted_lists, knn, list_join
from hilander.graph.inverted_lists import build_lists
from hilander.graph.knn import nearest_neighbors
from hilander.graph.list_join import asking_order, join_lists


def clustered(n, d=16, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n // 25, d))
    return check_embeddings(centres[rng.integers(len(centres), size=n)] + 0.4 * rng.normal(size=(n, d)))


def share_found(found, true):
    return np.mean([np.isin(row, other).mean() for row, other in zip(true, found, strict=True)])


@pytest.mark.parametrize("k", [10, 40])
def test_the_promised_recall_is_reached_with_a_part_of_the_pairs(k):
    embeddings = clustered(6000)
    exact, similarities = nearest_neighbors(embeddings, k, method="exact")
    found, found_similarities = nearest_neighbors(embeddings, k, method="ivf")
    assert share_found(found, exact) >= 0.995
    assert (np.diff(found_similarities) <= 0).all()
    same = found == exact
    np.testing.assert_allclose(found_similarities[same], similarities[same], atol=1e-6)


def test_every_list_probed_gives_the_exact_neighbors(monkeypatch):
    embeddings = clustered(2000)
    monkeypatch.setattr(inverted_lists, "TARGET_RECALL", 1.0)
    lists = build_lists(embeddings, 5, 40, 0)
    everything = inverted_lists.InvertedLists(lists.centroids, 2.0, lists.probes, lists.rows, lists.starts)
    everything.probes[:] = 0  # all noted: which lists are probed is found anew
    found, _ = join_lists(embeddings, 5, everything)
    assert share_found(found, nearest_neighbors(embeddings, 5, method="exact")[0]) >= 0.9999


def test_the_answer_does_not_depend_on_the_size_of_the_blocks(monkeypatch):
    embeddings = clustered(3000)
    whole = nearest_neighbors(embeddings, 8, method="ivf")
    monkeypatch.setattr(list_join, "ROWS_PER_BLOCK", 700)
    monkeypatch.setattr(inverted_lists, "_ENTRIES_PER_PRODUCT", 1)
    in_blocks = nearest_neighbors(embeddings, 8, method="ivf")
    assert share_found(in_blocks[0], whole[0]) >= 0.9999  # sums of another order may swap equal neighbours
    np.testing.assert_allclose(in_blocks[1], whole[1], atol=1e-6)


def test_a_memory_map_gives_the_same(tmp_path):
    embeddings = clustered(3000)
    np.save(tmp_path / "embeddings.npy", embeddings)
    mapped = np.load(tmp_path / "embeddings.npy", mmap_mode="r")
    for method in ("ivf", "exact"):
        for kept, read in zip(
            nearest_neighbors(embeddings, 6, method=method), nearest_neighbors(mapped, 6, method=method), strict=True
        ):
            assert (kept == read).all()


def test_each_row_gets_the_nearest_of_all_lists_within_the_margin(monkeypatch):
    embeddings = clustered(1500)
    built = build_lists(embeddings, 5, 60, 0)
    similarity = embeddings @ built.centroids.T
    behind = similarity.max(axis=1, keepdims=True) - similarity
    margin = float(np.quantile(behind, 0.25))  # many rows probe more lists than can be noted
    noted = inverted_lists.note_lists(embeddings, built.centroids, margin)
    own = noted[:, 0]
    starts = inverted_lists.list_starts(own, len(built.centroids))
    lists = inverted_lists.InvertedLists(built.centroids, margin, noted, np.argsort(own, kind="stable"), starts)
    full, probed = noted[:, -1] >= 0, np.zeros_like(behind, bool)
    assert 0.2 < full.mean() < 0.8
    for row, of_row in enumerate(noted):
        of_row = of_row[of_row >= 0]
        assert len(set(of_row)) == len(of_row)
        probed[row, of_row] = True
    assert (behind[probed] < margin + 0.02).all()  # noted by codes, which are close
    assert probed[~full][behind[~full] < margin - 0.02].all()
    probed[full] = behind[full] <= margin
    exact = embeddings @ embeddings.T
    exact[~probed[:, own]] = -np.inf
    np.fill_diagonal(exact, -np.inf)
    expected = -np.sort(-exact, axis=1)[:, :5]
    for entries_per_product in (1 << 20, 1):
        monkeypatch.setattr(inverted_lists, "_ENTRIES_PER_PRODUCT", entries_per_product)
        neighbors, similarities = join_lists(embeddings, 5, lists)
        np.testing.assert_allclose(similarities, expected, atol=1e-6)
        np.testing.assert_array_equal(neighbors[:, 0], exact.argmax(axis=1))


def test_lists_that_do_not_pay_are_not_built():
    noise = check_embeddings(np.random.default_rng(0).normal(size=(2000, 64)))
    assert build_lists(noise, 5, 50, 0, most_share=0.5) is None


def test_there_are_more_lists_where_regions_without_one_of_their_own_would_look_everywhere():
    embeddings = clustered(8000, d=32)  # of 320 clusters
    lists = build_lists(embeddings, 8, 40, 0)
    assert len(lists.centroids) > 40
    exact, _ = nearest_neighbors(embeddings, 8, method="exact")
    assert share_found(join_lists(embeddings, 8, lists)[0], exact) >= 0.995
    far_and_wide = check_embeddings(np.random.default_rng(0).normal(size=(8000, 32)))  # where more lists spare little
    assert len(build_lists(far_and_wide, 8, 40, 0).centroids) == 40


def test_rows_whose_lists_hold_too_few_others_are_compared_with_all(monkeypatch):
    embeddings = clustered(2000)
    monkeypatch.setattr(inverted_lists, "TARGET_RECALL", 0.3)
    monkeypatch.setattr(knn, "_ROWS_PER_CHUNK", 700)
    joined, _ = join_lists(embeddings, 30, build_lists(embeddings, 30, knn.number_of_lists(2000), 0))
    short = joined[:, -1] < 0
    assert [short[start : start + 700].any() for start in (0, 700, 1400)] == [True] * 3
    found, similarities = nearest_neighbors(embeddings, 30, method="ivf")
    exact, exact_similarities = nearest_neighbors(embeddings, 30, method="exact")
    np.testing.assert_array_equal(found, np.where(short[:, None], exact, joined))
    np.testing.assert_array_equal(similarities[short], exact_similarities[short])


def test_an_interrupt_ends_the_search(monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(list_join, "_answer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nearest_neighbors(clustered(2000), 5, method="ivf")


def test_rows_that_probe_most_lists_are_answered_first_and_the_others_list_after_list():
    assert asking_order(np.array([-1, 7, -1, 0, -1], np.int32)).tolist() == [1, 3, 0, 2, 4]


def test_a_list_that_is_probed_but_holds_no_rows_adds_nothing():
    embeddings = clustered(300)
    centroids = np.repeat(embeddings[:1], 2, axis=0)  # equal: rounding may give the second one's rows to the first
    probes = np.full((300, 16), -1, np.int32)
    probes[:, :2] = 0, 1
    lists = inverted_lists.InvertedLists(centroids, 0.1, probes, np.arange(300), np.array([0, 300, 300]))
    found, _ = join_lists(embeddings, 5, lists)
    np.testing.assert_array_equal(found, nearest_neighbors(embeddings, 5, method="exact")[0])
