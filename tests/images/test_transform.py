"""The transform: defaults, limits, and what goes into a model's record and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from alcli.errors import UsageError
from alcli.images.transform import Transform


def test_mean_and_std_default_to_a_half_per_channel() -> None:
    assert Transform(28, 1).mean == Transform(28, 1).std == (0.5,)
    assert Transform(28, 3).mean == Transform(28, 3).std == (0.5, 0.5, 0.5)


def test_shape_is_what_a_decoded_image_has() -> None:
    assert Transform(28, 1).shape == (28, 28, 1)
    assert Transform(64, 3).shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("transform", "pixels"),
    [
        (Transform(224, 3), 224),
        (Transform(224, 3, crop_pct=0.5), 224),  # squash keeps everything, whatever the share
        (Transform(224, 3, resize="crop"), 224),
        (Transform(224, 3, resize="crop", crop_pct=0.875), 256),
        (Transform(224, 3, resize="crop", crop_pct=0.9), 249),  # 248.9, rounded up
    ],
)
def test_shorter_side_is_what_the_resize_needs(transform: Transform, pixels: int) -> None:
    assert transform.shorter_side == pixels


def test_a_record_survives_json() -> None:
    transform = Transform(
        224, 3, "crop", 0.875, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), False
    )
    back = Transform.from_dict(json.loads(json.dumps(transform.to_dict())))
    assert back == transform
    assert back.digest == transform.digest


def test_a_record_may_leave_out_what_has_a_default() -> None:
    assert Transform.from_dict({"image_size": 32, "channels": 3}) == Transform(32, 3)


def test_the_digest_tells_transforms_apart() -> None:
    digests = {
        Transform(28, 1).digest,
        Transform(29, 1).digest,
        Transform(28, 3).digest,
        Transform(28, 1, draft=False).digest,
        Transform(28, 1, mean=(0.25,)).digest,
    }
    assert len(digests) == 5
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in digests)


def test_whole_numbers_and_floats_are_the_same_transform() -> None:
    assert Transform(28, 1, mean=(0,), std=(1,)).digest == Transform(28, 1, mean=(0.0,), std=(1.0,)).digest


@pytest.mark.parametrize(
    "wrong",
    [
        {"image_size": 0},
        {"channels": 2},
        {"resize": "stretch"},
        {"crop_pct": 0.0},
        {"crop_pct": 1.5},
        {"interpolation": "area"},
        {"mean": (0.5, 0.5)},
        {"mean": (float("nan"),)},
        {"std": (0.0,)},
    ],
)
def test_a_value_out_of_range_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Transform(**{"image_size": 28, "channels": 1, **wrong})


def test_a_record_of_a_newer_alcli_is_refused() -> None:
    with pytest.raises(UsageError, match="letterbox"):
        Transform.from_dict({**Transform(28, 1).to_dict(), "letterbox": True})


def test_a_record_without_a_size_is_refused() -> None:
    with pytest.raises(UsageError, match="lacks image_size"):
        Transform.from_dict({"channels": 1})
