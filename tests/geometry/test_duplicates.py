"""Near duplicates: exact leader clustering, and its plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alcli.errors import UsageError
from alcli.geometry import duplicates
from numpy.typing import NDArray


def naive(
    cosines: NDArray[Any], threshold: float, hashes: NDArray[Any] | None, first: NDArray[np.bool_] | None
) -> list[int]:
    """Row after row, those of `first` before the others, against every representative in turn."""
    n = len(cosines)
    order = list(range(n))
    if first is not None:
        order.sort(key=lambda i: not first[i])
    representative = list(range(n))
    seen: list[int] = []
    for place, i in enumerate(order):
        same = [j for j in order[:place] if hashes is not None and hashes[j] == hashes[i] >= 0]
        if same:
            representative[i] = representative[same[0]]
            continue
        for j in seen:
            if cosines[i, j] >= threshold:
                representative[i] = j
                break
        else:
            seen.append(i)
    return representative


def cosine(x: NDArray[Any], y: NDArray[Any]) -> float:
    x, y = x.astype(np.float64), y.astype(np.float64)
    lengths = np.linalg.norm(x) * np.linalg.norm(y)
    return float(x @ y / lengths) if lengths else 0.0


def pool(kind: str, n: int, d: int, seed: int) -> NDArray[np.float32]:
    """Images: all unlike, in tight groups, or along a line on which neighbours are alike."""
    rng = np.random.default_rng(seed)
    if kind == "chain":
        angles = np.sort(rng.uniform(0, np.pi, size=n)) if seed % 2 else rng.uniform(0, np.pi, size=n)
        flat = np.stack([np.cos(angles), np.sin(angles)], axis=1) * rng.uniform(0.1, 9, size=(n, 1))
        return (flat @ np.linalg.qr(rng.normal(size=(d, 2)))[0].T).astype(np.float32)
    points = rng.normal(size=(n, d))
    if kind == "groups":
        points = rng.normal(size=(n // 6 + 1, d))[rng.integers(n // 6 + 1, size=n)] + 0.15 * points
    return points.astype(np.float32)


@pytest.fixture(params=[4_096, 7])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and cells as they are, and so small that a few rows need many of them."""
    monkeypatch.setattr(duplicates, "_PAIRS", 100)
    monkeypatch.setattr(duplicates, "_BLOCK", request.param)
    if request.param == 7:
        monkeypatch.setattr(duplicates, "_LEAST", 5)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("kind", ["unlike", "groups", "chain"])
@pytest.mark.parametrize(
    ("n", "d", "threshold"), [(90, 3, 0.97), (70, 16, 0.9), (60, 4, 0.5), (50, 2, 0.9999)]
)
def test_same_groups_as_the_plain_loops(kind: str, n: int, d: int, threshold: float) -> None:
    for seed in range(2):
        rng = np.random.default_rng(seed)
        points = pool(kind, n, d, seed)
        hashes = rng.integers(-1, n, size=n)
        first = rng.random(n) < 0.2
        cosines = np.array([[cosine(x, y) for y in points] for x in points])
        for some in ((None, None), (hashes, None), (None, first), (hashes, first)):
            found = duplicates.groups(points, threshold=threshold, hashes=some[0], first=some[1], seed=seed)
            assert found.representative.tolist() == naive(cosines, threshold, *some)
            assert found.approximations == []


@pytest.mark.usefixtures("block")
def test_every_member_is_verified_with_its_representative() -> None:
    points = pool("chain", 300, 5, 1)
    found = duplicates.groups(points, threshold=0.97)
    exact = [cosine(points[i], points[j]) for i, j in enumerate(found.representative)]
    assert found.similarity == pytest.approx(exact, abs=1e-6)
    assert found.similarity.dtype == np.float32
    assert found.similarity.min() >= np.float32(0.97)
    assert (found.representative[found.representative] == found.representative).all()


def test_chains_do_not_merge() -> None:
    """Steps of 10°: each is near the next (cos 10° = .985), the third is not near the first (cos 20° = .940)."""
    angles = np.radians([0, 10, 20, 30])
    found = duplicates.groups(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert found.representative.tolist() == [0, 0, 2, 2]
    assert found.similarity == pytest.approx([1, 0.984808, 1, 0.984808], abs=1e-6)


def test_a_labelled_image_represents_its_group() -> None:
    angles = np.radians([0, 10, 20, 30])
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    first = np.array([False, False, True, False])
    assert duplicates.groups(points, first=first).representative.tolist() == [0, 2, 2, 2]


def test_equal_bytes_are_together_whatever_the_embedding_says() -> None:
    points = np.eye(4)[[0, 1, 2, 3]]
    found = duplicates.groups(points, hashes=[5, -1, 5, -1])
    assert found.representative.tolist() == [0, 1, 0, 3]
    assert found.similarity.tolist() == [1, 1, 1, 1]
    first = np.array([False, False, True, False])
    assert duplicates.groups(points, hashes=[5, -1, 5, -1], first=first).representative.tolist() == [
        2,
        1,
        2,
        3,
    ]


def test_images_without_an_embedding_are_alone() -> None:
    points = np.zeros((4, 3), np.float16)
    points[1] = points[3] = 1
    assert duplicates.groups(points).representative.tolist() == [0, 1, 2, 1]
    assert duplicates.groups(np.zeros((3, 2)), hashes=[1, -1, 1]).representative.tolist() == [0, 1, 0]


def test_equal_images_of_any_length_reach_a_threshold_of_1() -> None:
    rng = np.random.default_rng(0)
    points = np.repeat(rng.normal(size=(20, 33)), 2, axis=0).astype(np.float32)
    points[1::2] *= 2  # exactly
    assert (
        duplicates.groups(points, threshold=1).representative.tolist()
        == np.repeat(np.arange(0, 40, 2), 2).tolist()
    )


@pytest.mark.parametrize(("n", "expected"), [(0, []), (1, [0]), (2, [0, 0])])
def test_few_images(n: int, expected: list[int]) -> None:
    assert duplicates.groups(np.ones((n, 3), np.float16)).representative.tolist() == expected


@pytest.mark.parametrize("threshold", [0, -0.5, 1.01, np.nan])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(UsageError, match="above 0 and at most 1"):
        duplicates.groups(np.ones((2, 2)), threshold=threshold)


def test_a_threshold_that_does_not_separate_is_told(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    unlike = rng.normal(size=(1_000, 64))
    apart = duplicates.groups(unlike)
    assert 0.3 < apart.random_similarity < 0.5  # 3.1 standard deviations of 1/8
    assert caplog.text == ""
    alike = np.concatenate([unlike, unlike[:1]]) + 10
    asked = duplicates.groups(alike, threshold=0.97)
    assert asked.random_similarity > 0.97
    assert "0.97 does not tell near duplicates" in caplog.text
    assert (asked.representative == 0).sum() > 500


def test_where_nobody_asks_for_a_threshold_that_does_not_separate_only_bytes_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Otherwise most of a pool would be passed over as copies of the rest."""
    alike = np.random.default_rng(0).normal(size=(1_001, 64)) + 10
    hashes = np.append(np.arange(1_000), 7)
    found = duplicates.groups(alike, hashes=hashes)
    assert found.representative.tolist() == hashes.tolist()
    (told,) = found.approximations
    assert told.startswith(
        "only equal files count as duplicates: 1 in 1,000 random pairs of images has a cosine"
    )
    assert caplog.text == ""


def test_the_input_is_left_alone_and_the_seed_does_not_matter() -> None:
    points = pool("groups", 500, 6, 0)
    points.flags.writeable = False
    once, again = (duplicates.groups(points, threshold=0.9, seed=seed) for seed in (0, 1))
    assert once.representative.tolist() == again.representative.tolist()
