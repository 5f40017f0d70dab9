"""The smallest probability of "labelled"; at random where a collapsed discriminator tells nothing."""

from __future__ import annotations

import alcli
import numpy as np
import pytest
from alcli import ranking


def test_what_looks_least_labelled_comes_first() -> None:
    found = alcli.rank("vaal", k=3, discriminator_scores=np.array([0.9, 0.2, 0.5]))
    assert found.rows.tolist() == [1, 2, 0]
    assert found.scores == pytest.approx([0.8, 0.5, 0.1])


def test_a_collapsed_discriminator_picks_at_random_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    scores = 0.5 + 1e-5 * np.random.default_rng(0).normal(size=50)
    found, again, other = (
        alcli.rank("vaal", k=8, seed=seed, discriminator_scores=scores) for seed in (1, 1, 2)
    )
    assert found.rows.tolist() == again.rows.tolist() != other.rows.tolist()
    assert found.rows.tolist() == alcli.rank("random", k=8, seed=1, discriminator_scores=scores).rows.tolist()
    assert "picked at random" in caplog.text


def test_a_collapse_is_an_approximation() -> None:
    ready = ranking.plan("vaal", ["discriminator_scores"])
    keys = np.arange(9, dtype=np.uint64)
    for scores, told in ((np.linspace(0, 1, 9), 0), (np.full(9, 0.5), 1)):
        batch = ready.gather(keys, [(np.arange(9), {"discriminator_scores": scores})]).pick(3)
        assert len(batch.approximations) == told


def test_it_is_marked_experimental() -> None:
    assert ranking.find("vaal").summary.startswith("Experimental")
