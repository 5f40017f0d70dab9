"""Stopping advice: each rule at its threshold, what they say together, and what is read for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alcli import files, stopping
from alcli.project import ROUND_RECORD, Project
from alcli.stopping import GO_ON, STOP, UNDECIDED, Advice
from scipy.stats import linregress, norm

COUNTS = {"classes": {"cat": {}, "dog": {}}, "audits": [], "batch": None}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.open(tmp_path)


def statistics(number: int, **more: Any) -> dict[str, Any]:
    """The statistics of a round of a model that changes its mind, is unsure, and improves by nothing."""
    usual = {
        "model": f"{number:04d}-aaaaaa",
        "labels": 100 * number,
        "held_out": {"split": "val", "accuracy": 0.8, "n": 1000},
        "uncertainty": 0.4,
        "batch_uncertainty": 0.9,
        "compared_with": number - 1,
        "compared": 2000,
        "kappa": 0.7,
        "changed": 300,
    }
    return {**usual, **more}


def write(project: Project, **by_rounds: list[Any]) -> dict[str, Any]:
    """Write four rounds with some of their statistics, oldest first; return the pool's summary."""
    for number in range(1, 5):
        more = {name: values[number - 1] for name, values in by_rounds.items()}
        record = {"round": number, "statistics": statistics(number, **more)}
        files.write_json(project.round_folder(number) / ROUND_RECORD, record)
    return {**COUNTS, "round": 4}


def told(project: Project, counts: dict[str, Any]) -> dict[str, Advice]:
    return {rule.name: rule for rule in stopping.advice(project, counts)}


def test_a_model_that_still_learns_is_told_to_go_on(project: Project) -> None:
    rules = told(project, write(project))
    assert {name: rule.says for name, rule in rules.items()} == {
        "kappa": GO_ON,
        "classification-change": GO_ON,
        "overall-uncertainty": GO_ON,
        "max-confidence": GO_ON,
        "plateau": UNDECIDED,
        "batch-accuracy": UNDECIDED,
    }
    assert stopping.summed_up(list(rules.values())) == (GO_ON, "no rule suggests to stop")


def test_kappa_is_the_mean_of_three_rounds(project: Project) -> None:
    rule = told(project, write(project, kappa=[None, 0.985, 0.99, 0.995]))["kappa"]
    assert (rule.value, rule.says, rule.rounds) == (pytest.approx(0.99), STOP, (2, 3, 4))
    assert told(project, write(project, kappa=[None, 0.98, 0.99, 0.995]))["kappa"].says == GO_ON


def test_three_rounds_can_be_compared_twice_only(project: Project) -> None:
    write(project, kappa=[None, 1.0, 1.0, 1.0])
    rule = told(project, {**COUNTS, "round": 3})["kappa"]
    assert (rule.says, rule.value) == (UNDECIDED, None)
    assert rule.sentence == "2 of 3 rounds can be compared with a model of fewer labels"


@pytest.mark.parametrize(("shared", "says"), [(99, UNDECIDED), (100, STOP)])
def test_few_images_in_common_are_no_comparison(project: Project, shared: int, says: str) -> None:
    rules = told(
        project, write(project, kappa=[None, 1, 1, 1], changed=[None, 0, 0, 0], compared=[0, *[shared] * 3])
    )
    assert rules["kappa"].says == rules["classification-change"].says == says


@pytest.mark.parametrize(("changed", "says"), [(0, STOP), (1, GO_ON)])
def test_one_changed_prediction_is_a_change(project: Project, changed: int, says: str) -> None:
    rule = told(project, write(project, changed=[None, 5, 5, changed]))["classification-change"]
    assert (rule.value, rule.says) == (changed, says)
    assert rule.sentence == f"{changed} of 2000 predictions changed since the model before"


@pytest.mark.parametrize(("value", "says"), [(0.049, STOP), (0.05, GO_ON), (None, UNDECIDED)])
def test_overall_uncertainty(project: Project, value: float | None, says: str) -> None:
    assert told(project, write(project, uncertainty=[0, 0, 0, value]))["overall-uncertainty"].says == says


@pytest.mark.parametrize(("value", "says"), [(0.0009, STOP), (0.001, GO_ON), (None, UNDECIDED)])
def test_max_confidence(project: Project, value: float | None, says: str) -> None:
    assert told(project, write(project, batch_uncertainty=[0, 0, 0, value]))["max-confidence"].says == says


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        ({"round": 3, "n": 100, "correct": 90}, STOP),
        ({"round": 3, "n": 100, "correct": 89}, GO_ON),
        ({"round": 3, "n": 20, "correct": 20}, STOP),
        ({"round": 3, "n": 19, "correct": 19}, UNDECIDED),
        (None, UNDECIDED),
    ],
)
def test_batch_accuracy(project: Project, batch: dict[str, int] | None, says: str) -> None:
    assert told(project, {**write(project), "batch": batch})["batch-accuracy"].says == says


# Plateau


def held_out(n: int, *accuracies: float) -> list[dict[str, Any]]:
    return [{"split": "val", "accuracy": accuracy, "n": n} for accuracy in accuracies]


@pytest.mark.parametrize(
    ("n", "accuracies", "says"),
    [
        (100_000, (0.95, 0.95, 0.95, 0.95), STOP),
        (100_000, (0.95, 0.94, 0.93, 0.92), STOP),  # falling is not rising either
        (100_000, (0.92, 0.93, 0.94, 0.95), GO_ON),
        (300, (0.92, 0.93, 0.94, 0.95), UNDECIDED),
        (100, (0.95, 0.95, 0.95, 0.95), UNDECIDED),
        (20, (1.0, 1.0, 1.0, 1.0), UNDECIDED),  # all right of a few is not certainty
    ],
)
def test_a_plateau_must_be_beyond_doubt(
    project: Project, n: int, accuracies: tuple[float, ...], says: str
) -> None:
    rule = told(project, write(project, held_out=held_out(n, *accuracies)))["plateau"]
    assert (rule.says, rule.rounds) == (says, (1, 2, 3, 4))
    assert rule.value == pytest.approx(linregress(range(4), accuracies).slope)
    assert "on the validation split" in rule.sentence


def test_the_interval_is_that_of_a_parametric_bootstrap() -> None:
    accuracies, n = np.array([0.7, 0.74, 0.77, 0.78]), np.array([400, 500, 400, 300])
    drawn = np.random.default_rng(0).binomial(n, accuracies, (40_000, 4)) / n
    slopes = np.polyfit(range(4), drawn.T, 1)[0]
    found = stopping.slope(list(zip(accuracies.tolist(), n.tolist(), strict=True)))
    assert found[0] == pytest.approx(linregress(range(4), accuracies).slope)
    assert found[1:] == pytest.approx(np.quantile(slopes, [0.025, 0.975]), abs=5e-4)


def test_the_interval_of_a_few_images_to_the_digit() -> None:
    """Two rounds of 20 images with 10 and 15 right: variance Σ w² p̃(1 - p̃) / 24 with p̃ = (x + 2) / 24."""
    variance = 0.5 * 0.5 / 24 + (17 / 24) * (7 / 24) / 24
    half = norm.ppf(0.975) * variance**0.5
    assert stopping.slope([(0.5, 20), (0.75, 20)]) == pytest.approx(
        (0.25, 0.25 - half, 0.25 + half), rel=1e-6
    )


def audits(n: int, *accuracies: float) -> list[dict[str, Any]]:
    return [
        {"round": number, "model": f"{number:04d}-aaaaaa", "accuracy": accuracy, "n": n}
        for number, accuracy in enumerate(accuracies, 1)
    ]


def test_four_audits_are_better_than_the_validation_split(project: Project) -> None:
    counts = write(project, held_out=held_out(100_000, 0.8, 0.85, 0.9, 0.95))
    rule = told(project, {**counts, "audits": audits(100_000, 0.7, 0.7, 0.7, 0.7)})["plateau"]
    assert (rule.says, rule.value) == (STOP, pytest.approx(0, abs=1e-12))
    assert "in the audits" in rule.sentence
    assert told(project, {**counts, "audits": audits(100_000, 0.7, 0.7, 0.7)})["plateau"].says == GO_ON


def test_audits_of_long_ago_are_passed_over(project: Project) -> None:
    write(project)
    for number in range(5, 10):
        record = {"statistics": statistics(number)}
        files.write_json(project.round_folder(number) / ROUND_RECORD, record)
    counts = {**COUNTS, "round": 9, "audits": audits(100_000, 0.7, 0.7, 0.7, 0.7)}
    assert told(project, counts)["plateau"].rounds == (6, 7, 8, 9)


def test_a_model_without_a_validation_split(project: Project) -> None:
    rule = told(project, write(project, held_out=[None, *held_out(100, 0.8, 0.8, 0.8)]))["plateau"]
    assert (rule.says, rule.value) == (UNDECIDED, None)
    assert rule.sentence == "3 of 4 rounds have an accuracy on the validation split"


# Guards


def sure(project: Project, **more: list[Any]) -> dict[str, Any]:
    """Four rounds that every rule on predictions and confidence would stop after."""
    settled: dict[str, list[Any]] = {
        "kappa": [None, 1.0, 1.0, 1.0],
        "changed": [None, 0, 0, 0],
        "uncertainty": [0.01] * 4,
        "batch_uncertainty": [0.0001] * 4,
    }
    return write(project, **{**settled, **more})


@pytest.mark.parametrize(("classes", "labels", "enough"), [(2, 100, True), (2, 99, False), (11, 109, False)])
def test_below_the_minimum_budget_nothing_is_said(
    project: Project, classes: int, labels: int, enough: bool
) -> None:
    counts = sure(project, labels=[labels - 3, labels - 2, labels - 1, labels])
    rules = stopping.advice(project, {**counts, "classes": {str(code): {} for code in range(classes)}})
    says, sentence = stopping.summed_up(rules)
    assert says == (STOP if enough else UNDECIDED)
    if not enough:
        assert {rule.says for rule in rules} == {UNDECIDED}
        assert sentence == f"{labels} labels are too few: advice starts at {max(100, 10 * classes)}"


def test_no_round_is_no_advice(project: Project) -> None:
    rules = stopping.advice(project, {**COUNTS, "round": 0})
    assert len(rules) == 6
    assert stopping.summed_up(rules) == (UNDECIDED, "no round was selected with a model yet")


def test_rounds_of_one_model_count_once(project: Project) -> None:
    counts = sure(project, model=["0001-a", "0002-b", "0003-c", "0003-c"])
    assert told(project, counts)["kappa"].rounds == (1, 2, 4)
    assert told(project, counts)["kappa"].says == UNDECIDED


def test_models_of_the_same_labels_count_once(project: Project) -> None:
    counts = sure(project, labels=[200, 300, 300, 300])
    rules = told(project, counts)
    assert rules["kappa"].rounds == (1, 4)
    assert rules["kappa"].says == rules["classification-change"].says == UNDECIDED


def test_agreement_of_models_of_the_same_labels_is_none_with_fewer_labels(project: Project) -> None:
    """Each number of labels is trained on twice: models agree with their twins, and not from labels to labels."""
    for number in range(1, 9):
        twin = number % 2 == 0
        known = statistics(
            number,
            labels=200 + (number + 1) // 2 * 100,
            kappa=1.0 if twin else 0.6,
            changed=0 if twin else 300,
        )
        files.write_json(project.round_folder(number) / ROUND_RECORD, {"statistics": known})
    rules = told(project, {**COUNTS, "round": 8})
    assert rules["kappa"].rounds == (4, 6, 8)
    assert rules["kappa"].says == rules["classification-change"].says == UNDECIDED
    after_more_labels = told(project, {**COUNTS, "round": 7})["classification-change"]
    assert (after_more_labels.says, after_more_labels.value) == (GO_ON, 300)


def test_lost_records_are_passed_over(project: Project) -> None:
    counts = sure(project)
    (project.round_folder(2) / ROUND_RECORD).unlink()
    (project.round_folder(3) / ROUND_RECORD).write_text("{")
    (project.round_folder(4) / ROUND_RECORD).write_text('{"statistics": null}')
    assert told(project, counts)["overall-uncertainty"].rounds == (1,)


def test_of_a_thousand_rounds_the_last_are_read(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    monkeypatch.setattr(stopping, "recorded", lambda _, number: read.append(number) or statistics(number))
    stopping.advice(project, {**COUNTS, "round": 1000})
    assert set(read) == {1000, 999, 998, 997, 996}  # the last is what the fourth was compared with
    read.clear()
    monkeypatch.setattr(stopping, "recorded", lambda _, number: read.append(number) or {})
    stopping.advice(project, {**COUNTS, "round": 1000})
    assert len(read) == 64


# Together


def rule(name: str, kind: str, says: str) -> Advice:
    return Advice(name, kind, 0.5, (1,), 0.5, says, f"{name} {says}")


def test_two_of_one_kind_are_not_enough() -> None:
    same = [rule("kappa", "predictions", STOP), rule("classification-change", "predictions", STOP)]
    says, sentence = stopping.summed_up([*same, rule("overall-uncertainty", "confidence", GO_ON)])
    assert says == GO_ON
    assert sentence.startswith("only kappa and classification-change would stop")


def test_two_kinds_are_enough_unless_accuracy_rises() -> None:
    both = [rule("kappa", "predictions", STOP), rule("overall-uncertainty", "confidence", STOP)]
    says, sentence = stopping.summed_up([*both, rule("plateau", "accuracy", UNDECIDED)])
    assert says == STOP
    assert sentence.startswith("kappa and overall-uncertainty agree")
    says, sentence = stopping.summed_up([*both, rule("plateau", "accuracy", GO_ON)])
    assert says == GO_ON
    assert sentence == "accuracy still rises, though kappa and overall-uncertainty would stop"


def test_the_test_split_is_never_spoken_of(project: Project) -> None:
    counts = sure(project, held_out=held_out(100_000, 0.9, 0.9, 0.9, 0.9))
    rules = stopping.advice(project, counts)
    said = [stopping.summed_up(rules)[1], *(f"{rule.name} {rule.sentence}" for rule in rules)]
    assert len(said) == 7
    assert not any(re.search(r"\btest\b", sentence) for sentence in said)
