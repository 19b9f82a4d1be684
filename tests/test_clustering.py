import numpy as np

from hilander.clustering import cluster_embeddings
from hilander.embeddings import check_embeddings
from hilander.models.similarity import SimilarityModel


def test_clusters_are_numbered_by_their_rows_then_by_where_their_peaks_stand():
    rng = np.random.default_rng(0)
    classes = rng.permutation(np.repeat(np.arange(30), rng.integers(1, 6, 30)))
    classes = np.r_[classes, np.repeat(classes[:3], 4)]  # repeats of rows count, though they are clustered as one
    embeddings = check_embeddings(np.eye(30)[classes] + 0.01 * rng.normal(size=(len(classes), 30)))
    embeddings[-12:] = np.repeat(embeddings[:3], 4, axis=0)
    found = cluster_embeddings(embeddings, SimilarityModel())
    sizes = np.bincount(found.labels)
    assert len(sizes) == 30
    np.testing.assert_array_equal(found.labels[found.peaks], np.arange(30))
    np.testing.assert_array_equal(np.lexsort((found.peaks, -sizes)), np.arange(30))
    for label in range(30):
        assert len(np.unique(classes[found.labels == label])) == 1
