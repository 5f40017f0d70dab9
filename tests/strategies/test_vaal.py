"""The smallest log-odds of "labelled"; at random where a collapsed discriminator tells nothing."""

from __future__ import annotations

import alcli
import numpy as np
import pytest
from alcli import ranking
from alcli.planning import Gathered
from numpy.typing import NDArray
from scipy.special import expit, logit


def gathered(odds: NDArray[np.float64]) -> Gathered:
    keys = np.arange(len(odds), dtype=np.uint64)
    ready = ranking.plan("vaal", ["discriminator_scores"])
    return ready.gather(keys, [(np.arange(len(odds)), {"discriminator_scores": odds})])


def test_what_looks_least_labelled_comes_first() -> None:
    """algorithms.md A.11: D of .9, .2, .5; the scores are ln(1 - D) - ln D."""
    found = alcli.rank("vaal", k=3, discriminator_scores=logit([0.9, 0.2, 0.5]))
    assert found.rows.tolist() == [1, 2, 0]
    assert found.scores == pytest.approx(np.log([4, 1, 1 / 9]))


def test_a_discriminator_that_is_sure_of_all_images_still_ranks_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each D is below 1e-15 and could not be told from the others; the log-odds can."""
    odds = -40 - np.random.default_rng(0).random(50)
    assert alcli.rank("vaal", k=50, discriminator_scores=odds).rows.tolist() == odds.argsort().tolist()
    assert caplog.text == ""


@pytest.mark.parametrize(("at", "deviation", "collapsed"), [(0, 0.0039, 1), (0, 0.0041, 0), (-9, 0.0039, 1)])
def test_it_has_collapsed_where_d_can_deviate_by_less_than_a_thousandth(
    at: float, deviation: float, collapsed: int
) -> None:
    odds = np.array([at - deviation, at + deviation])
    assert (expit(odds).std() < 1e-3) >= bool(collapsed)
    batch = gathered(odds).pick(1)
    assert len(batch.approximations) == collapsed


def test_a_collapsed_discriminator_picks_at_random_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    scores = -3 + 1e-5 * np.random.default_rng(0).normal(size=50)
    found, again, other = (
        alcli.rank("vaal", k=8, seed=seed, discriminator_scores=scores) for seed in (1, 1, 2)
    )
    assert found.rows.tolist() == again.rows.tolist() != other.rows.tolist()
    assert found.rows.tolist() == alcli.rank("random", k=8, seed=1, discriminator_scores=scores).rows.tolist()
    assert "picked at random" in caplog.text


def test_a_collapse_is_an_approximation() -> None:
    for scores, told in ((np.linspace(-3, 3, 9), 0), (np.full(9, 0.5), 1)):
        assert len(gathered(scores).pick(3).approximations) == told


def test_it_is_marked_experimental() -> None:
    assert ranking.find("vaal").summary.startswith("Experimental")
