from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilander.graph.linkage_context import LINKAGE_CONTEXT, N_OF_PAIRS, LinkageContext

N_NODES = 9
linked_pairs = st.dictionaries(
    st.sampled_from(list(combinations(range(N_NODES), 2))), st.floats(0, 1, width=32), min_size=1
)


def by_matrices(linkage, edges, n):
    """The same, from matrices of all pairs."""
    p = np.eye(n)
    p[edges[:, 0], edges[:, 1]] = p[edges[:, 1], edges[:, 0]] = linkage
    mates, common = p.sum(axis=1), p @ p
    np.fill_diagonal(common, mates)
    closure = np.log((p * common).sum(axis=1) / (p @ mates))
    reach = np.log(mates) - closure
    mates = np.log(mates)
    rows = []
    for (i, j), q in zip(edges, np.clip(linkage.astype(float), 1e-30, 1), strict=True):
        logit = np.clip(np.log(q) - np.log(max(1 - q, 1e-30)), -9, 9)
        both = np.log(common[i, j] + 0.1)
        low, high = sorted([mates[i], mates[j]])
        rows.append([logit, low - np.median(mates), high - np.median(mates), both - low, both - high])
        rows[-1].append(both - np.median(mates))
        for each in (closure, reach):
            rows[-1] += sorted([each[i] - np.median(each), each[j] - np.median(each)])
        first, typical, ninth = np.quantile(mates, [0.1, 0.5, 0.9])
        rows[-1] += [ninth - typical, typical - first, np.median(closure), np.quantile(reach, 0.9) - np.median(reach)]
        rows[-1].append(np.log(n))
    return np.array(rows)


@given(linked_pairs)
def test_agrees_with_matrices_of_all_pairs(linked):
    edges = np.array(sorted(linked), np.int64)
    linkage = np.array([linked[pair] for pair in sorted(linked)], np.float32)
    context = LinkageContext(linkage, edges, N_NODES)
    found = context[:]
    assert (len(context), found.dtype) == (len(edges), np.float32)
    np.testing.assert_allclose(found, by_matrices(linkage, edges, N_NODES), atol=2e-4)
    np.testing.assert_array_equal(np.concatenate([context[rows] for rows in context.chunks()]), found)


def groups(sizes, linkage):
    """Items in groups of which all pairs are linked so, and the edges of each group."""
    starts = np.cumsum([0, *sizes])
    edges = [list(combinations(range(a, b), 2)) for a, b in pairwise(starts)]
    of_group = np.repeat(np.arange(len(sizes)), [len(each) for each in edges])
    pairs = np.concatenate(edges).astype(np.int64)
    return LinkageContext(np.full(len(pairs), linkage, np.float32), pairs, starts[-1]), of_group


def test_of_many_items_more_make_no_difference():
    items = [column(groups([2] * n, 0.5)[0], "log_items")[0] for n in (5, 50, 500, 5000)]
    np.testing.assert_allclose(items, np.log([10, 100, 1000, 1000]), rtol=1e-6)


def column(context, name):
    return context[:][:, LINKAGE_CONTEXT.index(name)]


def test_a_group_of_two_classes_has_more_mates_than_usual():
    context, group = groups([20] * 9 + [40], 1.0)
    assert column(context, "log_mates_min")[group < 9] == pytest.approx(0, abs=1e-6)
    assert column(context, "log_mates_min")[group == 9] == pytest.approx(np.log(2), rel=1e-5)


def test_closed_groups_and_an_open_chain_are_told_apart():
    closed, _ = groups([20] * 5, 1.0)
    near = np.array([(i, j) for i in range(200) for j in range(i + 1, min(i + 11, 200))], np.int64)
    chain = LinkageContext(np.ones(len(near), np.float32), near, 200)  # each item's mates reach beyond its own
    assert column(closed, "typical_closure")[0] == pytest.approx(0, abs=1e-6)
    assert column(chain, "typical_closure")[0] < -0.2


def test_the_order_of_the_items_changes_nothing_but_the_order_of_the_edges():
    rng = np.random.default_rng(0)
    edges = np.array([pair for pair in combinations(range(40), 2) if rng.random() < 0.3], np.int64)
    linkage = rng.random(len(edges)).astype(np.float32)
    renamed = rng.permutation(40)
    others = np.sort(renamed[edges], axis=1)
    order = np.lexsort((others[:, 1], others[:, 0]))
    found = LinkageContext(linkage[order], others[order], 40)[:]
    np.testing.assert_allclose(found, LinkageContext(linkage, edges, 40)[:][order], atol=1e-5)
    assert np.ptp(found[:, N_OF_PAIRS:], axis=0).max() == 0


def test_items_without_an_edge():
    context = LinkageContext(np.empty(0, np.float32), np.empty((0, 2), np.int64), 3)
    assert context[:].shape == (0, len(LINKAGE_CONTEXT))
    assert list(context.chunks()) == []
