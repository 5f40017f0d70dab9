"""What is published, or decided in the notes where nothing is, is what happens if nobody says otherwise.

Each case names its section of algorithms.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from alcli import manifest as manifests
from alcli import parameters, stopping
from alcli.losses.classification.bootstrap_hard import bootstrap_hard
from alcli.losses.classification.bootstrap_reconstruction import bootstrap_reconstruction
from alcli.losses.classification.bootstrap_soft import bootstrap_soft
from alcli.selection import statistics
from alcli.strategies import vaal as querying
from alcli.training import Options, clusters, recipe
from alcli.training.co_teaching import kept_share
from alcli.training.objectives import ccl as clustering
from alcli.training.objectives.ccl import ccl
from alcli.training.objectives.vaal import vaal
from alcli.training.refining import Manner
from alcli.training.splits import labelled_splits

from tests.training.conftest import MakePool, make_pool

__all__ = ["make_pool"]

A9 = {"embedding": 10, "pretrain_epochs": 50, "form": "B", "sim": "cos", "tau": 0.1}
A9_WEIGHTS = {"mse": 1, "gamma": 0.1, "lambda_": 1}
A11 = {
    "z": 32,
    "vae_epochs": 100,
    "vae_batch": 128,
    "vae_lr": 5e-4,
    "vae_mse": "mean",
    "beta": 1,
    "lambda_": 1,
}


@pytest.mark.parametrize(
    ("of", "published"),
    [
        pytest.param(ccl, A9 | A9_WEIGHTS | {"labelled_per_step": 0}, id="A.9"),
        pytest.param(vaal, A11, id="A.11"),
        pytest.param(bootstrap_soft, {"beta": 0.95}, id="A.14 soft"),
        pytest.param(bootstrap_hard, {"beta": 0.8}, id="A.14 hard"),
        pytest.param(bootstrap_reconstruction, {"beta": 0.005}, id="A.14 reconstruction"),
        pytest.param(kept_share, {"ramp": 10}, id="A.16"),
        pytest.param(Manner, {"history": 10, "epsilon": 0.05, "r_a": 0.8, "r_h": 0.4}, id="A.17"),
    ],
)
def test_options(of: Callable[..., Any], published: dict[str, Any]) -> None:
    declared = {name: option.default for name, option in parameters.of(of).items()}
    assert {name: declared[name] for name in published} == published


@pytest.mark.parametrize(
    ("constant", "published"),
    [
        pytest.param(clusters.REFRESH, 80, id="A.9 steps between two looks at P"),
        pytest.param(clustering._BATCH, 256, id="A.9 batch"),
        pytest.param(clustering._EPOCHS, 10, id="A.9 epochs"),
        # std(D) < 1e-3, in log-odds: D's slope by them is 1/4 where it is steepest.
        pytest.param(querying._COLLAPSED, 4 * 1e-3, id="A.11 collapse"),
        pytest.param(statistics.STOP_SET_SIZE, 2000, id="B.15 stop set"),
        pytest.param((stopping.KAPPA, stopping.KAPPA_ROUNDS), (0.99, 3), id="B.15 kappa"),
        pytest.param(stopping.UNCERTAINTY, 0.05, id="B.15 overall-uncertainty"),
        pytest.param(stopping.BATCH_UNCERTAINTY, 0.001, id="B.15 max-confidence"),
        pytest.param(stopping.BATCH_ACCURACY, 0.9, id="B.15 batch-accuracy"),
        pytest.param((stopping.SLOPE, stopping.SLOPE_ROUNDS), (0.002, 4), id="B.15 plateau"),
    ],
)
def test_constants(constant: Any, published: Any) -> None:
    assert constant == published


@pytest.mark.parametrize(
    ("asked", "epochs"),
    [({}, 0), ({"loss": "bootstrap-hard"}, 2), ({"refine_pseudo": "mean", "use_pseudo_labels": True}, 5)],
)
def test_epochs_of_plain_cross_entropy(make_pool: MakePool, asked: dict[str, Any], epochs: int) -> None:
    """A.14 says 1 to 5; refining has the most, for its first predictions become labels."""
    project = make_pool(train={"bright": 1, "dark": 1})
    manifest = manifests.read(project.manifest)
    train = labelled_splits(manifest, use_pseudo_labels=False)["train"]
    decided = recipe.decide(Options(**asked), project, manifest, train, torch.device("cpu"))
    assert decided.warm_up_epochs == epochs
