"""The same numbers as scikit-activeml, where it is installed (`pip install scikit-activeml`)."""

from __future__ import annotations

import numpy as np
import pytest
from alcli import uncertainty
from alcli.strategies.bald import bald
from alcli.strategies.entropy import entropy
from alcli.strategies.least_confidence import least_confidence
from alcli.strategies.margin import margin
from alcli.strategies.mc_variation_ratio import mc_variation_ratio

pool = pytest.importorskip("skactiveml.pool")

P = np.random.default_rng(0).dirichlet(np.full(7, 0.5), size=300)
MC = np.random.default_rng(1).dirichlet(np.full(7, 9.0), size=(300, 9))  # the peer clips below 1e-7


def test_least_confidence() -> None:
    peer = pool.uncertainty_scores(probas=P, method="least_confident")
    assert least_confidence(uncertainty.confidence(P)) == pytest.approx(peer, abs=1e-12)


def test_margin() -> None:
    peer = pool.uncertainty_scores(probas=P, method="margin_sampling")
    assert margin(uncertainty.margin(P)) == pytest.approx(peer, abs=1e-12)


def test_entropy() -> None:
    peer = pool.uncertainty_scores(probas=P, method="entropy")
    assert entropy(uncertainty.entropy(P)) == pytest.approx(peer, abs=1e-12)


def test_bald_is_the_average_divergence_from_the_consensus() -> None:
    peer = pool.average_kl_divergence(MC.transpose(1, 0, 2).copy())  # it normalises its argument in place
    assert bald(MC) == pytest.approx(peer, abs=1e-12)


def test_variation_ratio_of_votes() -> None:
    peer = pool.variation_ratios(MC.argmax(axis=2))
    assert mc_variation_ratio(MC) == pytest.approx(peer, abs=1e-12)
