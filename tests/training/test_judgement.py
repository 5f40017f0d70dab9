"""The figures of a finished model do not depend on how many images are held at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from alcli import networks
from alcli.networks import Blueprint
from alcli.training import judgement
from alcli.training.evaluation import class_centres, model_outputs
from alcli.training.inputs import Examples, Features


@pytest.mark.parametrize("embedding", ["joint", "none"])
def test_images_learned_from_are_judged_block_by_block(
    embedding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = networks.build(Blueprint("lenet", 3, 1, 8, embedding=embedding))
    images = torch.randn(11, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    learned = Examples(Features(images), np.arange(11) % 3)
    whole = model_outputs(model, learned)
    monkeypatch.setattr(judgement, "HELD_AT_ONCE", 4)
    judged = judgement.judge(model, {"train": learned, "val": learned, "test": learned}, {})
    right = (whole.logits.argmax(dim=1).numpy() == learned.codes).mean()
    assert judged.metrics["train_accuracy"] == judged.metrics["val_accuracy"] == right
    if whole.triplet_embeddings is None:
        assert "nearest_centre_val_accuracy" not in judged.metrics
        return
    points = whole.triplet_embeddings.double().numpy()
    centres = class_centres(whole.triplet_embeddings.numpy(), learned.codes, 3)
    nearest = np.square(points[:, None] - centres).sum(axis=2).argmin(axis=1)
    assert judged.metrics["nearest_centre_val_accuracy"] == (nearest == learned.codes).mean()
