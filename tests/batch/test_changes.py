import numpy as np

from hilander.batch.changes import compare_runs


def test_every_kind_of_change_is_counted():
    earlier = np.array([0, 0, 0, 1, 1, 2, 3])
    now = np.array([0, 0, 5, 1, 1, 1, 6])  # 0 loses an item to 5, 2 goes into 1, 6 is an added item alone
    shared = np.array([0, 1, 2, 3, 4, 5, -1])
    changes = compare_runs(now, earlier, shared)
    assert (changes.items_shared, changes.items_added, changes.items_gone, changes.items_moved) == (6, 1, 1, 2)
    assert (changes.clusters_kept, changes.clusters_new, changes.clusters_vanished) == (2, 2, 2)
    assert changes.splits == [{"cluster": 0, "parts": [[0, 2], [5, 1]]}]
    assert changes.merges == [{"cluster": 1, "parts": [[1, 2], [2, 1]]}]
    assert (changes.clusters_split, changes.clusters_merged) == (1, 1)


def test_the_same_run_has_changed_nothing():
    clusters = np.array([3, 3, 1])
    changes = compare_runs(clusters, clusters, np.arange(3))
    assert changes.items_moved == changes.clusters_new == changes.clusters_split == changes.clusters_merged == 0
    assert changes.clusters_kept == 2


def test_runs_without_a_shared_item():
    changes = compare_runs(np.array([4, 4]), np.array([4, 1]), np.array([-1, -1]))
    assert (changes.items_shared, changes.clusters_kept, changes.clusters_vanished) == (0, 1, 1)
    assert changes.splits == changes.merges == []


def test_splits_that_moved_the_most_come_first_and_the_rest_is_counted():
    rng = np.random.default_rng(0)
    earlier, now = np.repeat(np.arange(30), 9), rng.integers(0, 4, 270)  # of each cluster about 5 items move
    now[:9] = 40  # renamed as a whole
    changes = compare_runs(now, earlier, np.arange(270))
    sizes = {cluster: np.bincount(now[earlier == cluster]) for cluster in range(1, 30)}
    moved = {cluster: 9 - counts.max() for cluster, counts in sizes.items()}
    assert changes.clusters_split == 29
    assert [split["cluster"] for split in changes.splits] == sorted(moved, key=lambda each: (-moved[each], each))[:20]
    for split in changes.splits:
        parts = [(-count, part) for part, count in enumerate(sizes[split["cluster"]]) if count]
        assert split["parts"] == [[part, -count] for count, part in sorted(parts)]
    assert changes.clusters_merged == 4
