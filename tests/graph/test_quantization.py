import numpy as np
import pytest

from hilander.graph import quantization
from hilander.graph.quantization import approximate_products, multiply_codes, quantize


@pytest.fixture(params=[True, False], ids=["codes", "no codes"])
def with_codes(request, monkeypatch):
    monkeypatch.setattr(quantization, "pays", lambda width: request.param)
    return request.param


def unit_rows(n, d, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_scale_times_codes_differs_from_a_row_by_its_error(monkeypatch):
    monkeypatch.setattr(quantization, "pays", lambda width: True)
    rows = np.concatenate([unit_rows(50, 100), np.eye(100, dtype=np.float32)[:3], np.zeros((1, 100), np.float32)])
    quantized = quantize(rows)
    apart = rows - quantized.scale[:, None] * quantized.codes.astype(np.float64)
    of_codes = quantized.scale * np.linalg.norm(quantized.codes.astype(np.float64), axis=1)
    np.testing.assert_allclose(quantized.error[:-1], (np.linalg.norm(apart, axis=1) / of_codes)[:-1], atol=1e-6)
    np.testing.assert_allclose((apart * quantized.codes).sum(axis=1) * quantized.scale, 0, atol=1e-6)
    assert np.abs(apart).max() <= 0.6 * quantized.scale.max()
    assert quantized.error[-1] == 0
    assert (np.abs(quantized.codes).max(axis=1) == [127] * 53 + [0]).all()


def test_products_of_codes_are_exact_at_their_extremes():
    codes = np.array([[127] * 300, [-127] * 300, [127, -127] * 150, list(range(-127, 127)) + [0] * 46], np.int8)
    expected = codes.astype(np.int64) @ codes.T.astype(np.int64)
    np.testing.assert_array_equal(multiply_codes(codes, codes), expected)


def test_products_are_those_of_the_rows_to_a_thousandth(with_codes):
    first, second = unit_rows(40, 128), unit_rows(7, 128, seed=1)
    quantized = quantize(first)
    assert quantized.codes.shape == (40, 128 if with_codes else 0)
    found = approximate_products(quantized, quantize(second))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, first @ second.T, atol=4e-3 if with_codes else 1e-6)


def test_of_narrow_rows_codes_do_not_pay():
    assert not quantization.pays(2)


def test_rows_whose_products_of_codes_need_more_than_32_bits_are_compared_in_single_precision(monkeypatch):
    monkeypatch.setattr(quantization, "_multiplies_bytes", lambda: True)
    rows = np.random.default_rng(0).choice(np.float32([-1, 1]), size=(3, 140_000)) / np.sqrt(np.float32(140_000))
    products = approximate_products(quantize(rows), quantize(rows))
    np.testing.assert_allclose(products, rows.astype(np.float64) @ rows.T, atol=1e-4)
