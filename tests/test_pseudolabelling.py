"""Labels that the models give: which images, by which signal, and how right they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from alcli import ledger, pseudolabelling
from alcli import manifest as manifests
from alcli.errors import InputRejected, PoolExhausted, StepMissing, UsageError
from alcli.project import Project
from alcli.pseudolabelling import PseudolabelReport, Rule

ScoredPool = Callable[..., Project]

# Algorithms, A.0: p1 .70 .40 .34 .98, entropies 0.801819 1.080528 1.098513 0.111902.
GOLDEN = np.array([[0.70, 0.20, 0.10], [0.40, 0.35, 0.25], [0.34, 0.33, 0.33], [0.98, 0.01, 0.01]])
# Algorithms, A.8: Top-Two-Margins 2, 0, 2.8, 0 and labels 0, 0, 2, 0 to the centres (0, 0), (4, 0), (0, 3).
CENTRES = [(0.0, 0.0), (4.0, 0.0), (0.0, 3.0)]
EMBEDDINGS = [(1.0, 0.0), (2.0, 0.0), (0.0, 2.9), (0.0, 1.5)]


def given(project: Project, column: str = "pseudo_label") -> dict[int, Any]:
    values = manifests.read(project.manifest).table[column].to_pylist()
    return {row: value for row, value in enumerate(values) if value is not None}


def label(project: Project, **rule: Any) -> PseudolabelReport:
    return pseudolabelling.pseudolabel(project, Rule(**rule))


def spread(sure: list[float], classes: int = 3) -> np.ndarray:
    """Return probabilities with p1 = `sure`, of class 0 unless it is negative, then of class 1."""
    rows = np.array([np.full(classes, (1 - abs(p)) / (classes - 1)) for p in sure])
    rows[np.arange(len(sure)), [0 if p >= 0 else 1 for p in sure]] = np.abs(sure)
    return rows


def triplet_pool(
    scored_pool: ScoredPool, extra: list[tuple[float, float]] | None = None, **how: Any
) -> Project:
    """Four images of the golden case and any `extra`, then one labelled image on each centre."""
    points = np.array([*EMBEDDINGS, *(extra or []), *CENTRES], np.float16)
    first = len(points) - 3
    labels = {first + code: f"class-{code}" for code in range(3)} | how.pop("labels", {})
    return scored_pool(
        np.full((len(points), 3), 1 / 3), signals={"triplet_embeddings": points}, labels=labels, **how
    )


# Which images.


def test_entropy_is_the_high_confidence_set(scored_pool: ScoredPool) -> None:
    project = scored_pool(GOLDEN)
    done = label(project, method="entropy", threshold=0.12)
    assert given(project) == {3: "class-0"}
    assert (done.labelled, done.candidates, done.by_class) == (1, 4, {"class-0": 1})
    assert done.least_sure == pytest.approx(0.111902, abs=1e-6)


def test_entropy_is_strictly_below_and_probability_at_least(scored_pool: ScoredPool) -> None:
    halves = np.array([[0.5, 0.5], [0.75, 0.25]])
    project = scored_pool(halves)
    threshold = float(np.float32(0.75 * np.log(4 / 3) + 0.25 * np.log(4)))
    assert label(project, method="entropy", threshold=threshold).labelled == 0
    assert label(project, method="confidence", threshold=0.75).labelled == 1
    assert given(project) == {1: "class-0"}


@pytest.mark.parametrize("p", [0.1, 0.3, 0.9, 0.99, 0.999])
def test_a_threshold_means_the_stored_number(scored_pool: ScoredPool, p: float) -> None:
    """0.9 as float32 is below 0.9 as float64; an image of exactly 0.9 is taken."""
    project = scored_pool(spread([p, p / 2], classes=20 if p < 0.2 else 10))
    label(project, method="confidence", threshold=p)
    assert 0 in given(project)


def test_triplet_margin_takes_the_widest_margins(scored_pool: ScoredPool) -> None:
    project = triplet_pool(scored_pool)
    done = label(project, method="triplet-margin", k=3)
    assert given(project) == {0: "class-0", 1: "class-0", 2: "class-2"}  # rows 1 and 3 tie at 0
    assert done.surest == pytest.approx(2.8, abs=1e-3)
    assert done.least_sure == 0
    assert given(project, "pseudo_confidence")[0] == pytest.approx(2)


def test_ties_go_to_the_smaller_id(scored_pool: ScoredPool) -> None:
    project = scored_pool(spread([0.9] * 20), order=np.arange(20)[::-1], per_part=7)
    label(project, method="confidence", k=5)
    ids = manifests.read(project.manifest).table["alcli_id"].to_pylist()
    assert sorted(ids[row] for row in given(project)) == sorted(ids)[:5]


def test_triplet_margin_reaches_its_threshold(scored_pool: ScoredPool) -> None:
    project = triplet_pool(scored_pool)
    label(project, method="triplet-margin", threshold=2.0)
    assert given(project) == {0: "class-0", 2: "class-2"}


def test_outliers_are_left_out_by_distance(scored_pool: ScoredPool) -> None:
    """A point far behind a centre has the widest margin of all; its distance gives it away."""
    crowd = [(0.5, 0.0), (-0.5, 0.0), (4.0, 0.5), (4.0, -0.5)]
    labels = {4: "class-0", 5: "class-0", 6: "class-1", 7: "class-1"}
    project = triplet_pool(scored_pool, [*crowd, (9.0, 0.0), (0.0, 0.5)], labels=labels)
    # Centres stay where they are; the labelled distances are 0, 0, 0 and four times 0.5, as far as the last one's.
    done = pseudolabelling.pseudolabel(
        project, Rule("triplet-margin", k=1, max_distance_quantile=1.0), dry_run=True
    )
    assert (done.outliers, done.surest) == (4, pytest.approx(2.8, abs=1e-3))
    label(project, method="triplet-margin", k=1)
    assert given(project) == {8: "class-1"}


def test_classes_get_at_most_their_quota(scored_pool: ScoredPool) -> None:
    project = scored_pool(spread([0.99, 0.98, 0.97, 0.96, -0.7, -0.6]))
    label(project, method="confidence", k=3, per_class=2)
    assert given(project) == {0: "class-0", 1: "class-0", 4: "class-1"}


def test_a_quota_goes_with_a_threshold(scored_pool: ScoredPool) -> None:
    project = scored_pool(spread([0.99, 0.98, 0.97, -0.95, -0.6]))
    label(project, method="confidence", threshold=0.9, per_class=2)
    assert given(project) == {0: "class-0", 1: "class-0", 3: "class-1"}


def test_only_free_pool_images_are_touched(scored_pool: ScoredPool) -> None:
    project = scored_pool(spread([0.99] * 6), labels={0: "class-1"}, splits={1: "val", 2: "test"})
    with ledger.writing(project, "select"):
        manifest = manifests.read(project.manifest)
        sent = manifest.assign(np.array([3]), queried_round=1).assign(np.array([4]), status="skipped")
        ledger.commit(project, sent.replace(round_=1), command="select")
    done = label(project, method="confidence", threshold=0.5)
    assert (given(project), done.candidates) == ({5: "class-0"}, 1)
    assert given(project, "label") == {0: "class-1"}
    assert given(project, "pseudo_method") == {5: "confidence"}
    assert given(project, "pseudo_round") == {5: 1}


def test_each_run_takes_further_images(scored_pool: ScoredPool) -> None:
    project = scored_pool(spread([0.9, 0.8, 0.7, 0.6]))
    assert label(project, method="confidence", k=2).total == 2
    assert label(project, method="confidence", k=1).total == 3
    assert list(given(project)) == [0, 1, 2]
    assert label(project, method="confidence", k=9).labelled == 1
    with pytest.raises(
        PoolExhausted, match="4 images that could be labelled have a pseudo-label"
    ) as exhausted:
        label(project, method="confidence", k=1)
    assert "--clear" in (exhausted.value.hint or "")


def test_clear_empties_the_columns_and_nothing_else(scored_pool: ScoredPool) -> None:
    project = scored_pool(spread([0.9, 0.8]), labels={1: "class-2"})
    before = manifests.read(project.manifest).table
    label(project, method="confidence", k=1)
    done = pseudolabelling.pseudolabel(project, None, clear=True)
    assert (done.cleared, done.total) == (1, 0)
    assert manifests.read(project.manifest).table.equals(before)


def test_clear_and_a_rule_begin_anew(scored_pool: ScoredPool) -> None:
    project = scored_pool(spread([0.9, 0.8, 0.7]))
    label(project, method="confidence", k=3)
    done = pseudolabelling.pseudolabel(project, Rule("confidence", k=1), clear=True)
    assert (done.cleared, done.labelled, done.total) == (3, 1, 1)
    assert list(given(project)) == [0]


def test_nothing_sure_enough_changes_nothing(scored_pool: ScoredPool) -> None:
    project = scored_pool(GOLDEN)
    before = project.manifest.read_bytes()
    done = label(project, method="confidence", threshold=0.999)
    assert (done.labelled, done.surest) == (0, None)
    assert project.manifest.read_bytes() == before


def test_classes_are_matched_by_name(scored_pool: ScoredPool) -> None:
    """The model's class 0 is the pool's class 1 where the pool lists its classes otherwise."""
    project = scored_pool(spread([0.9, -0.8, 0.7]))
    with ledger.writing(project, "init"):
        manifest = manifests.read(project.manifest).replace(classes=["new", "class-0", "class-2"])
        ledger.commit(project, manifest, command="init")
    done = label(project, method="confidence", k=3)
    assert given(project) == {0: "class-0", 2: "class-0"}  # class-1 is none of the pool's
    assert done.by_class == {"class-0": 2}


# How right it is.


def validated(scored_pool: ScoredPool) -> Project:
    """Three pool images of p1 .95 .85 .55; of four validation images three are right."""
    sure = [0.95, 0.85, 0.55, 0.99, 0.9, 0.8, 0.6]
    truths = {3: "class-0", 4: "class-1", 5: "class-0", 6: "class-0"}
    return scored_pool(spread(sure), labels=truths, splits=dict.fromkeys(truths, "val"))


@pytest.mark.parametrize(
    ("rule", "accepted", "correct"),
    [
        ({"threshold": 0.7}, 3, 2),
        ({"threshold": 0.95}, 1, 1),
        ({"k": 1}, 1, 1),  # the first of the pool has .95
        ({"k": 2}, 2, 1),
        ({"k": 3}, 4, 3),
        ({"k": 3, "per_class": 1}, 1, 1),
    ],
)
def test_precision_is_that_of_the_same_rule_on_validation(
    scored_pool: ScoredPool, rule: dict[str, Any], accepted: int, correct: int
) -> None:
    precision = label(validated(scored_pool), method="confidence", **rule).precision
    assert precision is not None
    assert (precision.accepted, precision.correct, precision.of) == (accepted, correct, 4)
    assert precision.value == correct / accepted
    assert precision.low < precision.value <= precision.high


def test_the_interval_is_clopper_and_pearsons(scored_pool: ScoredPool) -> None:
    from scipy.stats import binomtest

    precision = label(validated(scored_pool), method="confidence", k=3).precision
    expected = binomtest(3, 4).proportion_ci(0.95, "exact")
    assert precision is not None
    assert (precision.low, precision.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_low_precision_writes_nothing(scored_pool: ScoredPool) -> None:
    project = validated(scored_pool)
    before = project.manifest.read_bytes()
    with pytest.raises(InputRejected, match=r"66\.7% of 3 accepted, below --min-precision 0\.9"):
        label(project, method="confidence", threshold=0.7, min_precision=0.9)
    assert project.manifest.read_bytes() == before
    assert label(project, method="confidence", threshold=0.95, min_precision=1.0).labelled == 1


def test_unknown_precision_writes_nothing(scored_pool: ScoredPool) -> None:
    with pytest.raises(InputRejected, match="none of the 4 validation images is accepted"):
        label(validated(scored_pool), method="confidence", threshold=0.995, min_precision=0.5)
    with pytest.raises(StepMissing, match="needs labelled images in the val split"):
        label(scored_pool(GOLDEN, name="other"), method="confidence", k=1, min_precision=0.5)


def test_precision_of_triplet_margin_minds_the_distance(scored_pool: ScoredPool) -> None:
    extra = [(0.5, 0.0), (-0.5, 0.0), (0.0, -0.5), (9.0, 0.0)]  # the third is as far as the first two
    labels = {4: "class-0", 5: "class-0", 6: "class-0", 7: "class-0"}
    project = triplet_pool(scored_pool, extra, labels=labels, splits={6: "val", 7: "val"})
    near = label(project, method="triplet-margin", k=2, max_distance_quantile=1.0).precision
    far = pseudolabelling.pseudolabel(project, Rule("triplet-margin", k=2), clear=True).precision
    assert near is not None
    assert far is not None
    assert (near.accepted, near.correct) == (1, 1)
    assert (far.accepted, far.correct) == (2, 1)  # the outlier is taken for class-1


# What is missing.


def test_no_model_names_the_command(scored_pool: ScoredPool) -> None:
    project = scored_pool(GOLDEN)
    (project.models / "0001-aaaaaa" / "model.json").unlink()
    with pytest.raises(StepMissing, match="no model") as missing:
        label(project, method="confidence", k=1)
    assert (missing.value.hint or "").startswith("alcli train")


def test_images_without_signals_must_be_scored_first(scored_pool: ScoredPool) -> None:
    project = scored_pool(GOLDEN, order=np.array([0, 1]), kind="trained")
    with pytest.raises(StepMissing, match="2 images have no signals of model 0001-aaaaaa") as missing:
        label(project, method="confidence", k=1)
    assert (missing.value.hint or "").startswith("alcli score ")


def test_changed_files_must_be_scored_again(scored_pool: ScoredPool) -> None:
    project = scored_pool(GOLDEN, kind="trained")
    with ledger.writing(project, "init"):
        changed = manifests.read(project.manifest).assign(np.array([2]), size=101)
        ledger.commit(project, changed, command="init")
    with pytest.raises(StepMissing, match="1 images have no signals"):
        label(project, method="confidence", k=1)


def test_a_model_without_triplet_embeddings_says_so(scored_pool: ScoredPool) -> None:
    labels = {4: "class-0", 5: "class-0", 6: "class-1", 7: "class-1"}
    project = scored_pool([*GOLDEN, *GOLDEN], kind="trained", labels=labels)
    with pytest.raises(StepMissing, match=r"gives no triplet_embeddings$") as missing:
        label(project, method="triplet-margin", k=1)
    assert "train --embedding triplet" in (missing.value.hint or "")


def test_no_labelled_image_means_no_centres(scored_pool: ScoredPool) -> None:
    project = scored_pool(GOLDEN, signals={"triplet_embeddings": np.ones((4, 2), np.float16)})
    with pytest.raises(StepMissing, match="no class centres"):
        label(project, method="triplet-margin", k=1)


def test_nan_is_an_error_that_names_the_image(scored_pool: ScoredPool) -> None:
    points = np.array([*EMBEDDINGS, (0.0, 1.0)], np.float16)
    points[1, 0] = np.nan
    project = scored_pool(
        np.full((5, 3), 1 / 3), signals={"triplet_embeddings": points}, labels={4: "class-0"}
    )
    name = manifests.read(project.manifest).table["alcli_id"][1].as_py()
    with pytest.raises(InputRejected, match=f"not finite.*{name}"):
        label(project, method="triplet-margin", threshold=0.5)


def test_everything_labelled_is_exhausted(scored_pool: ScoredPool) -> None:
    project = scored_pool(GOLDEN, labels=dict.fromkeys(range(4), "class-0"))
    with pytest.raises(PoolExhausted, match="no image is left to label"):
        label(project, method="confidence", k=1)


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"k": 1, "threshold": 0.5},
        {"threshold": float("nan")},
        {"k": 1, "max_distance_quantile": 0.9},
    ],
)
def test_a_rule_that_contradicts_itself_is_refused(scored_pool: ScoredPool, rule: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        label(scored_pool(GOLDEN), method="confidence", **rule)


def test_the_journal_says_by_which_rule(scored_pool: ScoredPool) -> None:
    project = validated(scored_pool)
    label(project, method="confidence", threshold=0.7)
    last = json.loads(project.journal.read_text().splitlines()[-1])
    assert (last["command"], last["method"], last["threshold"], last["labelled"]) == (
        "pseudolabel",
        "confidence",
        0.7,
        2,
    )
    assert (last["model"], last["precision"]) == ("0001-aaaaaa", pytest.approx(2 / 3))
