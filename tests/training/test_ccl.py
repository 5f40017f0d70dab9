"""`train --objective ccl`: what it learns from, what it saves, and that it can be resumed and gone on from."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from alcli import files, ledger, models, networks, scoring, training
from alcli import manifest as manifests
from alcli.errors import InputRejected, UsageError
from alcli.main import app
from alcli.manifest import Manifest
from alcli.networks import Blueprint
from alcli.project import Project
from alcli.signals import SignalStore
from alcli.training import Options, checkpoints, clusters, inputs
from alcli.training.batches import shuffled
from alcli.training.clusters import Targets, farthest_first, first_centres
from alcli.training.inputs import Examples, Features
from alcli.training.loop import Batch
from alcli.training.objectives.ccl import _Autoencoder, _Clusters, _Contrast
from typer.testing import CliRunner

from tests.conftest import draw
from tests.training.conftest import SHADES, MakePool
from tests.training.test_run import Stop, stop_after

SMALL = {"pretrain_epochs": "2", "embedding": "4"}
QUICK = Options(objective="ccl", epochs=2, batch_size=16, parameters=SMALL)


def train(project: Project, options: Options = QUICK, **how: Any) -> training.TrainReport:
    return training.train(project, options, device="cpu", **{"workers": 0, **how})


def loaded(project: Project) -> networks.Model:
    return networks.load(models.newest(project), torch.device("cpu"))


def weights_of(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in models.newest(project).folder.glob("*.safetensors")}


def log_of(project: Project) -> list[dict[str, Any]]:
    lines = files.read_lines(models.newest(project).folder / "log.jsonl")
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def change(project: Project, row: int, **columns: str) -> None:
    """Change an image; the first rows are unlabelled bright ones."""
    with ledger.writing(project, "test"):
        manifest = manifests.read(project.manifest)
        ledger.commit(project, manifest.assign(np.array([row]), **columns), command="test")


class TestWhatIsSaved:
    def test_a_model_that_scores_as_q(self, make_pool: MakePool) -> None:
        project = make_pool(train=dict.fromkeys(SHADES, 4), val=2, test=2, unlabelled=2)
        options = dataclasses.replace(
            QUICK, epochs=12, batch_size=8, parameters={**SMALL, "pretrain_epochs": "10"}
        )
        report = train(project, options)
        record = models.newest(project)
        assert (report.architecture, record.objective) == ("autoencoder", "ccl")
        assert record.about["labelled"] == {"train": 12, "val": 6, "test": 6, "pool": 18}
        assert record.about["transform"]["image_size"] == 28
        assert record.about["temperature"] == 1.0
        for split in ("train", "val", "test"):
            for figure in ("cluster_accuracy", "cluster_nmi", "cluster_ari"):
                assert report.metrics[f"{split}_{figure}"] == 1.0
        assert report.metrics["val_accuracy"] == 1.0
        assert [line["network"] for line in log_of(project)] == ["autoencoder"] * 10 + ["ccl"] * 12
        assert {"loss", "train_cluster_nmi", "val_accuracy", "empty_clusters"} <= set(log_of(project)[-1])
        scoring.score(project, record, device="cpu", workers=0)
        store = SignalStore(record.signals(project))
        names = ["probabilities", "cluster_probabilities", "embeddings", "prediction", "entropy"]
        saved = store.read(names, store.keys)
        assert saved["embeddings"].shape == (30, 4)
        assert np.array_equal(saved["cluster_probabilities"], saved["probabilities"])
        assert np.array_equal(saved["prediction"], saved["cluster_probabilities"].argmax(axis=1))
        centres = loaded(project).classifier.head.centres.detach().numpy()
        squares = np.square(saved["embeddings"].astype(float)[:, None] - centres).sum(axis=2)
        kernel = 1 / (1 + squares)
        q = kernel / kernel.sum(axis=1, keepdims=True)
        assert saved["cluster_probabilities"] == pytest.approx(q, abs=5e-3)  # embeddings are kept in float16

    def test_colour_and_a_size_that_cannot_be_halved(self, make_pool: MakePool) -> None:
        project = make_pool(train={"bright": 3, "dark": 3}, unlabelled=2, side=31, colour=True)
        train(project)
        about = models.newest(project).about
        assert (about["transform"]["image_size"], about["transform"]["channels"]) == (31, 3)
        assert loaded(project).parts.keys() == {"classifier", "decoder"}

    def test_unlabelled_images_are_learned_from_and_test_images_are_not(self, make_pool: MakePool) -> None:
        one, two, three = (make_pool(name, test=1, unlabelled=1) for name in ("one", "two", "three"))
        for path in (two.pool / "dark").glob("test-*"):
            draw(path, shade=99, side=8)
        draw(three.pool / "dark" / "000.png", shade=99, side=8)
        for project in (one, two, three):
            train(project)
        assert weights_of(one) == weights_of(two) != weights_of(three)


class TestRepeating:
    def test_neither_workers_nor_memory_matter(
        self, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, other = make_pool("one", val=1, unlabelled=3), make_pool("other", val=1, unlabelled=3)
        train(one)
        monkeypatch.setattr(inputs, "MEMORY_BYTES", 0)
        monkeypatch.setattr(inputs, "DECODED_AT_ONCE", 5)
        monkeypatch.delattr(inputs.HeldPixels, "batches")
        train(other, workers=1)
        assert weights_of(one) == weights_of(other)
        assert log_of(one) == log_of(other)

    @pytest.mark.parametrize("epochs", [1, 3])
    def test_an_interrupted_run_ends_as_an_uninterrupted_one(
        self, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch, epochs: int
    ) -> None:
        monkeypatch.setattr(checkpoints, "EVERY_S", 0.0)
        whole, stopped = make_pool("whole", unlabelled=3), make_pool("stopped", unlabelled=3)
        train(whole)
        with monkeypatch.context() as patch:
            stop_after(patch, epochs)
            with pytest.raises(Stop):
                train(stopped)
        assert models.all_models(stopped) == []
        train(stopped, resume=True)
        assert weights_of(stopped) == weights_of(whole)
        assert log_of(stopped) == log_of(whole)

    def test_the_same_again_is_up_to_date_until_an_image_goes(self, make_pool: MakePool) -> None:
        project = make_pool(unlabelled=2)
        assert [train(project).trained for _ in range(2)] == [True, False]
        change(project, 0, status="excluded")  # no label goes, an image does
        assert train(project).trained


class TestGoingOn:
    def test_the_next_round_keeps_autoencoder_and_centres(self, make_pool: MakePool) -> None:
        project = make_pool(unlabelled=3)
        train(project)
        first = loaded(project)
        change(project, 0, label="bright")
        still = dataclasses.replace(QUICK, warm_start=True, epochs=1, lr=1e-12)
        train(project, still)
        second = loaded(project)
        assert [line["network"] for line in log_of(project)] == ["ccl"]
        for name, before in first.named_parameters():
            assert torch.allclose(second.get_parameter(name), before, atol=1e-9), name

    def test_a_classifier_is_not_gone_on_from(self, make_pool: MakePool) -> None:
        project = make_pool(unlabelled=3)
        train(project, Options(epochs=1, embedding="none"))
        change(project, 0, label="dark")
        train(project, dataclasses.replace(QUICK, warm_start=True))
        assert log_of(project)[0]["network"] == "autoencoder"

    def test_another_code_is_refused(self, make_pool: MakePool) -> None:
        project = make_pool(unlabelled=3)
        train(project)
        change(project, 0, label="dark")
        other = dataclasses.replace(QUICK, warm_start=True, parameters={"embedding": "5"})
        with pytest.raises(InputRejected, match="is another network"):
            train(project, other)


class TestFirstCentres:
    def test_farthest_first(self) -> None:
        points = np.array([[0.0], [1.0], [9.0], [-4.0], [5.0]])
        assert farthest_first(points, np.array([[0.5]]), 3).tolist() == [[9.0], [-4.0], [5.0]]

    def test_means_of_classes_and_the_farthest_image_for_a_class_without_a_label(self) -> None:
        points = torch.tensor([[0.0, 0.0], [2.0, 0.0], [5.0, 5.0], [-9.0, 0.0], [1.0, 1.0]])
        codes = np.array([0, 0, 2, -1, -1])
        pool = Examples(Features(points), codes)
        learned = Examples(Features(points[:3]), codes[:3])
        found = first_centres(torch.nn.Identity(), learned, pool, 3)
        assert found.tolist() == [[1.0, 0.0], [-9.0, 0.0], [5.0, 5.0]]

    def test_a_class_without_a_label_is_trained_with_the_others(self, make_pool: MakePool) -> None:
        project = make_pool(train={"bright": 4, "dark": 4}, unlabelled=4)
        report = train(project)
        assert report.trained
        assert loaded(project).classifier.head.centres.shape == (3, 4)


class TestTargets:
    def test_as_computed_on_all_images_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two looks of three steps each: P of every batch follows from all images, at the weights of its look."""
        monkeypatch.setattr(clusters, "REFRESH", 3)
        monkeypatch.setattr(clusters, "EVALUATED_AT_ONCE", 7)
        images = torch.randn(40, 1, 28, 28, generator=torch.Generator().manual_seed(0))
        model = networks.build(Blueprint("autoencoder", 3, 1, 28, embedding="none", objective="ccl", code=2))
        head = model.classifier.head
        head.centres.data.copy_(torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.0, 0.2]]))
        orders = shuffled(40, 8, np.random.default_rng(0))
        targets = Targets(model.classifier, Examples(Features(images), np.full(40, -1)), seed=0)
        targets.begin(orders)
        for step, order in enumerate(orders):
            if step % 3 == 0:
                with torch.no_grad():
                    q = model.classifier(images)[0].softmax(dim=1).double().numpy()
            weight = q**2 / q.sum(axis=0)
            expected = weight / weight.sum(axis=1, keepdims=True)
            assert targets.next().numpy() == pytest.approx(expected[order], abs=1e-5)
            head.centres.data += 0.05  # as training would move them

    def test_of_a_large_pool_the_masses_are_those_of_a_sample(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A look reads the sample and the coming images, so an epoch is not quadratic in the pool."""
        monkeypatch.setattr(clusters, "REFRESH", 2)
        monkeypatch.setattr(clusters, "LOOKED_AT", 9)
        monkeypatch.setattr(clusters, "EVALUATED_AT_ONCE", 7)
        images = torch.randn(40, 1, 28, 28, generator=torch.Generator().manual_seed(0))
        images *= torch.arange(40).view(-1, 1, 1, 1)
        model = networks.build(Blueprint("autoencoder", 3, 1, 28, embedding="none", objective="ccl", code=2))
        model.classifier.head.centres.data.copy_(torch.tensor([[0.0, 0.5], [3.0, 0.0], [0.0, -2.0]]))
        pool = Examples(Features(images), np.full(40, -1))
        targets, again, other = (Targets(model.classifier, pool, seed=seed) for seed in (1, 1, 2))
        sample = targets.sample
        assert sample.tolist() == again.sample.tolist() != other.sample.tolist()
        assert len(set(sample.tolist())) == 9
        with torch.no_grad():
            q = model.classifier(images)[0].softmax(dim=1).double().numpy()
        weight = q**2 / q[sample].sum(axis=0)
        expected = weight / weight.sum(axis=1, keepdims=True)
        seen: list[int] = []
        model.classifier.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
        orders = shuffled(40, 4, np.random.default_rng(0))
        targets.begin(orders)
        for order in orders:
            assert targets.next().numpy() == pytest.approx(expected[order], abs=1e-5)
        assert targets.sizes.tolist() == np.bincount(q[sample].argmax(axis=1), minlength=3).tolist()
        assert sum(seen) <= 5 * (9 + 2 * 4) < 5 * 40

    @pytest.mark.parametrize(("most", "says"), [(17, True), (18, False)])
    def test_that_it_is_a_sample_is_said(
        self,
        make_pool: MakePool,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        most: int,
        says: bool,
    ) -> None:
        caplog.set_level(logging.INFO, "alcli")
        monkeypatch.setattr(clusters, "LOOKED_AT", most)
        project = make_pool(train={"bright": 3, "dark": 3}, unlabelled=4)
        report = train(project, dataclasses.replace(QUICK, epochs=1))
        assert report.metrics.get("cluster_sample") == (most if says else None)
        told = "ccl: the masses of the clusters are estimated on 17 of 18 images, drawn by the seed"
        assert (told in caplog.text) == says

    def test_looking_leaves_the_network_learning(self) -> None:
        model = networks.build(Blueprint("autoencoder", 3, 1, 28, embedding="none", objective="ccl", code=2))
        pool = Examples(Features(torch.zeros(4, 1, 28, 28)), np.full(4, -1))
        targets = Targets(model.classifier, pool, seed=0)
        targets.begin([np.arange(4)])
        model.train()
        targets.next()
        assert all(part.training for part in model.modules())


class TestTheLosses:
    CODES = np.array([0, -1, 1, -1, 2, 0, -1, -1])

    def clusters(self, *, weights: tuple[float, float, float] = (1, 1, 1), extra: int = 0) -> _Clusters:
        """Eight images, whose pixels were divided by 0.25."""
        model = networks.build(Blueprint("autoencoder", 3, 1, 28, embedding="none", objective="ccl", code=2))
        model.classifier.head.centres.data.copy_(torch.tensor([[0.0, 0.5], [3.0, 0.0], [0.0, -2.0]]))
        images = torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
        images *= 4 * torch.arange(8).view(-1, 1, 1, 1)  # or their codes would be nearly the same
        pool = Examples(Features(images), self.CODES)
        autoencoder = _Autoencoder(model, pool, 3, torch.tensor([[[0.25]]]))
        targets = Targets(model.classifier, pool, seed=0)
        return _Clusters(autoencoder, {"pool": pool}, targets, _Contrast("B", "cos", 0.1), weights, extra)

    def test_the_error_is_that_of_pixels_between_0_and_1(self) -> None:
        autoencoder = self.clusters().autoencoder
        images = next(iter(autoencoder.pool.inputs.batches([np.arange(8)])))
        with torch.no_grad():
            codes = autoencoder.model.classifier.backbone(images)
            given_back = autoencoder.model.companions["decoder"](codes)
            before, after = (0.5 + 0.25 * part.double() for part in (images, given_back))
            found = autoencoder.error(codes, images)
        assert found.item() == pytest.approx(((after - before) ** 2).mean().item(), rel=1e-5)

    def test_each_loss_has_its_own_weight(self) -> None:
        """2, 3 and 5 of the reconstruction, of KL(P‖Q) and of the contrast, all by the formulas of the paper."""
        made = self.clusters(weights=(2, 3, 5))
        made.targets.begin([np.arange(8)])
        images = next(iter(made.autoencoder.pool.inputs.batches([np.arange(8)])))
        batch = Batch(images, torch.from_numpy(self.CODES), np.arange(8), 1, np.random.default_rng(0))
        with torch.no_grad():
            found = made._loss(batch)[0].item()
            embeddings = made.classifier.backbone(images)
            mse = made.autoencoder.error(embeddings, images).item()
        z, centres = embeddings.double().numpy(), made.classifier.head.centres.detach().double().numpy()
        kernel = 1 / (1 + np.square(z[:, None] - centres).sum(axis=2))
        q = kernel / kernel.sum(axis=1, keepdims=True)
        p = q**2 / q.sum(axis=0)
        p /= p.sum(axis=1, keepdims=True)
        divergence = (p * np.log(p / q)).sum(axis=1).mean()
        units = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (z, centres)]
        attraction = np.exp(units[0] @ units[1].T / 0.1)
        codes, contrast = self.CODES, 0.0
        for code in range(3):
            own, others = codes == code, (codes >= 0) & (codes != code)
            to_centre = attraction[:, code]
            contrast -= np.log(to_centre[own] / (to_centre[own] + to_centre[others].sum())).mean()
        assert min(mse, divergence, contrast) > 0.01
        assert found == pytest.approx(2 * mse + 3 * divergence + 5 * contrast, rel=1e-5)

    @pytest.mark.parametrize(("wanted", "extra"), [(0, 0), (3, 3), (99, 4)])
    def test_every_step_may_take_labelled_images_beside_its_own(self, wanted: int, extra: int) -> None:
        orders = self.clusters(extra=wanted)._orders(np.random.default_rng(0))
        own = [order[: len(order) - extra] for order in orders]
        assert sorted(np.concatenate(own)) == list(range(8))
        for order in orders:
            added = order[len(order) - extra :]
            assert len(set(added)) == extra
            assert (self.CODES[added] >= 0).all()


class TestBadInput:
    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            (["-O", "embedding=0"], 2, "embedding is '0'; it must be a whole number from 1"),
            (["-O", "tau=0"], 2, "tau is '0'"),
            (["-O", "form=D"], 2, "form is 'D'; it must be A or B or C"),
            (["-O", "gama=1"], 2, "gama"),
            (["--image-size", "27"], 2, "--image-size 27: --objective ccl needs at least 28 px"),
            (["--model", "lenet"], 2, "--model cannot go with --objective ccl"),
            (["--freeze-backbone"], 2, "--freeze-backbone cannot go with --objective ccl"),
        ],
    )
    def test_it_is_named_and_nothing_changes(
        self, make_pool: MakePool, snapshot: Any, words: list[str], code: int, message: str
    ) -> None:
        project = make_pool()
        before = snapshot(project.pool)
        done = CliRunner().invoke(app, ["train", "--objective", "ccl", *words, str(project.pool)])
        assert done.exit_code == code
        assert message in done.stderr
        assert snapshot(project.pool) == before

    def test_one_class(self, make_pool: MakePool) -> None:
        with pytest.raises(InputRejected, match="all 4 labelled images are of one class"):
            train(make_pool(train={"dark": 4}, unlabelled=2))

    def test_many_classes_are_warned_of(self, make_pool: MakePool, caplog: pytest.LogCaptureFixture) -> None:
        project = make_pool(train={"bright": 2, "dark": 2})
        with ledger.writing(project, "test"):
            known = manifests.read(project.manifest)
            more = [*known.classes, *(f"other-{number:02d}" for number in range(48))]
            ledger.commit(project, Manifest(known.table, more), command="test")
        train(project, dataclasses.replace(QUICK, epochs=1))
        assert "51 classes in a code of 4 dimensions" in caplog.text

    def test_the_greek_letter_can_be_given_by_its_name(self, make_pool: MakePool) -> None:
        project = make_pool(train={"bright": 2, "dark": 2})
        train(project, dataclasses.replace(QUICK, parameters={"pretrain_epochs": "0", "lambda": "0.5"}))
        assert models.newest(project).about["options"]["parameters"]["lambda_"] == 0.5
        with pytest.raises(UsageError, match="lambda"):
            train(project, dataclasses.replace(QUICK, parameters={"lambda": "much"}))


def test_from_the_command_line(make_pool: MakePool, tmp_path: Path) -> None:
    """A classifier lacks the clusters, and is told; then train, score, select, status."""
    project = make_pool(unlabelled=6)
    pool = str(project.pool)

    def run(*words: str) -> Any:
        return CliRunner().invoke(app, [*words, pool])

    train(project, Options(epochs=1, embedding="none"))
    assert run("score", "--device", "cpu", "--workers", "0").exit_code == 0
    refused = run("select", "-s", "ccl", "-k", "2")
    assert refused.exit_code == 3
    assert f"alcli train --objective ccl {pool}" in refused.stderr
    quick = ["--epochs", "1", "-O", "pretrain_epochs=1", "--device", "cpu", "--workers", "0"]
    assert run("train", "--objective", "ccl", *quick).exit_code == 0
    chosen = run("select", "-s", "ccl", "-k", "2", "-o", "-", "--workers", "0", "--device", "cpu")
    assert chosen.exit_code == 0, chosen.stderr
    assert len(chosen.stdout.splitlines()) == 3
    assert "clusters" in run("status").stdout
    refused = run("select", "-s", "base", "-k", "2", "--replace")
    assert refused.exit_code == 3
    assert "only a classifier of alcli's own shows its last layer" in refused.stderr
