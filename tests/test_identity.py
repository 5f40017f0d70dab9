"""The identity of images."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from alcli import identity
from hypothesis import given
from hypothesis import strategies as st

KEYS = st.lists(st.integers(0, 2**64 - 1), max_size=20)


def test_an_id_is_x_and_16_hex_digits_of_blake2b() -> None:
    assert identity.alcli_id("abc") == "xd8bb14d833d59559"  # printf abc | b2sum -l 64


def test_both_unicode_forms_of_a_name_have_one_id() -> None:
    assert identity.alcli_id("caf\u00e9.png") == identity.alcli_id("cafe\u0301.png")
    assert identity.alcli_id("caf\u00e9.png") != identity.alcli_id("cafe.png")


def test_keys_of_texts_are_those_of_their_ids() -> None:
    names = ["a.png", "caf\u00e9.png", "cafe\u0301.png", ""]
    expected = [int(identity.alcli_id(name)[1:], 16) for name in names]
    assert identity.text_keys(names).tolist() == expected
    assert identity.ids_of(identity.text_keys(names)).to_pylist() == identity.alcli_ids(names)
    assert identity.text_keys([]).tolist() == []


@given(KEYS)
def test_keys_and_ids_stand_for_each_other(values: list[int]) -> None:
    keys = np.array(values, np.uint64)
    ids = identity.ids_of(keys)
    assert ids.to_pylist() == [f"x{value:016x}" for value in values]
    assert identity.keys_of(ids).tolist() == values


@given(KEYS)
def test_keys_sort_as_ids_do(values: list[int]) -> None:
    keys = np.array(values, np.uint64)
    assert sorted(identity.ids_of(keys).to_pylist()) == identity.ids_of(np.sort(keys)).to_pylist()


def test_a_slice_and_chunks_of_ids_will_do() -> None:
    ids = identity.ids_of(np.arange(10, dtype=np.uint64))
    assert identity.keys_of(ids[3:5]).tolist() == [3, 4]
    assert identity.keys_of(pa.chunked_array([ids[:2], ids[8:]])).tolist() == [0, 1, 8, 9]
    assert identity.keys_of(ids.cast(pa.large_string())).tolist() == list(range(10))


@pytest.mark.parametrize(
    "bad", [None, "", "x123", "y0123456789abcdef", "x0123456789ABCDEF", "x0123456789abcdeg"]
)
def test_what_is_no_id_is_refused(bad: str | None) -> None:
    with pytest.raises(ValueError, match="not an alcli id"):
        identity.keys_of(pa.array(["x0123456789abcdef", bad], pa.string()))
