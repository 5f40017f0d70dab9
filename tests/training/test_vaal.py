"""`train --objective vaal`: the classifier stays what it is, and a discriminator is trained beside it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from alcli import files, ledger, models, networks, scoring, training
from alcli import manifest as manifests
from alcli.errors import InputRejected
from alcli.main import app
from alcli.networks import Blueprint
from alcli.project import Project
from alcli.signals import SignalStore
from alcli.training import Options, checkpoints, inputs
from alcli.training.inputs import Examples, Features
from alcli.training.loop import Batch
from alcli.training.objectives.vaal import _Game
from torch.nn import functional as F
from typer.testing import CliRunner

from tests.training.conftest import MakePool
from tests.training.test_noisy_labels import with_pseudo_labels
from tests.training.test_run import Stop, stop_after

SMALL = {"vae_epochs": "2", "vae_width": "2", "vae_batch": "8", "z": "3"}
PLAIN = Options(epochs=2, batch_size=8)
QUICK = dataclasses.replace(PLAIN, objective="vaal", parameters=SMALL)


def train(project: Project, options: Options = QUICK, **how: Any) -> training.TrainReport:
    return training.train(project, options, device="cpu", **{"workers": 0, **how})


def weights_of(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in models.newest(project).folder.glob("*.safetensors")}


def test_the_classifier_is_trained_as_without_it(make_pool: MakePool) -> None:
    plain, beside = make_pool("plain", val=2, unlabelled=4), make_pool("beside", val=2, unlabelled=4)
    train(plain, PLAIN)
    train(beside)
    alone, together = weights_of(plain), weights_of(beside)
    assert set(together) - set(alone) == {"autoencoder.safetensors", "discriminator.safetensors"}
    assert {name: together[name] for name in alone} == alone
    first, second = (models.newest(project).about["metrics"] for project in (plain, beside))
    assert {name: second[name] for name in first} == first
    assert second["vaal_epochs"] == 2


def test_what_a_model_labelled_counts_as_unlabelled(make_pool: MakePool) -> None:
    """Its images can still be asked about: the game is the one without pseudo-labels, the classifier is not."""
    plain, guessed = make_pool("plain", unlabelled=4), with_pseudo_labels(make_pool("guessed", unlabelled=4))
    train(plain)
    report = train(guessed, dataclasses.replace(QUICK, use_pseudo_labels=True))
    assert report.pseudo_labelled == 12
    one, other = weights_of(plain), weights_of(guessed)
    assert {name for name in one if one[name] == other[name]} == {
        "autoencoder.safetensors",
        "discriminator.safetensors",
    }


def test_scores_are_what_the_saved_networks_say(make_pool: MakePool) -> None:
    project = make_pool(unlabelled=4)
    train(project)
    record = models.newest(project)
    scoring.score(project, record, device="cpu", workers=0)
    store = SignalStore(record.signals(project))
    scores = store.read(["discriminator_scores"], store.keys)["discriminator_scores"]
    assert scores.shape == (30,)
    assert np.isfinite(scores).all()
    assert "triplet_embeddings" in store.shapes
    model = networks.load(record, torch.device("cpu"))
    black = torch.full((1, 1, 8, 8), -1.0)
    odds = model.companions["discriminator"](model.companions["autoencoder"].encode(black)[0])
    assert torch.equal(model.discriminate(black), odds[:, 0])


def test_a_kind_of_image_that_is_never_labelled_is_found(make_pool: MakePool) -> None:
    """Labels of two shades, none of the third: its images are the ones that look least labelled."""
    project = make_pool(train={"bright": 12, "dark": 12}, unlabelled=12)
    longer = {**SMALL, "vae_batch": "32", "vae_epochs": "40", "vae_lr": "0.01", "beta": "0.01", "lambda": "0"}
    train(project, dataclasses.replace(QUICK, embedding="none", parameters=longer))
    done = CliRunner().invoke(
        app, ["select", "-s", "vaal", "-k", "12", "-o", "-", "--workers", "0", str(project.pool)]
    )
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("middle/") >= 10


class TestRepeating:
    def test_neither_workers_nor_memory_matter(
        self, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, other = make_pool("one", unlabelled=4), make_pool("other", unlabelled=4)
        train(one)
        monkeypatch.setattr(inputs, "MEMORY_BYTES", 0)
        monkeypatch.setattr(inputs, "DECODED_AT_ONCE", 5)
        train(other, workers=1)
        assert weights_of(one) == weights_of(other)

    @pytest.mark.parametrize("epochs", [1, 5])
    def test_an_interrupted_run_ends_as_an_uninterrupted_one(
        self, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch, epochs: int
    ) -> None:
        monkeypatch.setattr(checkpoints, "EVERY_S", 0.0)
        whole, stopped = make_pool("whole", unlabelled=3), make_pool("stopped", unlabelled=3)
        train(whole)
        with monkeypatch.context() as patch:
            stop_after(patch, epochs)  # in the classifier; in the first epoch of the game
            with pytest.raises(Stop):
                train(stopped)
        train(stopped, resume=True)
        assert weights_of(stopped) == weights_of(whole)
        log = files.read_lines(models.newest(stopped).folder / "log.jsonl")
        expected = [name for name in ("classifier", "embedder", "vaal") for _ in range(2)]
        assert [line["network"] for line in log] == expected


class TestTheGame:
    def game(self, reduction: str = "mean") -> _Game:
        plan = Blueprint("lenet", 2, 1, 8, embedding="none", objective="vaal", code=3, code_width=2)
        images = torch.randn(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        pool = Examples(Features(images), np.where(np.arange(20) < 5, 0, -1))
        return _Game(networks.build(plan), pool, 8, {"beta": 0.5, "lambda": 2.0}, reduction)

    def step(self, game: _Game, turn: int) -> tuple[float, Batch]:
        orders = game._orders(np.random.default_rng(0))
        game.turn = turn
        inputs_ = next(iter(game.pool.inputs.batches([orders[turn]])))
        codes = torch.from_numpy(game.pool.codes[orders[turn]])
        batch = Batch(inputs_, codes, orders[turn], 1, np.random.default_rng(0))
        torch.manual_seed(1)
        loss, _ = game._loss(batch)
        loss.backward()
        return float(loss.detach()), batch

    def test_two_steps_of_the_autoencoder_then_one_of_the_discriminator_on_the_same_images(self) -> None:
        game = self.game()
        orders = game._orders(np.random.default_rng(0))
        assert len(orders) == game.task(epochs=1, lr=1e-3).steps == 9
        assert orders[1].tolist() == orders[2].tolist() != orders[0].tolist()
        for order in orders:
            codes = game.pool.codes[order]
            assert ((codes >= 0).sum(), (codes < 0).sum()) == (5, 8)
        for turn, (learns, rests) in enumerate(
            [(game.autoencoder, game.discriminator)] * 2 + [(game.discriminator, game.autoencoder)]
        ):
            game.autoencoder.zero_grad(set_to_none=True)
            game.discriminator.zero_grad(set_to_none=True)
            self.step(game, turn)
            assert all(p.grad is not None for p in learns.parameters())
            assert all(p.grad is None for p in rests.parameters())

    @pytest.mark.parametrize("reduction", ["mean", "sum"])
    def test_losses_as_they_are_written(self, reduction: str) -> None:
        game = self.game(reduction)
        game.autoencoder.eval()  # or each step would see other batch statistics
        loss, batch = self.step(game, 0)
        torch.manual_seed(1)
        expected = 0.0
        with torch.no_grad():
            for part in (batch.inputs[batch.codes >= 0], batch.inputs[batch.codes < 0]):
                made = game.autoencoder(part)
                divergence = -0.5 * (1 + made.log_variance - made.mean**2 - made.log_variance.exp()).sum()
                d = torch.sigmoid(game.discriminator(made.mean))
                error = ((made.images - part) ** 2).sum() / (part.numel() if reduction == "mean" else 1)
                expected += float(error + 0.5 * divergence - 2.0 * d.log().mean())
        assert loss == pytest.approx(expected, rel=1e-5)
        judged, batch = self.step(game, 2)
        with torch.no_grad():
            d = torch.sigmoid(game.discriminator(game.autoencoder.encode(batch.inputs)[0]))[:, 0]
        own, others = d[batch.codes >= 0], d[batch.codes < 0]
        expected = F.binary_cross_entropy(own, torch.ones(5)) + F.binary_cross_entropy(others, torch.zeros(8))
        assert judged == pytest.approx(float(expected), rel=1e-5)


class TestBadInput:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["-O", "z=0"], "z is '0'"),
            (["-O", "vae_mse=median"], "vae_mse is 'median'; it must be mean or sum"),
            (["--freeze-backbone"], "--freeze-backbone cannot go with --objective vaal"),
        ],
    )
    def test_it_is_named_and_nothing_changes(
        self, make_pool: MakePool, snapshot: Any, words: list[str], message: str
    ) -> None:
        project = make_pool(unlabelled=1)
        before = snapshot(project.pool)
        done = CliRunner().invoke(app, ["train", "--objective", "vaal", *words, str(project.pool)])
        assert done.exit_code == 2
        assert message in done.stderr
        assert snapshot(project.pool) == before

    def test_a_pool_without_unlabelled_images(self, make_pool: MakePool) -> None:
        project = make_pool()
        with pytest.raises(InputRejected, match="18 readable images of the train split, and 0 have"):
            train(project)
        assert models.all_models(project) == []

    @pytest.mark.parametrize("unlabelled", [0, 1])
    def test_one_image_is_no_batch(self, make_pool: MakePool, unlabelled: int) -> None:
        project = make_pool()
        with ledger.writing(project, "test"):
            manifest = manifests.read(project.manifest)
            rows = np.arange(unlabelled)
            ledger.commit(project, manifest.assign(rows, label=None), command="test")
        with pytest.raises(
            InputRejected, match=f"and {unlabelled} have no label: to tell them apart takes 2"
        ):
            train(project)

    def test_without_any_label_by_people_there_is_nothing_to_tell_apart(self, make_pool: MakePool) -> None:
        project = with_pseudo_labels(make_pool(unlabelled=4))
        with ledger.writing(project, "test"):
            manifest = manifests.read(project.manifest)
            ledger.commit(project, manifest.assign(manifest.labelled, label=None), command="test")
        with pytest.raises(InputRejected, match="people labelled 0 readable images"):
            train(project, dataclasses.replace(QUICK, use_pseudo_labels=True))

    def test_a_classifier_has_no_discriminator_and_that_is_said(self, make_pool: MakePool) -> None:
        project = make_pool(unlabelled=2)
        train(project, PLAIN)
        done = CliRunner().invoke(app, ["select", "-s", "vaal", "-k", "1", str(project.pool)])
        assert done.exit_code == 3
        assert f"alcli train --objective vaal {project.pool}" in done.stderr
