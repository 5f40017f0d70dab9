"""`train` as a whole: what it saves, what it refuses, and that it can be repeated and resumed."""

from __future__ import annotations

import dataclasses
import json
import logging
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from alcli import files, inference, ledger, models, networks, training
from alcli import manifest as manifests
from alcli.errors import InputRejected, LockHeld, StepMissing, UsageError
from alcli.images.transform import Transform
from alcli.networks import Blueprint
from alcli.project import Project
from alcli.signals import SignalStore
from alcli.training import Options, checkpoints, folders, inputs, loop, tasks
from alcli.training.recipe import Recipe

from tests.conftest import Listener
from tests.training.conftest import MakePool

QUICK = Options(epochs=4, batch_size=8)


def train(project: Project, options: Options = QUICK, **how: Any) -> training.TrainReport:
    return training.train(project, options, device="cpu", workers=0, **how)


def log_of(project: Project, model: str) -> list[dict[str, Any]]:
    """Return the log without the seconds, the one thing in it that is never the same twice."""
    lines = files.read_lines(project.models / model / "log.jsonl")
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def weights_of(project: Project, model: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project.models / model).glob("*.safetensors")}


def leftovers(project: Project) -> list[str]:
    return [path.name for path in project.models.iterdir() if path.is_dir() and path.name.startswith(".")]


class TestWhatIsSaved:
    def test_a_model_with_its_record_and_its_log(self, make_pool: MakePool) -> None:
        project = make_pool(val=2, test=2)
        report = train(project, dataclasses.replace(QUICK, epochs=30))
        record = models.newest(project)
        about = record.about
        assert report.trained
        assert report.model == record.id == f"0001-{about['identity'][:6]}"
        assert about["architecture"] == "lenet"
        assert about["classes"] == ["bright", "dark", "middle"]
        assert (about["transform"]["image_size"], about["transform"]["channels"]) == (8, 1)
        assert (about["embedding"], about["embedding_dim"], about["frozen"]) == ("triplet", 128, False)
        assert about["labelled"] == {"train": 18, "val": 6, "test": 6}
        assert set(about["versions"]) == {"alcli", "torch", "timm"}
        for name in ("val_accuracy", "train_accuracy", "test_accuracy"):
            assert about["metrics"][name] == 1.0
        assert about["metrics"]["nearest_centre_val_accuracy"] == 1.0
        assert about["metrics"]["nearest_centre_test_accuracy"] == 1.0
        assert about["metrics"]["epochs"] == 30
        assert leftovers(project) == []
        log = files.read_lines(record.folder / "log.jsonl")
        assert [(line["network"], line["epoch"]) for line in log] == [
            (name, epoch) for name in ("classifier", "embedder") for epoch in range(1, 31)
        ]
        assert {"loss", "accuracy", "val_accuracy", "val_loss", "seconds"} <= set(log[0])

    def test_the_saved_model_gives_the_recorded_accuracy(self, make_pool: MakePool) -> None:
        project = make_pool(test=3)
        train(project, dataclasses.replace(QUICK, epochs=15))
        record = models.newest(project)
        model = networks.load(record, torch.device("cpu"))
        transform = Transform.from_dict(record.about["transform"])
        manifest = manifests.read(project.manifest)
        rows = np.flatnonzero(manifest.equals("split", "test"))
        paths = [f"{project.pool}/{name}" for name in manifest.strings("file_name", rows)]
        reader = inputs.DecodePool(transform, workers=0)
        with reader, torch.inference_mode():
            pixels = next(iter(reader.stream(paths, batch_size=99))).pixels
            found = (
                model(networks.to_input(pixels, transform, torch.device("cpu"))).logits.argmax(dim=1).numpy()
            )
        accuracy = float((found == manifest.label_codes[rows]).mean())
        assert record.about["metrics"]["test_accuracy"] == accuracy

    def test_the_best_epoch_is_kept(self, make_pool: MakePool) -> None:
        project = make_pool(val=3)
        report = train(project, dataclasses.replace(QUICK, epochs=12, lr=0.003))
        log = [line for line in log_of(project, report.model) if line["network"] == "classifier"]
        best = max(log[4:], key=lambda line: (line["val_accuracy"], line["epoch"]))
        assert report.metrics["best_epoch"] == best["epoch"]
        assert report.metrics["val_accuracy"] == best["val_accuracy"]
        assert report.metrics["val_loss"] == pytest.approx(best["val_loss"], abs=1e-5)

    def test_without_validation_images_the_last_epoch_is_kept_and_that_is_said(
        self, make_pool: MakePool, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "alcli")
        report = train(make_pool())
        assert report.metrics["best_epoch"] == report.metrics["epochs"] == 4
        assert "val_accuracy" not in report.metrics
        assert "no validation images: the last epoch is kept" in caplog.text

    def test_patience_stops_early(self, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch) -> None:
        accuracies = iter([0.9, 0.5, 0.8, 0.7, 0.8, 0.6, 0.8])
        monkeypatch.setattr(
            tasks, "judge_logits", lambda *_: {"val_accuracy": next(accuracies), "val_loss": 1.0}
        )
        options = dataclasses.replace(QUICK, epochs=7, patience=2, embedding="none")
        report = train(make_pool(val=1), options)
        # The first two epochs do not count yet; later, 0.8 again is as good as better.
        assert (report.metrics["epochs"], report.metrics["best_epoch"]) == (7, 7)
        accuracies = iter([0.9, 0.5, 0.8, 0.7, 0.6, 0.9, 0.9])
        report = train(make_pool("other", val=1), options)
        assert (report.metrics["epochs"], report.metrics["best_epoch"]) == (5, 3)

    @pytest.mark.parametrize("embedding", ["joint", "none"])
    def test_embeddings(self, make_pool: MakePool, embedding: str) -> None:
        project = make_pool(val=2)
        report = train(project, dataclasses.replace(QUICK, epochs=25, embedding=embedding, embedding_dim=7))
        names = {line["network"] for line in log_of(project, report.model)}
        assert names == ({"joint"} if embedding == "joint" else {"classifier"})
        model = networks.load(models.newest(project), torch.device("cpu"))
        embedded = model(torch.zeros(1, 1, 8, 8)).triplet_embeddings
        assert (embedded is None) if embedding == "none" else (embedded.shape == (1, 7))
        assert report.metrics["val_accuracy"] == 1.0
        assert ("nearest_centre_val_accuracy" in report.metrics) == (embedding == "joint")

    def test_the_temperature_is_fitted_from_a_hundred_validation_labels_on(
        self, make_pool: MakePool, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "alcli")
        few = train(make_pool("few", val=33), dataclasses.replace(QUICK, embedding="none"))
        assert few.temperature == 1.0
        assert "temperature not fitted: 99 validation labels" in caplog.text
        enough = train(make_pool("enough", val=34), dataclasses.replace(QUICK, embedding="none"))
        assert enough.temperature != 1.0
        assert enough.metrics["val_nll_calibrated"] < enough.metrics["val_nll"]


class TestDefaults:
    def test_colour_images_get_three_channels_and_large_ones_resnet18(self, make_pool: MakePool) -> None:
        project = make_pool(train={"bright": 2, "dark": 2}, side=80, colour=True)
        report = train(project, Options(epochs=1, image_size=32, embedding="none"))
        about = models.newest(project).about
        assert report.architecture == "resnet18"
        assert (about["transform"]["image_size"], about["transform"]["channels"]) == (32, 3)
        assert about["transform"]["resize"] == "crop"

    def test_small_sets_are_trained_for_more_epochs(self, make_pool: MakePool) -> None:
        project = make_pool(train={"bright": 2, "dark": 2})
        assert train(project, Options(embedding="none")).metrics["epochs"] == 200

    @pytest.mark.parametrize(
        ("architecture", "network", "steps", "epochs"),
        [
            ("lenet", "classifier", 100, 30),
            ("lenet", "classifier", 20, 75),
            ("lenet", "embedder", 100, 60),
            ("lenet", "embedder", 6, 100),
            ("lenet", "embedder", 1, 200),
            ("resnet18", "embedder", 100, 30),
        ],
    )
    def test_epochs_of_each_network(self, architecture: str, network: str, steps: int, epochs: int) -> None:
        blueprint = Blueprint(architecture, classes=2, channels=1, image_size=32)
        assert Recipe(Options(), blueprint, Transform(32, 1), "fp32", "").epochs(network, steps) == epochs

    def test_the_embedding_may_have_epochs_of_its_own(self, make_pool: MakePool) -> None:
        metrics = train(make_pool(), dataclasses.replace(QUICK, embedding_epochs=6)).metrics
        assert (metrics["epochs"], metrics["embedder_epochs"]) == (4, 6)


class TestRepeating:
    def test_the_same_again_is_up_to_date(
        self, make_pool: MakePool, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "alcli")
        project = make_pool()
        first, again = train(project), train(project)
        assert (first.trained, again.trained) == (True, False)
        assert again.model == first.model
        assert f"model {first.model} is up to date" in caplog.text
        assert train(project, dataclasses.replace(QUICK, seed=1)).model.startswith("0002-")

    def test_a_changed_label_is_trained_on(self, make_pool: MakePool) -> None:
        project = make_pool()
        first = train(project)
        with ledger.writing(project, "test"):
            manifest = manifests.read(project.manifest)
            ledger.commit(project, manifest.assign(np.array([0]), label="dark"), command="test")
        again = train(project)
        assert again.trained
        assert again.model != first.model

    @pytest.mark.parametrize("embedding", ["triplet", "joint"])
    def test_the_same_inputs_give_the_same_bytes(self, make_pool: MakePool, embedding: str) -> None:
        options = dataclasses.replace(QUICK, embedding=embedding, augment="standard")
        one, other = make_pool("one", val=2), make_pool("other", val=2)
        first, second = train(one, options), train(other, options)
        assert weights_of(one, first.model) == weights_of(other, second.model)
        assert log_of(one, first.model) == log_of(other, second.model)

    def test_images_too_many_for_memory_give_the_same_model(
        self, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, other = make_pool("one", val=2), make_pool("other", val=2)
        held = train(one)
        monkeypatch.setattr(inputs, "MEMORY_BYTES", 0)
        monkeypatch.setattr(inputs, "DECODED_AT_ONCE", 5)
        monkeypatch.delattr(inputs.HeldPixels, "batches")
        streamed = train(other)
        assert weights_of(one, held.model) == weights_of(other, streamed.model)
        assert log_of(one, held.model) == log_of(other, streamed.model)

    def test_torch_s_own_random_state_is_left_alone(self, make_pool: MakePool) -> None:
        before = torch.get_rng_state()
        train(make_pool())
        assert torch.equal(torch.get_rng_state(), before)
        assert not torch.are_deterministic_algorithms_enabled()


class Stop(Exception):
    """A test's own interruption."""


def stop_after(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    """Make training fail when so many epochs, over both networks, have been saved."""
    done = 0
    original = checkpoints.Checkpoint.save

    def save(self: checkpoints.Checkpoint, *arguments: Any, **how: Any) -> None:
        nonlocal done
        original(self, *arguments, **how)
        done += 1
        if done == epochs:
            raise Stop

    monkeypatch.setattr(checkpoints.Checkpoint, "save", save)


class TestResuming:
    @pytest.mark.parametrize("epochs", [1, 3, 4, 6, 8])
    def test_an_interrupted_run_ends_as_an_uninterrupted_one(
        self, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch, epochs: int
    ) -> None:
        monkeypatch.setattr(checkpoints, "EVERY_S", 0.0)
        whole, stopped = make_pool("whole", val=2), make_pool("stopped", val=2)
        expected = train(whole)
        with monkeypatch.context() as patch:
            stop_after(patch, epochs)
            with pytest.raises(Stop):
                train(stopped)
        assert models.all_models(stopped) == []
        trained = []
        original = loop._train_epoch
        monkeypatch.setattr(loop, "_train_epoch", lambda *a: trained.append(a[3]) or original(*a))
        resumed = train(stopped, resume=True)
        assert len(trained) == 8 - epochs
        assert weights_of(stopped, resumed.model) == weights_of(whole, expected.model)
        assert log_of(stopped, resumed.model) == log_of(whole, expected.model)
        assert leftovers(stopped) == []

    def test_it_does_not_matter_when_it_was_last_saved(
        self, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole, stopped = make_pool("whole"), make_pool("stopped")
        expected = train(whole)
        with monkeypatch.context() as patch:
            stop_after(patch, 6)  # in the embedder; only the finished classifier is on disk
            with pytest.raises(Stop):
                train(stopped)
        resumed = train(stopped, resume=True)
        assert weights_of(stopped, resumed.model) == weights_of(whole, expected.model)

    def test_without_resume_what_was_left_is_discarded(
        self, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(checkpoints, "EVERY_S", 0.0)
        project = make_pool()
        with monkeypatch.context() as patch:
            stop_after(patch, 3)
            with pytest.raises(Stop):
                train(project)
        assert len(leftovers(project)) == 1
        trained = []
        original = loop._train_epoch
        monkeypatch.setattr(loop, "_train_epoch", lambda *a: trained.append(a[3]) or original(*a))
        train(project)
        assert len(trained) == 8
        assert leftovers(project) == []

    def test_other_options_are_not_resumed(
        self, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "alcli")
        project = make_pool()
        with monkeypatch.context() as patch:
            stop_after(patch, 3)
            with pytest.raises(Stop):
                train(project)
        report = train(project, dataclasses.replace(QUICK, seed=5), resume=True)
        assert report.trained
        assert "nothing to resume" in caplog.text

    @pytest.mark.slow
    def test_a_killed_process_is_resumed(self, make_pool: MakePool) -> None:
        whole, killed = make_pool("whole", val=2), make_pool("killed", val=2)
        options = Options(epochs=150, batch_size=8)
        expected = train(whole, options)
        program = (
            "import sys; from pathlib import Path; from alcli import training; "
            "from alcli.project import Project; "
            "from alcli.training import checkpoints; checkpoints.EVERY_S = 0.0;"
            "training.train(Project.open(Path(sys.argv[1])), training.Options(epochs=150, batch_size=8),"
            " device='cpu', workers=0)"
        )
        process = subprocess.Popen([sys.executable, "-c", program, str(killed.pool)])
        deadline = time.monotonic() + 60
        while not list(killed.models.glob(".partial-*/embedder.safetensors")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert models.all_models(killed) == []
        resumed = train(killed, options, resume=True)
        assert weights_of(killed, resumed.model) == weights_of(whole, expected.model)
        assert log_of(killed, resumed.model) == log_of(whole, expected.model)


class TestFrozenBackbone:
    OPTIONS = Options(model="lenet", freeze_backbone=True, epochs=40)

    def test_features_are_computed_once_and_only_the_new_ones_later(
        self, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        project = make_pool(val=2, unlabelled=2)
        computed: list[int] = []
        original = networks.Model.features
        monkeypatch.setattr(
            networks.Model, "features", lambda m, x: computed.append(len(x)) or original(m, x)
        )
        first = train(project, self.OPTIONS)
        about = models.newest(project).about
        store = SignalStore(project.signals / about["features"])
        assert (sum(computed), len(store.keys)) == (24, 24)
        assert first.metrics["val_accuracy"] == 1.0
        with ledger.writing(project, "test"):
            manifest = manifests.read(project.manifest)
            rows = np.flatnonzero(~manifest.labelled)
            labels = [name.split("/")[0] for name in manifest.strings("file_name", rows)]
            ledger.commit(project, manifest.assign(rows, label=labels), command="test")
        computed.clear()
        second = train(project, self.OPTIONS)
        assert sum(computed) == 6
        assert second.labelled == 24
        assert models.newest(project).about["features"] == about["features"]

    def test_the_loaded_model_gives_the_same_from_images_and_from_features(self, make_pool: MakePool) -> None:
        project = make_pool()
        train(project, self.OPTIONS)
        record = models.newest(project)
        model = networks.load(record, torch.device("cpu"))
        assert model.frozen
        images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            outputs, from_features = model(images), model.heads(model.features(images))
        assert torch.equal(outputs.logits, from_features.logits)
        manifest = manifests.read(project.manifest)
        store = SignalStore(project.signals / record.about["features"])
        assert len(inference.stale_rows(manifest, np.arange(len(manifest)), store)) == 0

    def test_augmentation_is_refused(self, make_pool: MakePool) -> None:
        with pytest.raises(UsageError, match="--augment cannot go with --freeze-backbone"):
            train(make_pool(), dataclasses.replace(self.OPTIONS, augment="standard"))


class TestBadInput:
    def test_no_manifest(self, tmp_path: Path) -> None:
        with pytest.raises(StepMissing, match="no label manifest"):
            train(Project.open(tmp_path))

    def test_no_labels(self, make_pool: MakePool) -> None:
        with pytest.raises(StepMissing, match="has a label yet") as caught:
            train(make_pool(train={"none": 0}, unlabelled=2))
        assert "init --labels" in str(caught.value.hint)
        assert "--strategy random" in str(caught.value.hint)

    def test_one_class(self, make_pool: MakePool) -> None:
        with pytest.raises(
            InputRejected, match="all 4 labelled images are of one class, 'dark'; training needs two"
        ) as caught:
            train(make_pool(train={"dark": 4}))
        assert "init --labels FILE" in str(caught.value.hint), "nothing is left to query"
        with pytest.raises(InputRejected) as caught:
            train(make_pool("more", train={"dark": 4}, unlabelled=1))
        assert "select --strategy random" in str(caught.value.hint)

    def test_classes_too_small_for_triplets(
        self, make_pool: MakePool, caplog: pytest.LogCaptureFixture
    ) -> None:
        report = train(make_pool("a", train={"bright": 4, "dark": 4, "middle": 1}))
        assert (
            "1 classes have a single labelled image and stay out of the triplet embedding: middle"
            in caplog.text
        )
        assert report.labelled == 9
        project = make_pool("b", train={"bright": 4, "dark": 1})
        train(project)
        assert "no triplet embedding is trained" in caplog.text
        assert "1 classes have no labelled image to learn from: middle" in caplog.text
        assert models.newest(project).about["embedding"] == "none"

    @pytest.mark.parametrize("frozen", [False, True])
    def test_unreadable_images_are_left_out_and_written_down(
        self, make_pool: MakePool, caplog: pytest.LogCaptureFixture, frozen: bool
    ) -> None:
        project = make_pool(val=2)
        (project.pool / "dark/train-000.png").write_bytes(b"")
        (project.pool / "dark/val-001.png").write_bytes(b"no image")
        (project.pool / "dark/train-003.png").unlink()
        report = train(project, dataclasses.replace(QUICK, model="lenet", freeze_backbone=frozen))
        assert (report.unreadable, report.labelled) == (3, 16)
        assert "3 labelled images are unreadable" in caplog.text
        manifest = manifests.read(project.manifest)
        rows = np.flatnonzero(manifest.equals("status", "unreadable"))
        assert manifest.strings("file_name", rows) == [
            "dark/train-000.png",
            "dark/train-003.png",
            "dark/val-001.png",
        ]
        assert manifest.strings("problem", rows)[0] == "the file is empty"
        assert not train(project, dataclasses.replace(QUICK, model="lenet", freeze_backbone=frozen)).trained

    def test_too_many_unreadable_images(self, make_pool: MakePool) -> None:
        project = make_pool()
        for number in range(2):
            (project.pool / f"dark/train-00{number}.png").write_bytes(b"")
        with pytest.raises(InputRejected, match="2 labelled images are unreadable, more than --max-bad 1"):
            train(project, max_bad=1)
        assert models.all_models(project) == []

    def test_every_image_unreadable(self, make_pool: MakePool) -> None:
        project = make_pool()
        for path in project.pool.rglob("*.png"):
            path.write_bytes(b"no image")
        with pytest.raises(InputRejected, match="none of the 18 labelled images can be read"):
            train(project)

    def test_a_loss_that_is_not_a_number(self, make_pool: MakePool) -> None:
        with pytest.raises(InputRejected, match="no longer a number") as caught:
            train(make_pool(), dataclasses.replace(QUICK, lr=1e30))
        assert "--lr" in str(caught.value.hint)

    def test_another_train_on_the_same_pool(self, make_pool: MakePool) -> None:
        project = make_pool()
        with folders.only_one(project), pytest.raises(LockHeld, match="another `alcli train`"):
            train(project)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"embedding": "triplets"}, "unknown --embedding 'triplets'"),
            ({"class_weights": "equal"}, "unknown --class-weights 'equal'"),
            ({"channels": 2}, "--channels 2"),
            ({"lr": 0.0}, "--lr 0.0"),
            ({"dropout": 1.0}, "--dropout 1.0"),
            ({"weights": Path("w"), "pretrained": True}, "exclude each other"),
            ({"model": "lenet", "image_size": 7}, "at least 8 px"),
            ({"model": "lenett"}, "unknown model 'lenett'; did you mean lenet"),
        ],
    )
    def test_options_out_of_range(self, make_pool: MakePool, options: dict[str, Any], message: str) -> None:
        with pytest.raises(UsageError, match=message):
            train(make_pool(), Options(**options))


class TestWeights:
    def test_training_starts_from_a_file_of_weights(self, make_pool: MakePool, tmp_path: Path) -> None:
        torch.manual_seed(0)
        backbone = networks.build(networks.Blueprint("lenet", 3, 1, 8)).classifier.backbone
        marked = {name: torch.full_like(tensor, 0.01) for name, tensor in backbone.state_dict().items()}
        path = tmp_path / "w.safetensors"
        safetensors.torch.save_file(marked, path)
        project = make_pool()
        train(project, Options(model="lenet", channels=1, weights=path, freeze_backbone=True, epochs=2))
        model = networks.load(models.newest(project), torch.device("cpu"))
        assert bool((model.classifier.backbone[0].weight == 0.01).all())
        both = train(project, dataclasses.replace(QUICK, model="lenet", channels=1, weights=path, lr=1e-12))
        model = networks.load(models.newest(project), torch.device("cpu"))
        assert both.trained
        assert model.embedder.backbone[0].weight.flatten().tolist() == pytest.approx([0.01] * 288)

    def test_a_missing_file_is_rejected(self, make_pool: MakePool, tmp_path: Path) -> None:
        with pytest.raises(InputRejected, match="no file of weights"):
            train(make_pool(), Options(weights=tmp_path / "none.pth"))


def test_pseudo_labels_are_learned_from_only_if_asked_for(make_pool: MakePool) -> None:
    project = make_pool(unlabelled=2)
    with ledger.writing(project, "test"):
        manifest = manifests.read(project.manifest)
        rows = np.flatnonzero(~manifest.labelled)
        labels = [name.split("/")[0] for name in manifest.strings("file_name", rows)]
        ledger.commit(project, manifest.assign(rows, pseudo_label=labels), command="test")
    plain = train(project)
    assert (plain.labelled, plain.pseudo_labelled) == (18, 0)
    more = train(project, dataclasses.replace(QUICK, use_pseudo_labels=True))
    assert (more.labelled, more.pseudo_labelled) == (24, 6)
    assert manifests.read(project.manifest).labelled.sum() == 18


def test_a_guess_that_a_person_confirms_is_trained_on_anew(make_pool: MakePool) -> None:
    """The label is the same, but refining and `vaal` treat what people said otherwise."""
    project = make_pool(unlabelled=2)
    options = dataclasses.replace(QUICK, use_pseudo_labels=True)
    with ledger.writing(project, "test"):
        manifest = manifests.read(project.manifest)
        rows = np.flatnonzero(~manifest.labelled)
        ledger.commit(project, manifest.assign(rows, pseudo_label="bright"), command="test")
    first = train(project, options)
    with ledger.writing(project, "test"):
        manifest = manifests.read(project.manifest)
        ledger.commit(project, manifest.assign(rows, label="bright", pseudo_label=None), command="test")
    again = train(project, options)
    assert (again.trained, again.pseudo_labelled) == (True, 0)
    assert again.model != first.model


def test_a_guess_about_a_declined_image_is_not_learned_from(make_pool: MakePool) -> None:
    project = make_pool(unlabelled=2)
    with ledger.writing(project, "test"):
        manifest = manifests.read(project.manifest)
        rows = np.flatnonzero(~manifest.labelled)
        manifest = manifest.assign(rows, pseudo_label="bright").assign(rows[:1], status="skipped")
        ledger.commit(project, manifest, command="test")
    assert train(project, dataclasses.replace(QUICK, use_pseudo_labels=True)).pseudo_labelled == 5


def test_progress_tells_loss_and_accuracy(make_pool: MakePool) -> None:
    listener, stage = Listener(), "training lenet (classifier)"
    train(make_pool(val=2), progress=listener.progress)
    assert listener.totals[stage] == 4 * 3
    assert listener.complete(stage)
    _, note = listener.advances[stage][-1]
    assert "loss" in note
    assert "validation" in note


def test_what_was_trained_before_is_no_progress_of_now(
    make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "EVERY_S", 0.0)
    project, listener, stage = make_pool(val=2), Listener(), "training lenet (classifier)"
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        with pytest.raises(Stop):
            train(project)
    train(project, resume=True, progress=listener.progress)
    assert listener.earlier[stage] == 3 * 3
    assert listener.complete(stage)


def test_bf16_trains_on_the_cpu_too(make_pool: MakePool) -> None:
    report = train(make_pool(val=2), dataclasses.replace(QUICK, epochs=25, precision="bf16"))
    assert report.metrics["val_accuracy"] == 1.0
    assert json.dumps(report.metrics)


@pytest.mark.gpu
def test_training_on_the_gpu(make_pool: MakePool) -> None:
    project = make_pool(val=2)
    report = training.train(project, dataclasses.replace(QUICK, epochs=25), device="cuda", workers=0)
    assert report.metrics["val_accuracy"] == 1.0
    assert models.newest(project).about["options"]["precision"] == "bf16"
