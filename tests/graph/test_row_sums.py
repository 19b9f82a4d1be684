import numpy as np

from hilander.graph.row_sums import add_rows


def test_rows_are_added_to_their_clusters():
    rng = np.random.default_rng(0)
    features, members = rng.normal(size=(50, 5)).astype(np.float32), rng.integers(6, size=50)
    sums = np.ones((6, 5), np.float32)
    add_rows(features, members, sums)
    for cluster in range(6):
        np.testing.assert_allclose(sums[cluster], 1 + features[members == cluster].sum(axis=0), atol=1e-5)
