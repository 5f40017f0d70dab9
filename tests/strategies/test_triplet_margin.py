"""Top-Two-Margin."""

from __future__ import annotations

import alcli
import numpy as np
import pytest
from alcli.errors import InputRejected, UsageError
from alcli.geometry import centres
from alcli.ranking import plan

# algorithms.md A.8: one labelled image per class at the centres, then the pool
CENTRES = np.array([(0, 0), (4, 0), (0, 3)], float)
POOL = np.array([(1, 0), (2, 0), (0, 2.9), (0, 1.5)])
EMBEDDINGS = np.concatenate([CENTRES, POOL])
LABELS = np.array([0, 1, 2, -1, -1, -1, -1])


def test_golden_values() -> None:
    selection = alcli.rank("triplet-margin", k=4, triplet_embeddings=EMBEDDINGS, labels=LABELS)
    assert (selection.rows - 3).tolist() == [2, 0, 1, 3]
    assert selection.scores == pytest.approx([2.8, 2, 0, 0], abs=1e-9)


def test_uncertain_order_is_the_reverse() -> None:
    selection = alcli.rank(
        "triplet-margin", k=4, triplet_embeddings=EMBEDDINGS, labels=LABELS, order="uncertain"
    )
    assert (selection.rows - 3).tolist() == [1, 3, 0, 2]
    assert selection.scores == pytest.approx([0, 0, -2, -2.8], abs=1e-9)


def test_predictions_are_the_nearest_centres_and_ties_go_to_the_lowest_class() -> None:
    made = plan("triplet-margin", ["triplet_embeddings"])
    keys = np.arange(4, dtype=np.uint64)
    made.fit(keys[:3], {"triplet_embeddings": CENTRES}, np.array([0, 1, 2]), 3)
    assert made.prediction_signals == ("triplet_embeddings",)
    assert made.predictions(keys, {"triplet_embeddings": POOL}).tolist() == [0, 0, 2, 0]


def test_string_labels_and_a_class_nobody_has() -> None:
    names = np.array(["ant", "bee", "wasp", "", "", "", ""])
    by_name = alcli.rank("triplet-margin", k=4, triplet_embeddings=EMBEDDINGS, labels=names)
    by_code = alcli.rank("triplet-margin", k=4, triplet_embeddings=EMBEDDINGS, labels=LABELS * 10)
    assert by_name.rows.tolist() == by_code.rows.tolist() == [5, 3, 4, 6]


def test_centres_are_plain_means_of_the_labelled_rows_only() -> None:
    """The centre of (0, 0) and (2, 0) is (1, 0), not scaled to length 1 nor pulled by the pool."""
    embeddings = [(0, 0), (2, 0), (0, 4), (1, 1)]
    selection = alcli.rank("triplet-margin", k=1, triplet_embeddings=embeddings, labels=[0, 0, 1, -1])
    assert selection.scores == pytest.approx([np.sqrt(1 + 9) - 1])


def test_true_labels_of_pool_rows_are_not_looked_at() -> None:
    mask = LABELS >= 0
    truth = np.array([0, 1, 2, 2, 2, 2, 2])
    hidden = alcli.rank("triplet-margin", k=4, triplet_embeddings=EMBEDDINGS, labels=LABELS, labelled=mask)
    seen = alcli.rank("triplet-margin", k=4, triplet_embeddings=EMBEDDINGS, labels=truth, labelled=mask)
    assert seen.scores.tolist() == hidden.scores.tolist()


def test_one_class_takes_the_closest_first() -> None:
    selection = alcli.rank(
        "triplet-margin", k=9, triplet_embeddings=EMBEDDINGS[[0, 3, 4]], labels=[7, -1, -1]
    )
    assert selection.rows.tolist() == [1, 2]
    assert selection.scores.tolist() == [-1, -2]


def test_duplicate_centres_leave_no_margin() -> None:
    embeddings = [(0, 1), (0, 1), (0.3, 0.4)]
    assert alcli.rank(
        "triplet-margin", k=1, triplet_embeddings=embeddings, labels=[0, 1, -1]
    ).scores.tolist() == [0]


def test_near_duplicates_keep_their_digits() -> None:
    """Far from the origin, ‖x‖² + ‖c‖² - 2x·c would lose what distinguishes them."""
    embeddings = np.array([(1e6, 0), (1e6 + 3, 0), (1e6 + 1, 0)])
    assert alcli.rank("triplet-margin", k=1, triplet_embeddings=embeddings, labels=[0, 1, -1]).scores == [1]


def test_margin_never_exceeds_the_distance_of_the_two_centres() -> None:
    rng = np.random.default_rng(0)
    embeddings, labels = rng.normal(size=(200, 5)) * 3, np.full(200, -1)
    labels[:10] = np.arange(10) % 2
    centres = [embeddings[:10][labels[:10] == c].mean(axis=0) for c in (0, 1)]
    scores = alcli.rank("triplet-margin", k=190, triplet_embeddings=embeddings, labels=labels).scores
    assert scores.max() <= np.linalg.norm(centres[0] - centres[1]) + 1e-9
    assert scores.min() >= 0


def test_many_classes_agree_with_the_naive_twin() -> None:
    """Also with duplicate centres, on which the lowest class wins."""
    rng = np.random.default_rng(5)
    points = np.repeat(rng.normal(size=(60, 16)), 2, axis=0)
    pool = rng.normal(size=(300, 16))
    distances = np.linalg.norm(pool[:, None] - points[None], axis=2)
    ordered = np.sort(distances, axis=1)
    found = centres.nearest(pool, centres.centres_of(points, np.arange(120), 120))
    assert found.labels.tolist() == (distances.argmin(axis=1)).tolist()
    assert found.first == pytest.approx(ordered[:, 0], abs=1e-12)
    assert found.second == pytest.approx(ordered[:, 1], abs=1e-12)


def test_needs_labels() -> None:
    with pytest.raises(UsageError, match="triplet-margin needs the labels"):
        alcli.rank("triplet-margin", k=1, triplet_embeddings=EMBEDDINGS, labelled=LABELS >= 0)
    with pytest.raises(InputRejected, match="no labelled images"):
        alcli.rank("triplet-margin", k=1, triplet_embeddings=EMBEDDINGS, labels=np.full(7, -1))


def test_order_must_be_one_of_two() -> None:
    with pytest.raises(UsageError, match="order is 'up'; it must be confident or uncertain"):
        alcli.rank("triplet-margin", k=1, triplet_embeddings=EMBEDDINGS, labels=LABELS, order="up")


@pytest.mark.parametrize("spread", [0, 1e-9, 1.0])
def test_ruling_out_centres_changes_no_bit(spread: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Centres that coincide, nearly so and not at all, far from the origin: as if all were measured."""
    rng = np.random.default_rng(6)
    points = centres.Centres(np.arange(50, dtype=np.int32), 100 + spread * rng.normal(size=(50, 12)))
    pool = 100 + rng.normal(size=(500, 12))
    ruled_out = centres.nearest(pool, points)
    monkeypatch.setattr(centres, "_candidates", lambda *_: None)
    for with_product, without in zip(ruled_out, centres.nearest(pool, points), strict=True):
        assert with_product.tobytes() == without.tobytes()
