import numpy as np

from hilander.clustering import membership_probabilities
from hilander.hierarchy.decode import Links


def test_probability_is_the_mean_linkage_within_the_cluster():
    links = Links(
        source=np.array([0, 1, 2, 2]), target=np.array([1, 2, 0, 3]),
        linkage=np.array([0.8, 0.6, 1.0, 0.3], np.float32), density=np.zeros(4, np.float32),
    )  # fmt: skip
    found = membership_probabilities(links, np.array([0, 0, 0, 1]))
    np.testing.assert_allclose(found, [0.9, 0.7, 0.8, 0.7], atol=1e-6)
