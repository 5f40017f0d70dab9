"""Beginning with the weights of the round before."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from alcli import ledger, models, networks, training
from alcli import manifest as manifests
from alcli.errors import InputRejected, UsageError
from alcli.project import Project
from alcli.training import Options

from tests.training.conftest import MakePool

STILL = Options(epochs=1, batch_size=64, lr=1e-12, embedding="joint")


def train(project: Project, options: Options) -> training.TrainReport:
    return training.train(project, options, device="cpu", workers=0)


def more_labels(project: Project) -> None:
    """Take one label away: other labels than before, as after a round."""
    manifest = manifests.read(project.manifest)
    row = np.flatnonzero(manifest.labelled & manifest.equals("split", "train"))[:1]
    with ledger.writing(project, "test"):
        ledger.commit(project, manifest.assign(row, label=None), command="test")


def same(one: models.ModelRecord, other: models.ModelRecord) -> bool:
    first, second = (networks.load(record, torch.device("cpu")) for record in (one, other))
    states = zip(first.classifier.state_dict().values(), second.classifier.state_dict().values(), strict=True)
    return all(torch.allclose(a, b, atol=1e-6) for a, b in states)


def test_it_goes_on_from_the_newest_model(make_pool: MakePool) -> None:
    project = make_pool()
    train(project, Options(epochs=3, batch_size=8, embedding="joint", seed=5))
    more_labels(project)
    train(project, dataclasses.replace(STILL, warm_start=True))
    train(project, STILL)
    first, warm, cold = models.all_models(project)
    assert same(first, warm)
    assert not same(first, cold)
    assert warm.about["options"]["start"] == first.about["identity"]


def test_the_same_call_again_trains_nothing(make_pool: MakePool) -> None:
    """What it goes on from is a model of other labels, never what the call itself made."""
    project = make_pool()
    train(project, Options(epochs=1))
    more_labels(project)
    assert train(project, Options(epochs=1, warm_start=True)).trained
    assert not train(project, Options(epochs=1, warm_start=True)).trained


def test_without_a_model_it_begins_anew(make_pool: MakePool) -> None:
    project = make_pool()
    assert train(project, dataclasses.replace(STILL, warm_start=True)).trained


def test_another_network_is_refused(make_pool: MakePool) -> None:
    project = make_pool()
    train(project, Options(model="lenet5", epochs=1))
    more_labels(project)
    with pytest.raises(InputRejected, match="is another network"):
        train(project, Options(model="lenet", epochs=1, warm_start=True))


def test_an_embedding_that_was_not_there_begins_anew(make_pool: MakePool) -> None:
    project = make_pool()
    train(project, Options(epochs=1, embedding="none"))
    more_labels(project)
    train(project, dataclasses.replace(STILL, embedding="triplet", warm_start=True))
    first, warm = models.all_models(project)
    assert same(first, warm)


def test_the_test_split_is_looked_at_only_if_asked_for(make_pool: MakePool) -> None:
    project = make_pool(test=2)
    report = training.train(project, Options(epochs=1), device="cpu", workers=0, test=False)
    assert "test_accuracy" not in report.metrics
    assert "test_accuracy" in train(project, Options(epochs=1)).metrics


def test_settling_once_is_what_every_training_would_decide(make_pool: MakePool) -> None:
    project = make_pool()
    manifest = manifests.read(project.manifest)
    settled, blueprint, transform = training.settle(Options(epochs=1), project, manifest)
    train(project, Options(epochs=1))
    about = models.newest(project).about
    assert (settled.model, settled.image_size, settled.channels) == ("lenet", 8, 1)
    assert about["transform"] == transform.to_dict()
    assert blueprint.classes == 3
    with pytest.raises(UsageError):
        training.settle(Options(model="nonsense"), project, manifest)
