"""Probing: signals of candidates, in a store of their own, computed once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from alcli import files, inference, ledger, models, networks, probing
from alcli import manifest as manifests
from alcli.errors import InputRejected, LockHeld, StepMissing, UsageError
from alcli.images.decoding import decode
from alcli.images.transform import Transform
from alcli.manifest import Manifest
from alcli.models import ModelRecord
from alcli.networks import Blueprint
from alcli.networks.deepfool import adversarial_distances
from alcli.networks.gradient_lengths import expected_lengths, gradient_lengths
from alcli.project import Project
from alcli.signals import SignalStore

from tests.conftest import draw

SIDE, CLASSES = 16, ["bright", "dark", "middle"]
TRANSFORM = Transform(SIDE, 1)


def made(pool: Path, *, frozen: bool = False, classes: list[str] = CLASSES) -> tuple[Project, ModelRecord]:
    """A pool of ten images and a model of it, as `train` would leave them, but with weights by chance."""
    for row in range(10):
        draw(pool / f"{row}.png", shade=40 + 15 * row, seed=row)
    project = Project.open(pool)
    found = [(pool / f"{row}.png").stat() for row in range(10)]
    manifest = Manifest.build(
        {
            "file_name": [f"{row}.png" for row in range(10)],
            "size": [one.st_size for one in found],
            "mtime_ns": [one.st_mtime_ns for one in found],
        },
        classes,
    )
    with ledger.writing(project, "init"):
        ledger.commit(project, manifest, command="init")
    about = {
        "id": "0001-aaaaaa", "kind": "trained", "classes": classes, "architecture": "lenet", "embedding": "triplet",
        "embedding_dim": 8, "dropout": 0.5, "frozen": frozen, "transform": TRANSFORM.to_dict(), "temperature": 1.5,
    }  # fmt: skip
    files.write_json(project.models / about["id"] / models.RECORD, about)
    plan = Blueprint("lenet", len(classes), 1, SIDE, embedding_dim=8, dropout=0.5, frozen=frozen)
    networks.save(networks.build(plan, seed=1), project.models / about["id"])
    return project, models.newest(project)


@pytest.fixture
def pool(tmp_path: Path) -> tuple[Project, ModelRecord]:
    return made(tmp_path / "pool")


def probed(project: Project, record: ModelRecord, signal: str, rows: list[int]) -> SignalStore:
    manifest = manifests.read(project.manifest)
    return probing.probe(
        project, record, signal, manifest, np.array(rows), device="cpu", workers=0, batch_size=4
    )


def values(project: Project, store: SignalStore, signal: str, rows: list[int]) -> np.ndarray:
    return store.read([signal], manifests.read(project.manifest).keys[rows])[signal]


def inputs(project: Project, rows: list[int]) -> torch.Tensor:
    names = manifests.read(project.manifest).strings("file_name", np.array(rows))
    pixels = [decode(f"{project.pool}/{name}", TRANSFORM).pixels for name in names]
    return networks.to_input(np.stack(pixels), TRANSFORM, torch.device("cpu"))


@pytest.mark.parametrize("frozen", [False, True])
def test_signals_are_those_of_the_network(tmp_path: Path, frozen: bool) -> None:
    project, record = made(tmp_path / "pool", frozen=frozen)
    model, rows = networks.load(record, torch.device("cpu")), [1, 4, 5, 6, 9]
    images = inputs(project, rows)
    distances = adversarial_distances(lambda x: model.classifier(x)[0], images)
    store = probed(project, record, "adversarial_distances", rows)
    assert values(project, store, "adversarial_distances", rows) == pytest.approx(distances.numpy(), rel=1e-4)
    lengths = gradient_lengths(model, images, temperature=1.5)
    store = probed(project, record, "gradient_lengths", rows)
    assert values(project, store, "gradient_lengths", rows) == pytest.approx(lengths.numpy(), rel=1e-4)


def test_of_a_frozen_backbone_the_head_alone_counts(tmp_path: Path) -> None:
    project, record = made(tmp_path / "pool", frozen=True)
    model = networks.load(record, torch.device("cpu"))
    with torch.no_grad():
        embeddings = model(inputs(project, [0, 1])).embeddings
    expected = expected_lengths(model.classifier.head, embeddings, temperature=1.5, classes=5)
    store = probed(project, record, "gradient_lengths", [0, 1])
    assert values(project, store, "gradient_lengths", [0, 1]) == pytest.approx(expected.numpy(), rel=1e-4)


def test_a_store_stands_beside_the_models_signals(pool: tuple[Project, ModelRecord]) -> None:
    project, record = pool
    store = probed(project, record, "adversarial_distances", [0, 3])
    assert store.folder == project.signals / "0001-aaaaaa-adversarial_distances"
    assert store.folder == record.probed(project, "adversarial_distances")
    assert store.shapes == {"adversarial_distances": ()}
    assert store.about["settings"] == {"classes": 10, "steps": 10}
    assert values(project, store, "adversarial_distances", [0]).dtype == np.float64
    assert not SignalStore(record.signals(project))


def test_only_missing_rows_are_computed(
    pool: tuple[Project, ModelRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, record = pool
    asked: list[list[int]] = []
    save = inference.save_signals

    def spy(project: Project, manifest: Manifest, rows: np.ndarray, *given: object, **more: object) -> int:
        asked.append(rows.tolist())
        return save(project, manifest, rows, *given, **more)

    monkeypatch.setattr(inference, "save_signals", spy)
    before = values(project, probed(project, record, "gradient_lengths", [1, 2]), "gradient_lengths", [1, 2])
    for rows in ([3, 2, 1], [2, 3], [0, 1, 2, 3]):
        store = probed(project, record, "gradient_lengths", rows)
    assert asked == [[1, 2], [3], [0]]
    assert values(project, store, "gradient_lengths", [1, 2]).tolist() == before.tolist()
    journal = [json.loads(line) for line in project.journal.read_text().splitlines()]
    assert [line["gradient_lengths"] for line in journal if "gradient_lengths" in line] == [2, 1, 1]


def test_a_changed_file_is_computed_again(pool: tuple[Project, ModelRecord]) -> None:
    project, record = pool
    store = probed(project, record, "adversarial_distances", [0, 1, 2])
    before = values(project, store, "adversarial_distances", [0, 1, 2])
    manifest = manifests.read(project.manifest)
    row = next(r for r in (0, 1, 2) if manifest.strings("file_name", np.array([r]))[0] == "1.png")
    found = draw(project.pool / "1.png", shade=200, seed=77).stat()
    with ledger.writing(project, "init"):
        changed = manifest.assign(np.array([row]), size=[found.st_size], mtime_ns=[found.st_mtime_ns])
        ledger.commit(project, changed, command="init")
    store = probed(project, record, "adversarial_distances", [0, 1, 2])
    after = values(project, store, "adversarial_distances", [0, 1, 2])
    assert (after != before).tolist() == [r == row for r in (0, 1, 2)]


def test_other_settings_begin_anew(
    pool: tuple[Project, ModelRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, record = pool
    probed(project, record, "adversarial_distances", [0, 1])
    monkeypatch.setitem(
        probing._PROBES,
        "adversarial_distances",
        probing._PROBES["adversarial_distances"]._replace(settings={"classes": 2, "steps": 3}),
    )
    store = probed(project, record, "adversarial_distances", [1])
    assert len(store.keys) == 1
    assert store.about["settings"] == {"classes": 2, "steps": 3}


def test_a_broken_image_is_found_unreadable(pool: tuple[Project, ModelRecord]) -> None:
    project, record = pool
    (project.pool / "3.png").write_bytes(b"no image")
    store = probed(project, record, "gradient_lengths", list(range(10)))
    manifest = manifests.read(project.manifest)
    bad = np.flatnonzero(manifest.equals("status", "unreadable"))
    assert manifest.strings("file_name", bad) == ["3.png"]
    assert len(store.keys) == 9
    size = len(store.parts)
    assert len(probed(project, record, "gradient_lengths", list(range(10))).parts) == size


def test_the_lock_is_taken(pool: tuple[Project, ModelRecord]) -> None:
    project, record = pool
    with ledger.writing(project, "train"), pytest.raises(LockHeld, match="train"):
        probed(project, record, "gradient_lengths", [0])


def test_a_users_own_model_cannot_be_differentiated(pool: tuple[Project, ModelRecord]) -> None:
    project, record = pool
    external = ModelRecord(record.folder, {**record.about, "kind": "external"})
    with pytest.raises(StepMissing, match="came from a file") as refusal:
        probed(project, external, "adversarial_distances", [0])
    assert "score --from" in str(refusal.value.hint)
    assert "column adversarial_distances" in str(refusal.value.hint)


def test_one_class_is_refused(tmp_path: Path) -> None:
    project, record = made(tmp_path / "pool", classes=["bright"])
    with pytest.raises(UsageError, match="2 classes or more"):
        probed(project, record, "adversarial_distances", [0])
    store = probed(project, record, "gradient_lengths", [0])
    assert values(project, store, "gradient_lengths", [0]).tolist() == [0]


def test_nan_is_refused_and_the_image_named(pool: tuple[Project, ModelRecord]) -> None:
    project, record = pool
    model = networks.load(record, torch.device("cpu"))
    model.classifier.head.bias.data.fill_(float("nan"))
    networks.save(model, record.folder)
    with pytest.raises(InputRejected, match="adversarial_distances is not finite") as refusal:
        probed(project, record, "adversarial_distances", [0])
    assert refusal.value.details
