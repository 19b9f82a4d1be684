import numpy as np
import pytest

from hilander.graph.evidence import gather_evidence


def slow_evidence(edges, linkage, members):
    """Lists of the linkages between clusters and within them."""
    between, within = {}, {}
    for (i, j), p in zip(edges.tolist(), linkage.tolist(), strict=True):
        pair = tuple(sorted((members[i], members[j])))
        (within if pair[0] == pair[1] else between).setdefault(pair, []).append(p)
    return between, within


def check(evidence, edges, linkage, members):
    between, within = slow_evidence(edges, linkage, members)
    n = members.max() + 1
    assert [divmod(pair, n) for pair in evidence.pairs.tolist()] == sorted(between)
    for row, pair in enumerate(sorted(between)):
        assert evidence.total[row] == pytest.approx(sum(between[pair]))
        assert evidence.count[row] == len(between[pair])
        assert evidence.largest[row] == max(between[pair])
    assert evidence.within.tolist() == pytest.approx([sum(within.get((c, c), [0])) for c in range(n)])
    assert evidence.sizes.tolist() == np.bincount(members).tolist()


def draw(n=60, m=400, seed=0):
    rng = np.random.default_rng(seed)
    edges = np.unique(np.sort(rng.integers(n, size=(m, 2)), axis=1), axis=0)
    edges = edges[edges[:, 0] < edges[:, 1]]
    return rng, edges, rng.random(len(edges)).astype(np.float32)


def test_sums_over_links_between_and_within_clusters():
    rng, edges, linkage = draw()
    members = rng.permutation(np.arange(60) % 17)
    check(gather_evidence(edges, linkage, members), edges, linkage, members)


def test_clusters_of_clusters_have_the_evidence_of_their_items():
    rng, edges, linkage = draw(seed=1)
    members = rng.permutation(np.arange(60) % 23)
    cluster_of = rng.permutation(np.arange(23) % 6)
    merged = gather_evidence(edges, linkage, members).merged(cluster_of)
    check(merged, edges, linkage, cluster_of[members])


def test_no_edges_no_pairs():
    evidence = gather_evidence(np.empty((0, 2), np.int64), np.empty(0, np.float32), np.array([0, 1, 1]))
    assert len(evidence.pairs) == 0
    assert evidence.within.tolist() == [0, 0]
    assert len(evidence.merged(np.array([0, 0])).pairs) == 0
