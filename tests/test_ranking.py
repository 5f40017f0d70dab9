"""Ranking: plans, the top k, stochastic batches, and `alcli.rank` with arguments that do not fit."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import alcli
import numpy as np
import pytest
from alcli.errors import InputRejected, UsageError
from alcli.ranking import Scores, find, plan, top
from alcli.strategies import _stochastic

from tests.strategies import arrays

SAVED = {"probabilities", "prediction", "confidence", "margin", "entropy", "embeddings"}
SAVED |= {"triplet_embeddings", "mc_probabilities"}


def keys(n: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    return np.arange(n, dtype=np.uint64)


class TestTop:
    def test_golden_tie_at_the_boundary(self) -> None:
        """algorithms.md 0.3: argpartition and torch.topk give any of the three 0.5s."""
        ids = np.array([14, 11, 13, 12, 10], np.uint64)
        assert ids[top(np.array([0.5, 0.9, 0.5, 0.5, 0.1]), ids, 3)].tolist() == [11, 12, 13]

    @pytest.mark.parametrize(("k", "expected"), [(-3, []), (0, []), (1, [1]), (3, [1, 2, 0]), (9, [1, 2, 0])])
    def test_any_budget(self, k: int, expected: list[int]) -> None:
        """argpartition(x, len(x)) raises, and [-0:] takes everything (pitfalls.md 1.8, 1.9)."""
        assert top(np.array([0.1, 0.3, 0.2]), keys(3), k).tolist() == expected

    def test_no_rows(self) -> None:
        assert top(np.empty(0), keys(0), 5).tolist() == []

    def test_order_is_rank(self) -> None:
        """Not the order of positions, as masks and sorted indices of peers give (pitfalls.md 1.10)."""
        assert top(np.array([1.0, 5, 3, 4, 2]), keys(5), 4).tolist() == [1, 3, 2, 4]

    @pytest.mark.parametrize("seed", range(20))
    def test_agrees_with_a_plain_sort(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        scores, ties = rng.integers(0, 4, 60) / 4.0, rng.integers(0, 3, 60) / 4.0
        ids = rng.permutation(60).astype(np.uint64)
        rows = rng.permutation(60)[:45]
        plain = sorted(rows.tolist(), key=lambda i: (-scores[i], -ties[i], ids[i]))
        for k in (0, 1, 10, 44, 45):
            assert top(Scores(scores, ties), ids, k, rows=rows).tolist() == plain[:k]

    def test_negative_zero_is_zero(self) -> None:
        assert top(np.array([-0.0, 0.0, -0.0]), keys(3)[::-1], 2).tolist() == [2, 1]

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_scores_that_are_not_finite_are_refused(self, bad: float) -> None:
        with pytest.raises(InputRejected, match="not finite: x00000000000000ff"):
            top(np.array([1.0, bad]), np.array([1, 255], np.uint64), 1)


class TestPlan:
    @pytest.mark.parametrize(
        ("name", "available", "signals"),
        [
            ("margin", SAVED, ("margin",)),
            ("margin", {"probabilities"}, ("probabilities",)),
            ("margin", {"embeddings"}, ("margin",)),
            ("least-confidence", SAVED, ("confidence",)),
            ("entropy", SAVED, ("entropy",)),
            ("random", SAVED, ()),
            ("bald", SAVED, ("mc_probabilities",)),
            ("triplet-margin", SAVED, ("triplet_embeddings",)),
        ],
    )
    def test_reads_the_narrowest_signal(
        self, name: str, available: set[str], signals: tuple[str, ...]
    ) -> None:
        assert plan(name, available).row_signals == signals

    def test_says_what_is_missing(self) -> None:
        assert plan("margin", SAVED).missing == ()
        assert plan("margin", {"embeddings"}).missing == ("margin",)
        assert plan("triplet-margin", {"margin"}).missing == ("triplet_embeddings",)
        assert plan("random", ()).missing == ()

    def test_says_where_predictions_come_from(self) -> None:
        assert plan("margin", SAVED).prediction_signals == ("prediction",)
        assert plan("margin", {"probabilities"}).prediction_signals == ("probabilities",)
        assert plan("margin", {"margin"}).prediction_signals == ()
        assert plan("triplet-margin", SAVED).prediction_signals == ("triplet_embeddings",)
        assert plan("triplet-margin", {"prediction"}).prediction_signals == ()

    def test_predictions(self) -> None:
        probabilities = np.array([[0.4, 0.4, 0.2], [0, 0.1, 0.9]], np.float32)  # ties go to the lowest class
        from_wide = plan("margin", {"probabilities"}).predictions(keys(2), {"probabilities": probabilities})
        from_narrow = plan("random", SAVED).predictions(keys(2), {"prediction": np.array([0, 2])})
        assert from_wide.tolist() == from_narrow.tolist() == [0, 2]

    def test_only_some_strategies_look_at_the_labelled_rows(self) -> None:
        assert plan("margin", SAVED).labelled_signals == ()
        assert plan("triplet-margin", SAVED).labelled_signals == ("triplet_embeddings",)

    def test_options_are_settled(self) -> None:
        assert plan("triplet-margin", SAVED).options == {"order": "confident"}
        assert plan("triplet-margin", SAVED, options={"order": "uncertain"}).options == {"order": "uncertain"}
        assert find("triplet-margin").orders == ("confident", "uncertain")
        assert find("margin").orders == ()

    def test_unknown_names(self) -> None:
        with pytest.raises(UsageError, match="did you mean margin"):
            plan("marginn", SAVED)
        with pytest.raises(
            UsageError, match="unknown option of triplet-margin 'ordr'; did you mean order"
        ) as caught:
            plan("triplet-margin", SAVED, options={"ordr": "confident"})
        assert caught.value.hint == "it has order"
        with pytest.raises(UsageError, match="unknown option of margin 'order'") as caught:
            plan("margin", SAVED, options={"order": "confident"})
        assert caught.value.hint == "it has none"

    def test_a_row_that_no_chunk_covers_is_refused(self) -> None:
        chunk = (np.array([0]), {"margin": np.array([0.5])})
        scores = plan("margin", {"margin"}).score(keys(2), [chunk])
        with pytest.raises(InputRejected, match="x0000000000000001"):
            top(scores, keys(2), 1)

    def test_bad_rows_are_named_by_image(self) -> None:
        ids = np.array([7, 0xABC], np.uint64)
        margin = {"margin": np.array([0.5, np.nan], np.float32)}
        with pytest.raises(InputRejected, match="margin are not finite: x0000000000000abc"):
            plan("margin", {"margin"}).score(ids, [(np.arange(2), margin)])


class TestStochastic:
    # algorithms.md B.3
    SCORES = np.array([0.69, 0.10, 0.0])
    NOISE = np.array([-0.5, 2.0, 3.0])

    def test_golden_power(self) -> None:
        found = _stochastic.perturb(self.SCORES, keys(3), self.NOISE, kind="power", beta=1)
        assert found[:2] == pytest.approx([-0.871064, -0.302585], abs=1e-6)
        assert top(found, keys(3), 3).tolist() == [1, 0, 2]

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            ("power", [0.873418, 0.126582, 0]),
            ("softmax", [0.486404, 0.269627, 0.243969]),
            ("softrank", [0.545455, 0.272727, 0.181818]),
        ],
    )
    def test_golden_probabilities(self, kind: str, expected: list[float]) -> None:
        """The first pick of 20,000 batches; three standard errors are below 0.011."""
        noise = np.random.default_rng(0).gumbel(size=(20_000, 3))
        firsts = [
            int(np.argmax(_stochastic.perturb(self.SCORES, keys(3), row, kind=kind, beta=1))) for row in noise
        ]
        assert np.bincount(firsts, minlength=3) / len(firsts) == pytest.approx(expected, abs=0.011)

    def test_zero_never_comes_before_a_positive_score(self) -> None:
        confidence = np.r_[np.ones(50), np.full(5, 1 - 1e-6)]
        for seed in range(20):
            rows = alcli.rank(
                "least-confidence", k=5, seed=seed, confidence=confidence, stochastic="power"
            ).rows
            assert sorted(rows.tolist()) == [50, 51, 52, 53, 54]

    def test_a_score_that_rounding_left_below_zero_is_zero(self) -> None:
        """ALFM takes the logarithm of -1e-9 and picks the NaN (pitfalls.md 1.2)."""
        found = _stochastic.perturb(np.array([0.1, -1e-12]), keys(2), np.zeros(2), kind="power", beta=1)
        assert top(found, keys(2), 2).tolist() == [0, 1]

    @pytest.mark.parametrize("kind", ["power", "softmax", "softrank"])
    def test_large_beta_is_the_strategy_itself(self, kind: str) -> None:
        probabilities = arrays.signals(50)["probabilities"]
        plain = alcli.rank("margin", k=50, probabilities=probabilities).rows.tolist()
        sharp = alcli.rank(
            "margin", k=50, probabilities=probabilities, stochastic=kind, beta=1e6
        ).rows.tolist()
        assert sharp[:40] == plain[:40]

    def test_seeds_differ(self) -> None:
        probabilities = arrays.signals(50)["probabilities"]
        batches = [
            alcli.rank("margin", k=10, seed=s, probabilities=probabilities, stochastic="power").rows.tolist()
            for s in (0, 0, 1)
        ]
        assert batches[0] == batches[1] != batches[2]

    def test_needs_scores_of_0_or_more(self) -> None:
        signals = {
            "triplet_embeddings": arrays.signals(20)["triplet_embeddings"],
            "labels": arrays.labels(20),
        }
        with pytest.raises(UsageError, match="needs scores of 0 or more; 15 are below"):
            alcli.rank("triplet-margin", k=1, order="uncertain", stochastic="power", **signals)
        assert len(alcli.rank("triplet-margin", k=3, stochastic="power", **signals).rows) == 3

    def test_bad_settings(self) -> None:
        with pytest.raises(UsageError, match="stochastic is 'powr'; it must be power or softmax or softrank"):
            plan("margin", SAVED, stochastic="powr")
        with pytest.raises(UsageError, match="beta is 0; it must be a number from 1e-06 to 1e\\+06"):
            plan("margin", SAVED, stochastic="power", beta=0)


class TestRank:
    P = np.array([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25], [0.34, 0.33, 0.33]])

    def test_labelled_rows_are_never_returned(self) -> None:
        selection = alcli.rank("margin", k=3, probabilities=self.P, labelled=[False, False, True])
        assert selection.rows.tolist() == [1, 0]
        assert selection.scores == pytest.approx([0.95, 0.5])

    def test_lists_and_surplus_signals_are_fine(self) -> None:
        selection = alcli.rank("margin", k=1, probabilities=self.P.tolist(), embeddings=np.zeros((3, 2)))
        assert selection.rows.tolist() == [2]

    def test_a_selection_cannot_be_changed(self) -> None:
        selection = alcli.rank("margin", k=1, probabilities=self.P)
        with pytest.raises(AttributeError):
            selection.rows = np.zeros(1)  # type: ignore[misc]

    def test_names_in_messages_of_a_large_pool_are_rows_of_the_callers_arrays(self) -> None:
        margin = np.full(40_000, 0.5)
        margin[35_123] = np.nan
        labelled = np.arange(40_000) < 100
        with pytest.raises(InputRejected, match="margin are not finite: row 35123"):
            alcli.rank("margin", k=1, margin=margin, labelled=labelled)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({}, "margin needs margin or probabilities; margin was not given"),
            (
                {"probabilities": P, "embedings": P},
                "unknown argument of margin 'embedings'; did you mean embeddings",
            ),
            (
                {"probabilities": P[0]},
                r"probabilities must be numbers of shape \(n, c\); given float64 of shape \(3,\)",
            ),
            ({"probabilities": P[:, :0]}, r"probabilities must be numbers of shape \(n, c\)"),
            ({"probabilities": [["a"]]}, "probabilities must be numbers"),
            ({"probabilities": P, "margin": [1.0]}, "rows differ: probabilities has 3, margin has 1"),
            ({"probabilities": P, "labelled": [True]}, "rows differ: probabilities has 3, labelled has 1"),
            ({"probabilities": P, "labelled": [0, 1, 1]}, r"labelled must be \(n,\) booleans; given int64"),
            ({"probabilities": P, "labels": [0, 1, None]}, "given 0 beside None"),
            ({"probabilities": P, "labels": [0.5, 1, 1]}, r"labels must be \(n,\) integers or strings"),
        ],
    )
    def test_arguments_that_do_not_fit(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(UsageError, match=message):
            alcli.rank("margin", k=1, **arguments)

    def test_how_many_rows(self) -> None:
        with pytest.raises(UsageError, match="cannot tell how many rows"):
            alcli.rank("random", k=1)
        assert len(alcli.rank("random", k=2, labels=["", "cat", None, ""]).rows) == 2

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ([0.5, 0.6, 0.1], "probabilities do not sum to 1: row 1"),
            ([1.2, -0.1, -0.1], "probabilities are negative: row 1"),
            ([np.nan, 0.5, 0.5], "probabilities are NaN or infinite: row 1"),
            ([np.inf, -np.inf, 0], "probabilities are NaN or infinite: row 1"),
        ],
    )
    def test_rows_that_are_no_probabilities(self, row: list[float], message: str) -> None:
        with pytest.raises(InputRejected, match=message):
            alcli.rank("margin", k=1, probabilities=np.array([self.P[0], row, self.P[2]]))

    def test_sums_that_are_nearly_one_are_scaled(self) -> None:
        selection = alcli.rank("margin", k=1, probabilities=self.P[:1] * 1.0009)
        assert selection.scores == pytest.approx([0.5], abs=1e-9)


def test_importing_and_ranking_loads_neither_torch_nor_pyarrow() -> None:
    """And the name `alcli.strategies` answers a call also after its sub-modules were imported."""
    program = """
import sys, alcli
first = alcli.strategies()
alcli.rank("triplet-margin", k=1, triplet_embeddings=[[0, 1], [1, 0], [0, 2]], labels=[0, 1, -1])
import alcli.strategies.margin
assert alcli.strategies() == first and "margin" in first
print([name for name in ("torch", "pyarrow", "timm", "PIL", "typer", "scipy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
