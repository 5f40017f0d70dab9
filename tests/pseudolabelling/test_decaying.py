"""CEAL's falling threshold: its golden values, and the round that the journal says it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from alcli import guesses, ledger, pseudolabelling
from alcli import manifest as manifests
from alcli.errors import InputRejected, PoolExhausted, UsageError
from alcli.project import Project
from alcli.pseudolabelling import PseudolabelReport, Rule
from alcli.pseudolabelling.decaying import Decay, Schedule

ScoredPool = Callable[..., Project]

# Algorithms, A.6: δ of CACD (δ0 = .05, r = .0033) at t = 0 to 6, before the clamp.
GOLDEN: dict[Decay, list[float]] = {
    "cumulative": [0.0500, 0.0467, 0.0401, 0.0302, 0.0170, 0.0005, -0.0193],
    "linear": [0.0500, 0.0467, 0.0434, 0.0401, 0.0368, 0.0335, 0.0302],
    "constant": [0.05] * 7,
}


def entropies(values: list[float]) -> np.ndarray:
    """Return probabilities of two classes with these entropies in nats, at most ln 2, found by bisection."""
    low, high = np.full(len(values), 0.5), np.full(len(values), 1 - 1e-12)
    for _ in range(60):
        p = (low + high) / 2
        above = -p * np.log(p) - (1 - p) * np.log(1 - p) > values
        low, high = np.where(above, p, low), np.where(above, high, p)
    return np.stack([low, 1 - low], axis=1)


def ceal(project: Project, *, dry_run: bool = False, **how: Any) -> PseudolabelReport:
    rule = {"threshold": 0.5, "decay": "linear", "rate": 0.1, **how}
    return pseudolabelling.pseudolabel(project, Rule("entropy", **rule), dry_run=dry_run)


def turn(project: Project, out: tuple[int, ...] = ()) -> None:
    """Begin the next round as `select` does; `out` are the rows that it sends out."""
    with ledger.writing(project, "select"):
        manifest = manifests.read(project.manifest)
        begun = guesses.at_round(manifest, manifest.round + 1)
        ledger.commit(
            project, begun.assign(np.array(out, np.int64), queried_round=begun.round), command="select"
        )


def given(project: Project, column: str = "pseudo_label") -> dict[int, Any]:
    values = manifests.read(project.manifest).table[column].to_pylist()
    return {row: value for row, value in enumerate(values) if value is not None}


@pytest.mark.parametrize("decay", GOLDEN)
def test_the_golden_table(decay: Decay) -> None:
    found = [Schedule(0.05, decay, 0.0033).threshold(t) for t in range(7)]
    expected = [max(0.0, value) for value in GOLDEN[decay]]
    assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("decay", "dies"), [("cumulative", 6), ("linear", 16), ("constant", None)])
def test_when_it_ends(decay: Decay, dies: int | None) -> None:
    schedule = Schedule(0.05, decay, 0.0033)
    assert schedule.ended(200) == dies
    if dies:
        assert (schedule.ended(dies - 1), schedule.ended(dies)) == (None, dies)


def test_a_threshold_that_falls_on_zero_is_zero() -> None:
    """.3 - 3 * .1 is not 0 in binary; in ten decimals it is."""
    for start, rate, t in [(0.3, 0.1, 3), (0.7, 0.1, 7), (0.6, 0.2, 3), (0.9, 0.3, 3)]:
        assert Schedule(start, "linear", rate).threshold(t) == 0
    assert Schedule(0.6, "cumulative", 0.1).threshold(3) == 0
    assert Schedule(0.05, "linear", 0.0).ended(1000) is None


def test_each_round_has_its_threshold(scored_pool: ScoredPool) -> None:
    """Entropies .45 .35 .25 .15 .05 against .5 .4 .3 .2 .1 and 0."""
    project = scored_pool(entropies([0.45, 0.35, 0.25, 0.15, 0.05]))
    for t, expected in enumerate([[0, 1, 2, 3, 4], [1, 2, 3, 4], [2, 3, 4], [3, 4], [4], [], []]):
        turn(project)
        assert given(project) == {}
        done = ceal(project)
        assert list(given(project)) == expected
        assert done.step is not None
        assert (done.step.t, done.step.delta) == (t, pytest.approx(max(0, 0.5 - 0.1 * t)))
        assert done.step.ended == (5 if t >= 5 else None)
        assert set(given(project, "pseudo_method").values()) <= {"ceal-entropy"}
        assert set(given(project, "pseudo_round").values()) <= {t + 1}


def test_the_bound_itself_is_not_below_it(scored_pool: ScoredPool) -> None:
    """Heaviside(0) = 0: an image of exactly δ_t is not taken."""
    halves = np.array([[0.75, 0.25], [0.9, 0.1]])
    project = scored_pool(halves)
    exactly = float(np.float32(0.75 * np.log(4 / 3) + 0.25 * np.log(4)))
    ceal(project, threshold=exactly)
    assert list(given(project)) == [1]


def test_rounds_without_a_run_count(scored_pool: ScoredPool) -> None:
    project = scored_pool(entropies([0.45, 0.05]))
    turn(project)
    turn(project)
    ceal(project)
    turn(project)
    turn(project)
    turn(project)
    step = ceal(project).step
    assert step is not None
    assert (step.t, step.delta) == (3, pytest.approx(0.2))


def test_a_first_round_that_labels_nothing_counts(scored_pool: ScoredPool) -> None:
    project = scored_pool(entropies([0.6]))
    before = project.manifest.read_bytes()
    assert ceal(project).labelled == 0
    assert project.manifest.read_bytes() == before
    turn(project)
    step = ceal(project).step
    assert step is not None
    assert step.t == 1


def test_a_run_that_was_undone_does_not_count(scored_pool: ScoredPool) -> None:
    project = scored_pool(entropies([0.45, 0.05]))
    ceal(project)
    ledger.undo(project)
    assert given(project) == {}
    turn(project)
    turn(project)
    step = ceal(project).step
    assert step is not None
    assert step.t == 0


def test_undoing_the_round_brings_its_labels_back(scored_pool: ScoredPool) -> None:
    project = scored_pool(entropies([0.45, 0.05]))
    turn(project)
    ceal(project)
    turn(project)
    assert given(project) == {}
    assert ledger.undo(project) == "select"
    assert list(given(project)) == [0, 1]
    turn(project)
    step = ceal(project).step
    assert step is not None
    assert step.t == 1


@pytest.mark.parametrize(
    ("other", "t"),
    [
        ({}, 1),
        ({"per_class": 1}, 1),
        ({"threshold": 0.4}, 0),
        ({"rate": 0.05}, 0),
        ({"decay": "cumulative"}, 0),
    ],
)
def test_other_settings_are_another_schedule(scored_pool: ScoredPool, other: dict[str, Any], t: int) -> None:
    project = scored_pool(entropies([0.45, 0.05]))
    ceal(project)
    turn(project)
    step = ceal(project, **other).step
    assert step is not None
    assert step.t == t


def test_the_same_run_twice_changes_nothing(scored_pool: ScoredPool) -> None:
    project = scored_pool(entropies([0.45, 0.05]))
    ceal(project)
    before, journal = project.manifest.read_bytes(), project.journal.read_bytes()
    done = ceal(project)
    assert (done.cleared, done.labelled, done.total) == (2, 2, 2)
    assert (project.manifest.read_bytes(), project.journal.read_bytes()) == (before, journal)
    ceal(scored := scored_pool(entropies([0.6]), name="none"))
    journal = scored.journal.read_bytes()
    ceal(scored)
    assert scored.journal.read_bytes() == journal


def test_a_line_that_a_kill_lost_is_made_up_for(scored_pool: ScoredPool) -> None:
    """A kill between the manifest and the journal: the same run again writes the line, so the round counts."""
    project = scored_pool(entropies([0.45, 0.05]))
    ceal(project)
    lines = project.journal.read_text().splitlines(keepends=True)
    project.journal.write_text("".join(lines[:-1]))
    ceal(project)
    turn(project)
    step = ceal(project).step
    assert step is not None
    assert step.t == 1


def test_a_run_chooses_anew_and_leaves_other_pseudo_labels(scored_pool: ScoredPool) -> None:
    project = scored_pool(entropies([0.45, 0.35, 0.05]))
    pseudolabelling.pseudolabel(project, Rule("confidence", k=1))
    ceal(project)
    assert given(project, "pseudo_method") == {0: "ceal-entropy", 1: "ceal-entropy", 2: "confidence"}
    ceal(project, per_class=1)
    assert given(project, "pseudo_method") == {1: "ceal-entropy", 2: "confidence"}
    turn(project)
    assert given(project, "pseudo_method") == {2: "confidence"}


def test_the_surest_of_each_class(scored_pool: ScoredPool) -> None:
    sure = entropies([0.3, 0.1, 0.2, 0.05, 0.4])
    sure[3:] = sure[3:, ::-1]
    project = scored_pool(sure)
    ceal(project, per_class=2)
    assert given(project) == {1: "class-0", 2: "class-0", 3: "class-1", 4: "class-1"}


def test_an_image_that_is_out_is_never_touched(scored_pool: ScoredPool) -> None:
    project = scored_pool(entropies([0.05] * 4), labels={3: "class-1"})
    turn(project, out=(0, 1))
    ceal(project)
    assert given(project) == {2: "class-0"}
    assert given(project, "label") == {3: "class-1"}
    turn(project, out=(2,))
    with pytest.raises(PoolExhausted, match="out for labelling"):
        ceal(project)
    assert given(project) == {}


def test_low_precision_changes_nothing_and_does_not_count(scored_pool: ScoredPool) -> None:
    project = scored_pool(entropies([0.1, 0.2, 0.3]), labels={2: "class-1"}, splits={2: "val"})
    before, journal = project.manifest.read_bytes(), project.journal.read_bytes()
    with pytest.raises(InputRejected, match=r"0\.0% of 1 accepted"):
        ceal(project, min_precision=0.9)
    assert (project.manifest.read_bytes(), project.journal.read_bytes()) == (before, journal)
    turn(project)
    done = ceal(project)
    assert done.step is not None
    assert done.step.t == 0
    assert done.precision is not None
    assert done.precision.accepted == 1


def test_a_dry_run_counts_and_writes_nothing(scored_pool: ScoredPool) -> None:
    project = scored_pool(entropies([0.45, 0.05]))
    before, journal = project.manifest.read_bytes(), project.journal.read_bytes()
    assert ceal(project, dry_run=True).labelled == 2
    assert (project.manifest.read_bytes(), project.journal.read_bytes()) == (before, journal)


def test_the_journal_says_which_round_it_was(scored_pool: ScoredPool) -> None:
    project = scored_pool(entropies([0.45, 0.05]))
    turn(project)
    ceal(project)
    turn(project)
    ceal(project)
    last = json.loads(project.journal.read_text().splitlines()[-1])
    assert [last[name] for name in ("method", "threshold", "decay", "rate", "round", "t", "delta")] == [
        "entropy",
        0.5,
        "linear",
        0.1,
        2,
        1,
        0.4,
    ]


def test_once_it_ended_no_model_is_needed(scored_pool: ScoredPool) -> None:
    project = scored_pool(entropies([0.05]))
    ceal(project, threshold=0.1)
    turn(project)
    (project.models / "0001-aaaaaa" / "model.json").unlink()
    done = ceal(project, threshold=0.1)
    assert (done.labelled, done.total, done.step and done.step.ended) == (0, 0, 1)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"method": "confidence"}, "--decay lowers the --threshold of --method entropy"),
        ({"threshold": None, "k": 5}, "--decay lowers the --threshold of --method entropy"),
        ({"rate": None}, "--decay linear needs --rate"),
        ({"rate": -0.1}, "--rate -0.1"),
        ({"rate": float("nan")}, "--rate nan"),
        ({"rate": float("inf")}, "--rate inf"),
        ({"decay": None}, "--rate says how fast --decay is"),
        ({"threshold": 0.0}, "--decay begins above 0"),
        ({"decay": "sudden"}, "unknown --decay 'sudden'"),
    ],
)
def test_what_contradicts_itself_is_refused(how: dict[str, Any], told: str) -> None:
    rule = {"method": "entropy", "threshold": 0.5, "decay": "linear", "rate": 0.1, **how}
    with pytest.raises(UsageError, match=told):
        Rule(**rule).check()


def test_constant_needs_no_rate() -> None:
    Rule("entropy", threshold=0.05, decay="constant").check()
