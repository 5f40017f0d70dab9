"""What folder names mean: classes, splits, no label."""

from __future__ import annotations

from typing import Any

import pytest
from alcli.images.folders import UNLABELLED, Layout


def read(*names: str, **options: Any) -> list[tuple[str | None, str]]:
    labels, splits = Layout(list(names), **options).read()
    return list(zip(labels, splits, strict=True))


def test_the_first_folder_is_the_class_however_deep_the_image_lies() -> None:
    assert read("cat/1.png", "dog/2020/may/2.png") == [("cat", "train"), ("dog", "train")]


def test_an_image_directly_in_the_pool_has_no_label() -> None:
    assert read("1.png") == [(None, "train")]


@pytest.mark.parametrize("name", [*UNLABELLED, "Unlabelled", "UNSORTED"])
def test_unlabelled_folders_in_any_case(name: str) -> None:
    assert read(f"{name}/cat/1.png", "cat/2.png") == [(None, "train"), ("cat", "train")]


def test_further_unlabelled_folders() -> None:
    assert read("Inbox/1.png", "cat/2.png", unlabelled=["inbox"]) == [(None, "train"), ("cat", "train")]


@pytest.mark.parametrize(
    ("folder", "split"),
    [("train", "train"), ("val", "val"), ("valid", "val"), ("Validation", "val"), ("TEST", "test")],
)
def test_splits_at_the_top(folder: str, split: str) -> None:
    assert read(f"{folder}/cat/deep/1.png", f"{folder}/2.png", f"{folder}/unlabelled/3.png") == [
        ("cat", split),
        (None, split),
        (None, split),
    ]


def test_a_split_below_the_top_is_no_split() -> None:
    assert read("cat/test/1.png") == [("cat", "train")]


def test_splits_may_stand_beside_classes() -> None:
    assert read("cat/1.png", "test/cat/2.png") == [("cat", "train"), ("cat", "test")]


def test_train_beside_other_vehicles_is_a_class() -> None:
    names = ["car/1.png", "train/2.png"]
    assert read(*names) == [("car", "train"), ("train", "train")]
    assert Layout(names).has_class_train
    assert not Layout(["train/1.png", "unlabelled/2.png"]).has_class_train


def test_a_test_folder_at_the_top_holds_classes() -> None:
    assert read("holdout/cat/1.png", "holdout/2.png", "cat/3.png", test="holdout") == [
        ("cat", "test"),
        (None, "test"),
        ("cat", "train"),
    ]


def test_a_test_folder_further_down() -> None:
    assert read("sets/new/cat/1.png", "cat/held/2.png", test="sets/new")[0] == ("cat", "test")
    assert read("cat/held/2.png", "cat/3.png", test="cat/held") == [("cat", "test"), ("cat", "train")]


def test_folders_are_no_classes_where_a_file_has_the_labels() -> None:
    assert read("cat/1.png", "train/2.png", "test/3.png", classes=False) == [
        (None, "train"),
        (None, "train"),
        (None, "test"),
    ]


def test_class_names_are_normalised() -> None:
    assert read("cafe\u0301/1.png", "caf\u00e9/2.png") == [("caf\u00e9", "train")] * 2
