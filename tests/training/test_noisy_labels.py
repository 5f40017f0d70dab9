"""Losses, co-teaching, mixup and refining as whole trainings: recorded, repeated, resumed, refused."""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import Any

import numpy as np
import pytest
import torch
from alcli import ledger, models, networks, training
from alcli import manifest as manifests
from alcli.errors import UsageError
from alcli.project import Project
from alcli.training import Options, checkpoints, inputs
from pyarrow import parquet

from tests.training.conftest import MakePool
from tests.training.test_run import Stop, stop_after

QUICK = Options(epochs=4, batch_size=8, embedding="none", use_pseudo_labels=True)
WARM = {"warm_up_epochs": 1}
CASES: dict[str, dict[str, Any]] = {
    "reconstruction": {"loss": "bootstrap-reconstruction", "parameters": {"beta": "0.1"}, **WARM},
    "hard": {"loss": "bootstrap-hard", "label_smoothing": 0.1, "class_weights": "balanced", **WARM},
    "co-teaching": {"co_teaching": True, "noise_rate": "0.3", "parameters": {"ramp": "2"}},
    "mixup": {"mixup": 1.0, "augment": "standard"},
    "mean": {"refine_pseudo": "mean", "mixup": 1.0, "parameters": {"history": "2"}, **WARM},
    "vote": {"refine_pseudo": "vote", **WARM},
}
FROZEN = {"freeze_backbone": True, "model": "lenet"}


def train(project: Project, options: Options, **how: Any) -> training.TrainReport:
    return training.train(project, options, device="cpu", workers=0, **how)


def with_pseudo_labels(project: Project, label: str | None = None) -> Project:
    """Pseudo-label every unlabelled image, right unless another label is wanted."""
    with ledger.writing(project, "test"):
        manifest = manifests.read(project.manifest)
        rows = np.flatnonzero(~manifest.labelled)
        labels = [label or name.split("/")[0] for name in manifest.strings("file_name", rows)]
        ledger.commit(project, manifest.assign(rows, pseudo_label=labels), command="test")
    return project


def made(project: Project, model: str) -> dict[str, Any]:
    """Return all of a model that must be the same if its training is repeated."""
    folder = project.models / model
    content: dict[str, Any] = {
        path.name: path.read_bytes() for path in folder.iterdir() if path.suffix not in (".json", ".jsonl")
    }
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    content["log"] = [{name: value for name, value in line.items() if name != "seconds"} for line in lines]
    content["metrics"] = json.loads((folder / models.RECORD).read_text())["metrics"]
    return content


class TestResuming:
    @pytest.mark.parametrize("case", CASES)
    def test_an_interrupted_run_ends_as_an_uninterrupted_one(
        self, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch, case: str
    ) -> None:
        monkeypatch.setattr(checkpoints, "EVERY_S", 0.0)
        options = dataclasses.replace(QUICK, **CASES[case])
        whole, stopped = (with_pseudo_labels(make_pool(n, val=2, unlabelled=2)) for n in ("a", "b"))
        expected = train(whole, options)
        with monkeypatch.context() as patch:
            stop_after(patch, 2)
            with pytest.raises(Stop):
                train(stopped, options)
        resumed = train(stopped, options, resume=True)
        assert made(stopped, resumed.model) == made(whole, expected.model)

    @pytest.mark.parametrize("case", ["co-teaching", "mean"])
    def test_killed_when_all_was_trained(
        self, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch, case: str
    ) -> None:
        options = dataclasses.replace(QUICK, **CASES[case], **FROZEN)
        whole, stopped = (with_pseudo_labels(make_pool(n, val=2, unlabelled=2)) for n in ("a", "b"))
        expected = train(whole, options)
        with monkeypatch.context() as patch:
            stop_after(patch, 4)
            with pytest.raises(Stop):
                train(stopped, options)
        resumed = train(stopped, options, resume=True)
        assert made(stopped, resumed.model) == made(whole, expected.model)


def test_images_too_many_for_memory_give_the_same_model(
    make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES["mean"] | {"loss": "bootstrap-reconstruction"}
    options = dataclasses.replace(QUICK, **case)
    one, other = (with_pseudo_labels(make_pool(n, val=2, unlabelled=2)) for n in ("a", "b"))
    held = train(one, options)
    monkeypatch.setattr(inputs, "MEMORY_BYTES", 0)
    monkeypatch.setattr(inputs, "DECODED_AT_ONCE", 5)
    assert made(one, held.model) == made(other, train(other, options).model)


class TestWhatIsSaved:
    def test_the_record_says_how_it_was_trained(self, make_pool: MakePool) -> None:
        project = make_pool()
        options = Options(epochs=1, embedding="none", loss="bootstrap-hard", label_smoothing=0.1)
        train(project, options)
        recorded = models.newest(project).about["options"]
        assert (recorded["loss"], recorded["objective"]) == ("bootstrap-hard", "classifier")
        assert recorded["parameters"] == {"beta": 0.8}
        assert (recorded["label_smoothing"], recorded["warm_up_epochs"]) == (0.1, 0)  # a third of one epoch
        for epochs, usual in ((3, 1), (9, 2)):
            train(project, dataclasses.replace(options, epochs=epochs))
            assert models.newest(project).about["options"]["warm_up_epochs"] == usual
        train(project, options)
        assert not train(project, options).trained
        assert not train(project, dataclasses.replace(options, parameters={"beta": "0.80"})).trained
        assert train(project, dataclasses.replace(options, parameters={"beta": "0.7"})).trained

    def test_only_the_classifier_is_saved(self, make_pool: MakePool) -> None:
        """Neither the maps of a loss nor the peer are part of the model."""
        project = make_pool()
        plain = set(train_and_load(project, Options(epochs=1, embedding="none")))
        for case in ("reconstruction", "co-teaching"):
            options = Options(epochs=2, embedding="none", **CASES[case])
            assert set(train_and_load(project, options)) == plain

    def test_co_teaching_says_where_its_noise_rate_is_from(self, make_pool: MakePool) -> None:
        project = make_pool()
        train(project, Options(epochs=1, embedding="none", co_teaching=True, noise_rate="0.25"))
        assert models.newest(project).about["options"]["noise_rate"] == {"value": 0.25, "source": "given"}

    def test_the_peer_has_first_weights_of_its_own(self, make_pool: MakePool) -> None:
        """With the same first weights both pick alike, and the first network learns as if alone."""
        from alcli.training import beginning, recipe
        from alcli.training.splits import labelled_splits

        project = make_pool()
        manifest = manifests.read(project.manifest)
        split = labelled_splits(manifest, use_pseudo_labels=False)["train"]
        decided = recipe.decide(Options(), project, manifest, split, torch.device("cpu"))
        model = beginning.first_weights(decided)
        peer, again = beginning.peer(decided, model), beginning.peer(decided, model)
        assert not torch.equal(peer.head.weight, model.classifier.head.weight)
        assert torch.equal(peer.head.weight, again.head.weight)

    @pytest.mark.parametrize("embedding", ["joint", "triplet"])
    def test_losses_train_along_with_an_embedding(self, make_pool: MakePool, embedding: str) -> None:
        options = Options(epochs=20, batch_size=8, embedding=embedding, loss="bootstrap-reconstruction")
        assert train(make_pool(val=2), options).metrics["val_accuracy"] == 1.0


def train_and_load(project: Project, options: Options) -> dict[str, Any]:
    train(project, options)
    return networks.load(models.newest(project), torch.device("cpu")).state_dict()


class TestRefining:
    OPTIONS = dataclasses.replace(QUICK, epochs=20, refine_pseudo="mean", warm_up_epochs=3)

    def test_wrong_pseudo_labels_are_put_right_in_a_table_and_not_in_the_manifest(
        self, make_pool: MakePool, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "alcli")
        project = with_pseudo_labels(make_pool(unlabelled=1), "dark")  # two of three are wrong
        before = project.manifest.read_bytes()
        report = train(project, self.OPTIONS)
        assert project.manifest.read_bytes() == before
        table = parquet.read_table(models.newest(project).folder / "refined.parquet")
        assert table.column_names == ["alcli_id", "pseudo_label", "refined_label", "confidence"]
        assert table["pseudo_label"].to_pylist() == ["dark"] * 3
        assert sorted(table["refined_label"].to_pylist()) == ["bright", "dark", "middle"]
        assert table["alcli_id"].to_pylist() == sorted(table["alcli_id"].to_pylist())
        assert all(0.5 < value <= 1 for value in table["confidence"].to_pylist())
        assert report.metrics["refined_pseudo_labels"] == 3
        assert report.metrics["changed_pseudo_labels"] == 2
        assert "2 of 3 pseudo-labels changed while training" in caplog.text

    def test_without_pseudo_labels_there_is_nothing_to_refine(
        self, make_pool: MakePool, caplog: pytest.LogCaptureFixture
    ) -> None:
        report = train(make_pool(), dataclasses.replace(self.OPTIONS, epochs=4))
        assert "no pseudo-labels to refine" in caplog.text
        assert "refined_pseudo_labels" not in report.metrics


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_smoothing": 1.0}, "--label-smoothing 1.0"),
        ({"mixup": -1.0}, "--mixup -1.0"),
        ({"warm_up_epochs": -1}, "--warm-up-epochs -1"),
        ({"warm_up_epochs": 4, "loss": "bootstrap-hard"}, "--warm-up-epochs 4 leave nothing of --epochs 4"),
        ({"noise_rate": "0.1"}, "--noise-rate is for --co-teaching"),
        ({"co_teaching": True, "noise_rate": "1"}, r"--noise-rate 1: a share in \[0, 1\)"),
        ({"refine_pseudo": "mean", "use_pseudo_labels": False}, "--refine-pseudo needs --use-pseudo-labels"),
        ({"refine_pseudo": "median"}, "unknown --refine-pseudo 'median'"),
        ({"co_teaching": True, "mixup": 1.0}, "--co-teaching and --mixup exclude each other"),
        ({"co_teaching": True, "refine_pseudo": "mean"}, "exclude each other"),
        ({"mixup": 1.0, "embedding": "joint"}, "--mixup cannot go with --embedding joint"),
        ({"co_teaching": True, "embedding": "joint"}, "--co-teaching cannot go with --embedding joint"),
        ({"objective": "ccl", "mixup": 1.0}, "--mixup cannot go with --objective ccl"),
        ({"objective": "vaal", "loss": "bootstrap-hard"}, "--loss cannot go with --objective vaal"),
        (
            {"objective": "ccl", "class_weights": "balanced"},
            "--class-weights cannot go with --objective ccl, which has losses of its own",
        ),
        ({"objective": "ccl", "embedding": "joint"}, "--embedding joint cannot go with --objective ccl"),
        ({"warm_up_epochs": 3}, "--warm-up-epochs 3 is for losses other than cross-entropy"),
        (
            {"warm_up_epochs": 3, "co_teaching": True, "noise_rate": "0.2"},
            "--warm-up-epochs 3 is for losses other than cross-entropy",
        ),
    ],
)
def test_what_cannot_be_is_refused(make_pool: MakePool, options: dict[str, Any], message: str) -> None:
    project = make_pool()
    with pytest.raises(UsageError, match=message):
        train(project, dataclasses.replace(QUICK, **options))
    assert models.all_models(project) == []
