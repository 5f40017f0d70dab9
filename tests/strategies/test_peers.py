"""The same numbers as scikit-activeml, batchbald_redux and cleanlab (`pip install alcli[peers]`)."""

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


@pytest.mark.filterwarnings("ignore")
def test_bald_of_the_reference_implementation() -> None:
    """BlackHC's code takes the k best of log probabilities (N, K, C)."""
    torch = pytest.importorskip("torch")
    reference = pytest.importorskip("batchbald_redux.batchbald")
    found = reference.get_bald_batch(torch.log(torch.from_numpy(MC)), 10, dtype=torch.double)
    ours = bald(MC)
    assert np.argsort(-ours, kind="stable")[:10].tolist() == list(found.indices)
    assert ours[found.indices] == pytest.approx(found.scores, abs=1e-9)


@pytest.mark.filterwarnings("ignore")
def test_least_confidence_orders_unlabelled_images_as_active_lab() -> None:
    """algorithms.md B.12: with one annotator, ActiveLab's order of the unlabelled is least confidence."""
    multiannotator = pytest.importorskip("cleanlab.multiannotator")
    labelled, unlabelled = P[:60], P[60:]
    labels = labelled.argmax(axis=1)
    labels[:7] = np.arange(7)
    _, scores = multiannotator.get_active_learning_scores(labels[:, None], labelled, unlabelled)
    ours = least_confidence(uncertainty.confidence(unlabelled))
    assert np.argsort(scores, kind="stable").tolist() == np.argsort(-ours, kind="stable").tolist()
