"""The verdict as a whole: its error rate where there is nothing to find, and every kind of hole in a table."""

from __future__ import annotations

import json

import numpy as np
import pytest
from alcli.errors import UsageError
from alcli.verdict import REFERENCE, judge

from tests.verdict.tables import columns, failed, results, row, rows


def simulated(
    generator: np.random.Generator, gains: dict[str, float], seeds: int
) -> dict[str, list[list[float]]]:
    """Return noisy learning curves over five rounds; a seed's initial labels make all its curves better or worse."""
    means = np.array([0.5, 0.6, 0.66, 0.7, 0.72])
    of_seed = generator.normal(0, 0.02, (seeds, 1))
    started = (np.arange(5) > 0).astype(float)
    return {
        name: (means + of_seed + started * (gain + generator.normal(0, 0.01, (seeds, 5)))).tolist()
        for name, gain in gains.items()
    }


@pytest.mark.parametrize(("methods", "seeds"), [(1, 6), (3, 8)])
def test_where_there_is_no_difference_one_is_found_in_at_most_five_percent(methods: int, seeds: int) -> None:
    generator = np.random.default_rng(0)
    gains = {"random": 0.0} | {f"m{at}": 0.0 for at in range(methods)}
    verdicts = [judge(results(simulated(generator, gains, seeds))) for _ in range(200)]
    false = sum(any(one.finding in ("better", "worse") for one in verdict.methods) for verdict in verdicts)
    assert 0 < false <= 0.05 * 200


def test_where_there_is_a_difference_it_is_found() -> None:
    generator = np.random.default_rng(1)
    gains = {"random": 0.0, "good": 0.02, "bad": -0.02}
    for _ in range(20):
        verdict = judge(results(simulated(generator, gains, 8)))
        assert [one.finding for one in verdict.methods] == ["baseline", "better", "worse"]


def test_figures_of_one_method_by_hand() -> None:
    verdict = judge(results({"random": [[0.5, 0.6, 0.7], [0.6, 0.7, 0.9]]}), metric="macro_f1", level=0.8)
    (random,) = verdict.methods
    assert (random.finding, random.axis, random.seeds) == ("baseline", "labels", (0, 1))
    assert random.area is not None
    assert random.end is not None
    # Half the accuracies: areas 0.3 and 0.3625, ends 0.35 and 0.45; t(0.9, 1 degree) = 3.07768
    assert (random.area.mean, random.area.half_width) == pytest.approx((0.33125, 3.07768 * 0.03125), rel=1e-5)
    assert (random.end.mean, random.end.half_width) == pytest.approx((0.4, 3.07768 * 0.05), rel=1e-5)
    assert random.seconds == {"train": 4, "score": 2, "select": 1}
    assert verdict.comparisons == 0


def test_the_reference_is_a_line_and_no_competitor() -> None:
    given = rows({"random": [[0.5, 0.6]] * 2, "margin": [[0.5, 0.7]] * 2})
    lines = [row(REFERENCE, seed, 0, 0.9 + seed / 100, labels=60_000) for seed in range(2)]
    verdict = judge(columns(given + lines))
    assert verdict.all_labels is not None
    assert (verdict.all_labels.labels, verdict.all_labels.seeds) == (60_000, (0, 1))
    assert verdict.all_labels.value.mean == pytest.approx(0.905)
    assert [one.name for one in verdict.methods] == ["random", "margin"]
    assert verdict.comparisons == 1
    failing = judge(columns([*given, failed(REFERENCE, 0, 0, "killed")]))
    assert failing.all_labels is None
    assert failing.notes == ("all labels: 1 of 1 seed left out (seed 0: failed in round 0: killed)",)


HOLES = {
    "one seed": rows({"random": [[0.5, 0.6]], "margin": [[0.5, 0.7]]}),
    "only the initial labels": rows({"random": [[0.5]] * 3, "margin": [[0.5]] * 3}),
    "no baseline": rows({"margin": [[0.5, 0.6]] * 3}),
    "only the baseline": rows({"random": [[0.5, 0.6]] * 3}),
    "a method that always failed": [*rows({"random": [[0.5, 0.6]] * 3}), failed("margin", 0, 0, "boom")],
    "everything failed": [failed("random", 0, 0, "boom"), failed("margin", 0, 0, "boom")],
    "all seeds equal": rows({"random": [[0.5, 0.6]] * 6, "margin": [[0.5, 0.6]] * 6}),
    "no labels spent": rows({"random": [[0.5, 0.6]] * 6, "margin": [[0.5, 0.6]] * 6}, labels=50),
    "no labels at all": rows({"random": [[0.5, 0.6]] * 6, "margin": [[0.5, 0.6]] * 6}, labels=0),
    "only the reference": [row(REFERENCE, 0, 0, 0.9)],
    "no row": [],
}


@pytest.mark.parametrize("name", HOLES)
def test_nothing_is_claimed_of_a_table_with_holes(name: str) -> None:
    verdict = judge(columns(HOLES[name]))
    assert not {one.finding for one in verdict.methods} & {"better", "worse"}
    assert verdict.words.endswith(".")
    assert json.loads(json.dumps(verdict.to_dict(), allow_nan=False))["comparisons"] == verdict.comparisons


def test_equal_seeds_show_no_difference() -> None:
    verdict = judge(columns(HOLES["all seeds equal"]))
    comparison = verdict.methods[1].comparison
    assert comparison is not None
    assert (comparison.area.mean, comparison.area.half_width, comparison.area.p) == (0, 0, 1)
    assert verdict.methods[1].finding == "not shown"


def test_the_level_decides() -> None:
    """Five seeds of five: p = 2/32 = 0.0625, corrected for one method."""
    given = results({"random": [[0.5, 0.6]] * 5, "margin": [[0.5, 0.7]] * 5})
    assert judge(given).methods[1].finding == "undecidable"
    assert judge(given, level=0.9).methods[1].finding == "better"


def test_too_few_seeds_of_one_method_do_not_take_the_others_along() -> None:
    given = {"random": [[0.5, 0.6]] * 8, "margin": [[0.5, 0.7]] * 8, "dal": [[0.5, 0.7]] * 4}
    assert [one.finding for one in judge(results(given)).methods] == ["baseline", "better", "undecidable"]


def test_the_same_table_gives_the_same_verdict() -> None:
    given = results(simulated(np.random.default_rng(2), {"random": 0.0, "margin": 0.003}, 20))
    assert judge(given, seed=4) == judge(given, seed=4)
    assert judge(given, seed=4) != judge(given, seed=5)


def test_bad_arguments() -> None:
    given = results({"random": [[0.5, 0.6]]})
    with pytest.raises(UsageError, match="no metric is called 'f1'"):
        judge(given, metric="f1")
    for level in (0.0, 0.4, 1.0, 95, float("nan")):
        with pytest.raises(UsageError, match="the level"):
            judge(given, level=level)
