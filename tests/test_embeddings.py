import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis.extra.numpy import arrays

from hilander.embeddings import check_embeddings, check_labels, check_neighbors
from hilander.training.train_lander import train_lander

RAW = np.random.default_rng(0).normal(size=(10, 4))


def test_rows_are_normalised_copies():
    raw = RAW.copy()
    checked = check_embeddings(raw)
    assert checked.dtype == np.float32
    assert checked.flags.c_contiguous
    np.testing.assert_allclose(np.linalg.norm(checked, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(raw, RAW)


@given(arrays(np.float64, (1,), elements={"min_value": 1e-300, "max_value": 1e300}))
def test_scale_changes_nothing_even_at_the_ends_of_the_range(scale):
    np.testing.assert_allclose(check_embeddings(np.array([[3.0, 4.0]]) * scale), [[0.6, 0.8]], atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8, np.uint8])
def test_any_real_dtype_will_do(dtype):
    assert check_embeddings(np.array([[1, 2], [3, 4]], dtype=dtype)).dtype == np.float32


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.where(np.arange(40).reshape(10, 4) == 13, np.nan, RAW), r"NaN or inf .* rows 3"),
        (np.where(np.arange(40).reshape(10, 4) == 13, np.inf, RAW), r"NaN or inf .* rows 3"),
        (RAW * (np.arange(10) < 2)[:, None], r"zero vectors.* rows 2, 3, 4, 5, 6, … \(8 in all\)"),
        (RAW[0], r"shape \(n, d\), got \(4,\)"),
        (RAW[:, :0], "must have a column"),
        (RAW[:0], "at least 1 row"),
        (RAW.astype(complex), "Complex data not supported"),
        (np.array([["a", "b"]]), "must be numbers"),
        ([[1.0, 2.0], [3.0]], "rectangular"),
        (pd.DataFrame({"x": [1.0], "name": ["a"]}), "numbers alone: could not convert string to float: 'a'"),
        (pd.DataFrame({"x": [1, None], "y": [1, 2]}, dtype="Int64"), "NaN or inf .* rows 1"),
        (np.ma.masked_less(RAW, 0), "masked values"),
    ],
)
def test_bad_embeddings_get_a_sentence(value, message):
    with pytest.raises((ValueError, TypeError), match=message):
        check_embeddings(value)


def test_a_column_of_lists_is_a_matrix():
    asked = check_embeddings(RAW)
    for rows in (list(RAW), RAW.tolist(), [tuple(row) for row in RAW]):
        column = pd.DataFrame({"embedding": rows})["embedding"]
        np.testing.assert_array_equal(check_embeddings(column), asked)


@pytest.mark.parametrize("odd", [RAW[0, :2], None, 1.0, RAW])
def test_a_row_of_another_width_is_named(odd):
    column = pd.DataFrame({"embedding": [*RAW, odd]})["embedding"]
    with pytest.raises(ValueError, match=r"row 10 has shape \(.*\), not \(4,\)"):
        check_embeddings(column)


def test_another_width_names_both_and_the_remedy():
    with pytest.raises(ValueError, match=r"\(n, 8\) to match the model; got \(10, 4\)\. Encode"):
        check_embeddings(RAW, n_features=8)


def test_labels_become_integers_in_sorted_order():
    assert check_labels(["b", "a", "b"], 3).tolist() == [1, 0, 1]
    assert check_labels([7, 3, 7], 3).tolist() == [1, 0, 1]
    for kind in ("S1", "U1", object, np.dtypes.StringDType()):
        assert check_labels(np.array(["b", "a", "b"], kind), 3).tolist() == [1, 0, 1]
    assert check_labels(np.array([True, False, True]), 3).tolist() == [1, 0, 1]
    assert check_labels([2**63, -1, 2**63 + 1], 3).tolist() == [1, 0, 2]  # one float for both
    assert check_labels([np.float32(2.5), 1, 2.5], 3).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [(["a"], r"shape \(2,\), one per embedding; got shape \(1,\)"), ([["a", "b"]], "shape"),
     (["a", None], "rows 1"), ([1.0, np.nan], "rows 1"), (["a", ""], "rows 1"),
     (np.array(["", "a"], object), "rows 0"), (np.array(["a", pd.NA], object), "rows 1"),
     (np.array([b"a", b""]), "rows 1"), (np.array([b"a", b""], object), "rows 1"),
     (np.array(["a", ""], np.dtypes.StringDType()), "rows 1"),
     (np.array(["2026-01-01", "NaT"], "datetime64[D]"), "rows 1"),
     (["a", np.nan], "rows 1"), (("a", float("nan")), "rows 1"),
     (np.array([1, "a"], object), "must all be integers or all strings; got int, str"),
     ([1, "a"], "must all be integers or all strings; got int, str")],
)  # fmt: skip
def test_bad_labels_get_a_sentence(labels, message):
    with pytest.raises(ValueError, match=message):
        check_labels(labels, 2)


@pytest.mark.parametrize(("value", "said"), [(np.nan, "NaN or inf"), (0, "zero vectors")])
def test_rows_of_a_piece_are_named_by_their_number_in_the_whole(value, said):
    rows = np.ones((3000, 3))
    rows[2500] = value  # beyond the rows that are looked at together
    with pytest.raises(ValueError, match=f"{said}.* in rows 2600;"):
        check_embeddings(rows, first_row=100)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_layout_in_memory_does_not_change_a_bit(dtype):
    rows = np.random.default_rng(0).normal(size=(2000, 100)).astype(dtype)
    assert (check_embeddings(np.asfortranarray(rows)) == check_embeddings(rows)).all()


NEIGHBORS = np.array([[1, 2], [0, 2], [0, 1]])
SIMILARITIES = np.full((3, 2), 0.5)


@pytest.mark.parametrize(
    ("neighbors", "message"),
    [
        ((NEIGHBORS[:2], SIMILARITIES[:2]), r"two arrays of shape \(3, k\); got shapes \(2, 2\)"),
        ((NEIGHBORS, SIMILARITIES[:, :1]), r"got shapes \(3, 2\) and \(3, 1\)"),
        ((NEIGHBORS + 1, SIMILARITIES), "from 0 to 2, .* not so in rows 0, 1"),
        ((NEIGHBORS[::-1], SIMILARITIES), "not so in rows 0, 2"),
        ((NEIGHBORS, np.where(NEIGHBORS == 0, np.nan, SIMILARITIES)), "not so in rows 1, 2"),
        ((NEIGHBORS.astype(float), SIMILARITIES), "integers and floats; got float64"),
        (NEIGHBORS[0, 0], "neighbours and similarities; "),
        (([[1, 2], [0]], SIMILARITIES), "neighbours and similarities; "),
    ],
)
def test_neighbors_of_other_embeddings_are_refused_before_compiled_code_reads_them(neighbors, message):
    with pytest.raises(ValueError, match=message):
        check_neighbors(neighbors, 3)
    with pytest.raises(ValueError, match=message):
        train_lander(RAW[:3], [0, 0, 1], neighbors=neighbors)


def test_neighbors_come_back_as_the_types_that_compiled_code_takes():
    found, similarities = check_neighbors((NEIGHBORS.astype(np.uint8).tolist(), SIMILARITIES), 3)
    assert (found.dtype, similarities.dtype) == (np.int64, np.float32)
    np.testing.assert_array_equal(found, NEIGHBORS)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.int64])
def test_tensors_are_taken_as_a_network_leaves_them(dtype):
    values = torch.tensor([[3, 4], [1, 0], [-2, 8]]).to(dtype)
    expected = check_embeddings(values.double().numpy())
    assert np.array_equal(check_embeddings(values), expected)
    if dtype.is_floating_point:
        assert np.array_equal(check_embeddings(values.requires_grad_()), expected)
