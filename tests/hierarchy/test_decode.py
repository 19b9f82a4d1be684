import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hilander.hierarchy.decode import Links, find_roots, parents_from_labels, tree_parents


def slow_tree_labels(links, threshold):
    """Plain Python: each node looks at all its in-edges, then climbs from parent to parent."""
    n = len(links.density)
    parents = list(range(n))
    for i in range(n):
        best = None
        for j, target, p in zip(links.source, links.target, links.linkage, strict=True):
            if target != i or p <= threshold:
                continue
            if not (links.density[j] > links.density[i] or (links.density[j] == links.density[i] and j < i)):
                continue
            if best is None or p > best[0] or (p == best[0] and j < best[1]):
                best = (p, j)
        if best is not None:
            parents[i] = int(best[1])
    roots = []
    for i in range(n):
        while parents[i] != i:
            i = parents[i]
        roots.append(i)
    return parents, roots


@st.composite
def random_links(draw):
    n = draw(st.integers(1, 12))
    m = draw(st.integers(0, 40))
    node = st.integers(0, n - 1)
    few_values = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])  # ties are the hard part
    return Links(
        source=np.array(draw(st.lists(node, min_size=m, max_size=m)), dtype=np.int64),
        target=np.array(draw(st.lists(node, min_size=m, max_size=m)), dtype=np.int64),
        linkage=np.array(draw(st.lists(few_values, min_size=m, max_size=m)), dtype=np.float32),
        density=np.array(draw(st.lists(few_values, min_size=n, max_size=n)), dtype=np.float32),
    )


@given(random_links(), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_tree_agrees_with_plain_python(links, threshold):
    parents, roots = slow_tree_labels(links, threshold)
    fast = tree_parents(links, threshold)
    assert fast.tolist() == parents
    assert find_roots(fast).tolist() == roots


def test_equal_nodes_form_one_tree():
    links = Links(
        source=np.array([0, 1, 2, 1]), target=np.array([1, 0, 1, 2]),
        linkage=np.ones(4, np.float32), density=np.ones(3, np.float32),
    )  # fmt: skip
    assert len(np.unique(find_roots(tree_parents(links, 0.5)))) == 1


def test_a_higher_threshold_never_joins_more():
    rng = np.random.default_rng(0)
    links = Links(
        rng.integers(50, size=400), rng.integers(50, size=400), rng.random(400, np.float32), rng.random(50, np.float32)
    )
    clusters = [len(np.unique(find_roots(tree_parents(links, t)))) for t in np.linspace(0, 1, 11)]
    assert clusters == sorted(clusters)


def test_find_roots_climbs_long_chains():
    chain = np.maximum(np.arange(10_000) - 1, 0)
    assert (find_roots(chain) == 0).all()


def test_the_densest_node_becomes_the_peak_of_its_label():
    labels = np.array([4, 7, 4, 7, 9])
    density = np.array([0.1, 0.5, 0.3, 0.5, 0.0], np.float32)
    assert parents_from_labels(labels, density).tolist() == [2, 1, 2, 1, 4]
