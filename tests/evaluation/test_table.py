import numpy as np
import pytest

from hilander.evaluation.result import TITLES, MethodResult
from hilander.evaluation.table import best_values, format_metrics, format_table, is_best
from hilander.metrics import score

SCORES = ("f_pairwise", "f_bcubed", "nmi", "ari", "acc")


def result(name, value, clusters=7.0, **others):
    return MethodResult(name, metrics={**dict.fromkeys(SCORES, value), "clusters": clusters}, **others)


def test_a_row_stands_under_its_headings_and_the_ceiling_apart():
    rows = [result("hilander", 0.8), result("hac_ward", 0.7504, 12345.0), result("ceiling", 0.9)]
    assert format_table(rows, 1381).splitlines() == [
        "method                         F_P     F_B     NMI     ARI     ACC   clusters (1,381)",
        "hilander                     0.800*  0.800*  0.800*  0.800*  0.800*                 7",
        "HAC, Ward linkage            0.750   0.750   0.750   0.750   0.750             12,345",
        "-" * 85,
        "Ceiling: nearest class mean  0.900   0.900   0.900   0.900   0.900                  7",
    ]


def test_seconds_have_a_column_where_any_method_was_timed():
    lines = format_table([result("hilander", 0.8, seconds=1.26), result("finch", 0.7)]).splitlines()
    assert [line.split()[-1] for line in lines] == ["seconds", "1.3", "0.0"]
    assert len({len(line) for line in lines}) == 1


def test_numbers_end_under_their_heading_where_the_true_number_is_not_known():
    heading, row = format_table([result("hilander", 0.8)]).splitlines()
    assert len(heading) == len(row)


def test_the_best_of_each_score_is_marked_as_far_as_digits_are_shown():
    rows = [result("hilander", 0.8), result("finch", 0.80049), result("kmeans", 0.799), result("ceiling", 0.95)]
    best = best_values([*rows, MethodResult("leiden", reason="igraph is not installed")])
    assert best == dict.fromkeys(SCORES, 0.80049)  # more clusters are not better, and the ceiling does not compete
    assert [is_best(row, "nmi", best) for row in rows] == [True, True, False, False]
    assert not is_best(rows[0], "clusters", best)
    assert not is_best(result("ceiling", 0.8), "nmi", best)


def test_where_no_method_ran_the_table_has_their_reasons():
    table = format_table([MethodResult("leiden", reason="igraph is not installed")])
    assert table.splitlines()[1] == "Leiden (CPM)  igraph is not installed"
    assert format_table([]).startswith("method  F_P")


def test_the_table_of_a_file_is_that_of_its_results():
    rows = [result("hilander", 0.8), MethodResult("leiden", reason="igraph is not installed"), result("ceiling", 0.9)]
    blocks = {row.name: row.metrics or {"reason": row.reason} for row in rows}
    assert format_metrics({"test": {"items": 99, "classes": 30}, **blocks}) == format_table(rows, 30)
    assert format_metrics(blocks) == format_table(rows)


def test_labels_are_scored_against_the_true_ones():
    true, labels = np.array([0, 0, 1, 1, 1, 2]), np.array([5, 5, 5, 5, -1, 8])
    found = MethodResult.from_labels("finch", true, labels, seconds=2.5, parameters={"k": 3})
    assert found.metrics == score(true, labels)
    assert found.metrics["precision_pairwise"] != found.metrics["recall_pairwise"]
    np.testing.assert_array_equal(found.labels, labels)
    assert (found.seconds, found.parameters, found.reason) == (2.5, {"k": 3}, "")


@pytest.mark.parametrize(
    ("name", "short"),
    [("ceiling", "Ceiling"), ("kmeans", "k-means"), ("hac_average", "HAC, average"), ("my own", "my own")],
)
def test_titles_are_shortened_where_room_is_scarce(name, short):
    row = MethodResult(name)
    assert row.title == TITLES.get(name, name)
    assert row.short_title == short
    assert row.is_ceiling == (name == "ceiling")
