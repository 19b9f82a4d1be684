from itertools import pairwise

import numpy as np

from hilander.monitoring.drift.sampling import cut_large_classes


def test_large_classes_are_cut_into_regions_and_the_others_stay():
    random = np.random.default_rng(0)
    sizes = [7, 250, 20, 101, 100]
    labels = random.permutation(np.repeat(np.arange(5), sizes))
    embeddings = random.normal(size=(len(labels), 4)).astype(np.float32)
    embeddings[:, 2] *= 9
    cut = cut_large_classes(embeddings, labels, 100)
    for small in (0, 2, 4):
        np.testing.assert_array_equal(cut == small, labels == small)
    assert np.sort(np.bincount(cut)).tolist() == [7, 20, 50, 51, 83, 83, 84, 100]
    parts = np.unique(cut[labels == 1])
    spans = sorted((embeddings[cut == part, 2].min(), embeddings[cut == part, 2].max()) for part in parts)
    overlaps = sum(end - start for (_, end), (start, _) in pairwise(spans))
    assert overlaps < 0.2 * (spans[-1][1] - spans[0][0])  # across the axis of the largest variance


def test_a_class_of_equal_rows_is_cut_too():
    cut = cut_large_classes(np.ones((30, 3), np.float32), np.zeros(30, np.int64), 10)
    assert np.bincount(cut).tolist() == [10, 10, 10]
