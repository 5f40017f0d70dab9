"""The noise rate: as given, or estimated from embeddings."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from alcli import files, models
from alcli import manifest as manifests
from alcli.errors import StepMissing, UsageError
from alcli.project import Project
from alcli.quality import confident
from alcli.training import Options, noise
from alcli.training.noise import NoiseRate
from alcli.training.splits import labelled_splits, labels_digest

AUTO = Options(co_teaching=True)


def rate_of(project: Project, options: Options = AUTO) -> NoiseRate | None:
    manifest = manifests.read(project.manifest)
    train = labelled_splits(manifest, use_pseudo_labels=False)["train"]
    return noise.rate(options, project, manifest, train)


@pytest.fixture
def flipped(scored_pool: Callable[..., Project]) -> Callable[..., Project]:
    """Return a function that makes a pool of three well separated classes, a share of whose labels is wrong."""

    def make(share: float, **more: Any) -> Project:
        rng = np.random.default_rng(0)
        true = np.arange(300) % 3
        wrong = rng.random(300) < share
        given = np.where(wrong, (true + rng.integers(1, 3, 300)) % 3, true)
        embeddings = (3 * np.eye(3)[true] + rng.normal(size=(300, 3)) * 0.5).astype(np.float16)
        labels = {row: f"class-{code}" for row, code in enumerate(given)}
        return scored_pool(
            np.full((300, 3), 1 / 3), signals={"embeddings": embeddings}, labels=labels, **more
        )

    return make


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4])
def test_it_is_estimated_from_embeddings(
    flipped: Callable[..., Project], caplog: pytest.LogCaptureFixture, share: float
) -> None:
    caplog.set_level(logging.INFO, "alcli")
    found = rate_of(flipped(share))
    assert found is not None
    assert found.value == pytest.approx(share, abs=0.06)
    assert found.source == "estimated from model 0001-aaaaaa"
    assert "estimated by confident learning on the embeddings of model 0001-aaaaaa" in caplog.text


def test_it_warns_of_a_model_that_learned_these_labels(
    flipped: Callable[..., Project], caplog: pytest.LogCaptureFixture
) -> None:
    """By heart perhaps: then they look right. Not so a frozen backbone, unless it is of a network trained here."""
    project = flipped(0.2)
    record = project.models / "0001-aaaaaa" / models.RECORD
    about = files.read_json(record) | {"kind": "trained"}
    own = project.models / "0001-aaaaaa" / "classifier.safetensors"
    own.write_bytes(b"weights")

    def warned(**facts: Any) -> bool:
        files.write_json(record, {**about, **facts})
        caplog.clear()
        rate_of(project)
        return "learned from some of these labels" in caplog.text

    assert warned()
    assert not warned(frozen=True)
    assert not warned(frozen=True, options={"weights_digest": "of another file"})
    assert warned(frozen=True, options={"weights_digest": files.file_digest(own)})


def test_if_every_label_seems_wrong_something_is_kept_all_the_same(
    flipped: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confident, "noise_rate", lambda *_: 1.0)
    found = rate_of(flipped(0.2))
    assert found is not None
    assert found.value == 0.99


def test_it_does_not_depend_on_the_order_of_rows(flipped: Callable[..., Project]) -> None:
    order = np.random.default_rng(1).permutation(300)
    assert rate_of(flipped(0.2, name="one")) == rate_of(flipped(0.2, name="other", order=order))


def test_a_model_that_came_of_an_estimate_on_these_labels_is_not_asked(
    flipped: Callable[..., Project],
) -> None:
    project = flipped(0.2)
    before = rate_of(project)
    manifest = manifests.read(project.manifest)
    digest = labels_digest(manifest, labelled_splits(manifest, use_pseudo_labels=False)["train"])
    about = files.read_json(project.models / "0001-aaaaaa" / models.RECORD)
    about |= {"id": "0002-bbbbbb", "labels_digest": digest}
    about["options"] = {"noise_rate": {"value": 0.2, "source": "estimated from model 0001-aaaaaa"}}
    files.write_json(project.models / "0002-bbbbbb" / models.RECORD, about)
    (project.signals / "0002-bbbbbb").symlink_to(project.signals / "0001-aaaaaa")
    assert rate_of(project) == before
    about["labels_digest"] = "of other labels"
    files.write_json(project.models / "0002-bbbbbb" / models.RECORD, about)
    after = rate_of(project)
    assert after is not None
    assert after.source == "estimated from model 0002-bbbbbb"


def test_without_embeddings_it_says_what_to_do(scored_pool: Callable[..., Project]) -> None:
    project = scored_pool(np.full((4, 2), 0.5), labels={0: "class-0", 1: "class-1"})
    with pytest.raises(StepMissing, match="--noise-rate auto needs a model") as caught:
        rate_of(project)
    assert "alcli score" in str(caught.value.hint)


def test_given_rates_are_taken_as_they_are(scored_pool: Callable[..., Project]) -> None:
    project = scored_pool(np.full((4, 2), 0.5), labels={0: "class-0", 1: "class-1"})
    assert rate_of(project, Options(co_teaching=True, noise_rate="0.25")) == NoiseRate(0.25, "given")
    assert rate_of(project, Options(co_teaching=True, noise_rate="0")) == NoiseRate(0.0, "given")
    assert rate_of(project, Options()) is None
    for text in ("1", "-0.1", "nan", "many"):
        with pytest.raises(UsageError, match=r"a share in \[0, 1\) is needed"):
            rate_of(project, Options(co_teaching=True, noise_rate=text))
