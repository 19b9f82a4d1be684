import numpy as np

from hilander.evaluation.examples import pick_examples

#               a is whole        b and c merged     d split in three
TRUE = np.array([*"aaaa", *"bbb", "c", *"dddddd"])
PRED = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4])


def test_examples_name_what_happened():
    found = pick_examples(TRUE, PRED)
    assert [example.title for example in found["whole"]] == ["a is found whole"]
    assert [example.title for example in found["merged"]] == ["cluster 1 merges 2 classes"]
    assert [example.title for example in found["split"]] == ["d is split over 3 clusters"]
    assert found["merged"][0].caption == "4 items: 3 of b, 1 of c"
    assert found["split"][0].caption == "6 items: 3 in cluster 2, 2 in cluster 3, 1 in cluster 4"


def test_rows_belong_to_their_group():
    for example in pick_examples(TRUE, PRED)["merged"]:
        for group in example.groups:
            assert set(TRUE[group.rows]) == {group.name}
            assert set(PRED[group.rows]) == {1}


def test_a_huge_cluster_shows_a_bounded_share_of_every_group():
    true, pred = np.repeat(np.arange(50), np.arange(50, 0, -1)), np.zeros(1275, np.int64)
    example = pick_examples(true, pred, max_items=18)["merged"][0]
    assert sum(len(group.rows) for group in example.groups) == 18
    assert example.caption.startswith("1275 items: 50 of 0, 49 of 1,")
    assert example.caption.endswith(f", {sum(range(1, 45))} of 44 more")
    assert example.groups[0].size == 50


def test_perfect_clusters_have_no_bad_examples():
    found = pick_examples(TRUE, np.unique(TRUE, return_inverse=True)[1])
    assert found["merged"] == found["split"] == []
    assert len(found["whole"]) == 3  # the class of one item is no feat


def test_a_small_group_has_as_much_room_as_a_large_one():
    true = np.repeat(list("abc"), [1000, 10, 2])
    (example,) = pick_examples(true, np.zeros(1012, np.int64))["merged"]
    assert [len(group.rows) for group in example.groups] == [8, 8, 2]


def test_those_that_count_most_come_first():
    true = np.repeat(list("abcdef"), [2, 3, 4, 4, 9, 9])
    pred = np.array([*[0] * 2, *[1] * 3, *[2, 2, 3, 3], *[4, 4, 4, 5], *[6] * 18])
    found = pick_examples(true, pred, per_kind=2)
    assert [example.title[0] for example in found["whole"]] == ["b", "a"]
    assert [example.title[0] for example in found["split"]] == ["c", "d"]  # 4 pairs torn apart, and 3
    assert [example.title[0] for example in pick_examples(true, pred, per_kind=1)["split"]] == ["c"]


def test_braces_in_the_name_of_a_class_are_letters():
    names = np.where(TRUE == "d", r"\mathbb{R}", np.where(TRUE == "a", "{}", "c{0}"))
    found = pick_examples(names, PRED)
    assert [example.title for example in found["split"]] == [r"\mathbb{R} is split over 3 clusters"]
    assert [example.title for example in found["whole"]] == ["c{0} is found whole", "{} is found whole"]


def test_items_in_no_cluster_are_none_that_merges_classes():
    found = pick_examples(TRUE, np.where(PRED == 1, -1, PRED))
    assert found["merged"] == []
    assert [example.title for example in found["split"]] == ["d is split over 3 clusters", "b is split over 3 clusters"]
    assert found["split"][1].caption == "3 items: 1 in no cluster, 1 in no cluster, 1 in no cluster"
    assert [example.title for example in found["whole"]] == ["a is found whole"]
