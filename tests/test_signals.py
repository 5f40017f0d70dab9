"""Signals on disk: parts, alignment by id, and what a later part says of an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from alcli.errors import InputRejected, StepMissing
from alcli.identity import ids_of
from alcli.signals import Part, SignalStore

KEYS = np.array([7, 3, 11, 5, 2], np.uint64)


def part(keys: np.ndarray, value: float, unreadable: list[dict[str, object]] | None = None) -> Part:
    count = len(keys)
    return Part(
        keys,
        {
            "probabilities": np.tile(np.array([[value, 1 - value]], np.float32), (count, 1)),
            "margin": np.arange(count, dtype=np.float32) + np.float32(10 * value),
            "mc_probabilities": np.full((count, 3, 2), value, np.float16),
        },
        np.full(count, 100),
        np.full(count, 9),
        ["ab"] * count,
        unreadable or [],
    )


@pytest.fixture
def store(tmp_path: Path) -> SignalStore:
    made = SignalStore(tmp_path / "signals" / "0001-abc")
    made.create(
        model="0001-abc",
        signals={
            "probabilities": {"shape": [2], "dtype": "float32"},
            "margin": {"shape": [], "dtype": "float32"},
            "mc_probabilities": {"shape": [3, 2], "dtype": "float16"},
        },
    )
    made.append(part(KEYS[:3], 0.25))
    made.append(part(KEYS[3:], 0.75))
    return made


def test_rows_come_back_in_the_order_asked_for(store: SignalStore) -> None:
    found = store.read(["margin", "probabilities"], np.array([2, 7, 11], np.uint64))
    assert found["margin"].tolist() == [8.5, 2.5, 4.5]
    assert found["probabilities"].tolist() == [[0.75, 0.25], [0.25, 0.75], [0.25, 0.75]]


def test_shapes_and_types_survive(store: SignalStore) -> None:
    found = store.read(["mc_probabilities"], KEYS)["mc_probabilities"]
    assert found.shape == (5, 3, 2)
    assert found.dtype == np.float16
    assert found[3:].max() == found[3:].min() == np.float16(0.75)


def test_an_image_scored_again_counts_as_the_last_part_says(store: SignalStore) -> None:
    store.append(part(np.array([3], np.uint64), 0.5))
    assert store.read(["margin"], KEYS)["margin"].tolist() == [2.5, 5.0, 4.5, 7.5, 8.5]


def test_chunks_cover_each_image_once_whatever_the_parts(store: SignalStore) -> None:
    asked = np.array([5, 11, 3], np.uint64)
    seen = {
        int(at): float(m)
        for rows, chunk in store.chunks(["margin"], asked)
        for at, m in zip(rows, chunk["margin"], strict=False)
    }
    assert seen == {0: 7.5, 1: 4.5, 2: 3.5}


def test_an_image_without_signals_is_an_error_that_says_what_to_do(store: SignalStore) -> None:
    with pytest.raises(StepMissing, match="1 images have no signals") as failure:
        store.read(["margin"], np.array([7, 99], np.uint64))
    assert "score" in str(failure.value.hint)


def test_a_missing_signal_is_named_with_those_that_exist(store: SignalStore) -> None:
    with pytest.raises(
        InputRejected, match=r"no embeddings; they have probabilities, margin, mc_probabilities"
    ):
        store.read(["embeddings"], KEYS)


def test_no_rows_asked_is_no_rows_back(store: SignalStore) -> None:
    found = store.read(["margin", "mc_probabilities"], np.empty(0, np.uint64))
    assert found["margin"].shape == (0,)
    assert found["mc_probabilities"].shape == (0, 3, 2)


def test_unreadable_images_are_remembered_and_have_no_row(store: SignalStore) -> None:
    name = ids_of(np.array([42], np.uint64))[0].as_py()
    store.append(part(np.array([8], np.uint64), 0.5, [{"alcli_id": name, "problem": "truncated"}]))
    assert SignalStore(store.folder).unreadable[name]["problem"] == "truncated"
    assert store.locate(np.array([42, 8], np.uint64)).tolist() == [-1, 5]


def test_a_part_of_unreadable_images_only(store: SignalStore) -> None:
    empty = Part(
        np.empty(0, np.uint64), {}, np.empty(0, np.int64), np.empty(0, np.int64), [], [{"alcli_id": "x1"}]
    )
    store.append(empty)
    assert "x1" in store.unreadable
    assert len(store.read(["margin"], KEYS)["margin"]) == 5


def test_a_reader_sees_what_another_wrote(store: SignalStore) -> None:
    again = SignalStore(store.folder)
    assert again
    assert again.shapes == {"probabilities": (2,), "margin": (), "mc_probabilities": (3, 2)}
    assert np.array_equal(again.keys, KEYS)


def test_an_absent_store_is_false_and_says_so(tmp_path: Path) -> None:
    nothing = SignalStore(tmp_path / "none")
    assert not nothing
    with pytest.raises(StepMissing):
        _ = nothing.about


def test_rows_are_located_anew_once_more_is_saved(store: SignalStore) -> None:
    keys = np.array([8, 3, 1000], np.uint64)
    before = store.locate_rows(keys, np.array([2, 0]))
    assert before.tolist() == [-1, *store.locate(keys[:1]).tolist()]
    store.append(part(keys[2:], 7.0))
    assert store.locate_rows(keys, np.array([2, 0])).tolist() == [len(store.keys) - 1, before[1]]
    assert store.locate_rows(keys[::-1], np.array([0])).tolist() == [len(store.keys) - 1]
