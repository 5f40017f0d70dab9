"""The scalars that `score` saves."""

from __future__ import annotations

import numpy as np
import pytest
from alcli import uncertainty
from alcli.errors import InputRejected

# algorithms.md A.0
P = np.array([[0.70, 0.20, 0.10], [0.40, 0.35, 0.25], [0.34, 0.33, 0.33], [0.98, 0.01, 0.01]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_golden_scalars(dtype: type) -> None:
    found = uncertainty.scalars(P.astype(dtype))
    assert {name: values.dtype for name, values in found.items()} == {
        "prediction": np.int32,
        "confidence": np.float32,
        "margin": np.float32,
        "entropy": np.float32,
    }
    assert found["prediction"].tolist() == [0, 0, 0, 0]
    assert found["confidence"] == pytest.approx([0.70, 0.40, 0.34, 0.98], abs=1e-6)
    assert found["margin"] == pytest.approx([0.50, 0.05, 0.01, 0.97], abs=1e-6)
    assert found["entropy"] == pytest.approx([0.801819, 1.080528, 1.098513, 0.111902], abs=1e-6)


def test_many_rows_are_done_in_blocks() -> None:
    many = np.random.default_rng(0).dirichlet(np.ones(50), size=6000)
    ordered = np.sort(many, axis=1)
    found = uncertainty.scalars(many)
    assert np.array_equal(found["prediction"], many.argmax(axis=1))
    assert found["margin"] == pytest.approx(ordered[:, -1] - ordered[:, -2], abs=1e-7)
    assert found["entropy"] == pytest.approx(-(many * np.log(many)).sum(axis=1), abs=1e-6)


def test_a_bad_row_in_a_later_block_is_named_by_its_own_number() -> None:
    many = np.full((6000, 50), 0.02)
    many[5432, 3] = np.nan
    with pytest.raises(InputRejected, match="row 5432"):
        uncertainty.scalars(many)


def test_no_rows() -> None:
    assert len(uncertainty.scalars(np.empty((0, 3)))["margin"]) == 0


def test_float16_sums_of_thousands_of_classes_pass() -> None:
    """Rounding to float16 moves each of these sums by about 5e-4, and loses what is below 6e-8."""
    wide = np.random.default_rng(1).dirichlet(np.full(20_000, 0.05), size=4)
    narrow = uncertainty.normalised(wide.astype(np.float16))
    assert narrow.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-12)
    assert narrow == pytest.approx(wide, abs=1e-3)


def test_entropy_in_nats_of_an_even_spread() -> None:
    assert uncertainty.entropy(np.full((1, 4), 0.25)) == pytest.approx([np.log(4)])
    assert uncertainty.entropy(np.array([[1.0, 0.0]])).tolist() == [0]


def test_temperature_divides_logarithms() -> None:
    assert uncertainty.tempered(P, 1.0) is P
    squares = P**2
    np.testing.assert_allclose(uncertainty.tempered(P, 0.5), squares / squares.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(uncertainty.tempered(P, 1e9), np.full_like(P, 1 / 3))


def test_a_probability_of_0_stays_small_at_any_temperature() -> None:
    sure = np.array([[1.0, 0.0, 0.0]])
    np.testing.assert_allclose(uncertainty.tempered(sure, 3.0), [[1, 1e-10, 1e-10]], rtol=1e-9)
    assert uncertainty.tempered(sure, 0.01).tolist() == [[1, 0, 0]]
    np.testing.assert_allclose(uncertainty.tempered(np.zeros((1, 2)), 2.0), [[0.5, 0.5]])
