"""The model: shapes, seeds, and what is shared with what."""

from __future__ import annotations

import pytest
import torch
from alcli.networks import Blueprint, build
from alcli.networks.model import Standardise
from torch import nn


def plan(embedding: str = "triplet", *, frozen: bool = False) -> Blueprint:
    return Blueprint("lenet", 3, 1, 8, embedding=embedding, embedding_dim=5, dropout=0.5, frozen=frozen)


IMAGES = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("embedding", ["triplet", "joint", "none"])
@pytest.mark.parametrize("frozen", [False, True])
def test_outputs_have_their_shapes(embedding: str, frozen: bool) -> None:
    outputs = build(plan(embedding, frozen=frozen))(IMAGES)
    assert outputs.logits.shape == (4, 3)
    assert outputs.embeddings.shape == (4, 128)
    if embedding == "none":
        assert outputs.triplet_embeddings is None
    else:
        assert outputs.triplet_embeddings.shape == (4, 5)
        assert outputs.triplet_embeddings.norm(dim=1).tolist() == pytest.approx([1.0] * 4)


def test_embeddings_are_the_input_of_the_last_linear_layer() -> None:
    model = build(plan())
    outputs = model(IMAGES)
    assert torch.equal(model.classifier.head(outputs.embeddings), outputs.logits)


def test_features_and_heads_make_up_a_frozen_model() -> None:
    model = build(plan(frozen=True))
    whole, apart = model(IMAGES), model.heads(model.features(IMAGES))
    assert torch.equal(whole.logits, apart.logits)
    assert torch.equal(whole.triplet_embeddings, apart.triplet_embeddings)


def test_own_backbones_differ_and_shared_ones_are_one() -> None:
    apart = build(plan("triplet"))
    assert not torch.equal(apart.classifier.backbone[0].weight, apart.embedder.backbone[0].weight)
    assert build(plan("joint")).embedder.backbone is None
    assert build(plan("triplet", frozen=True)).embedder.backbone is None


def test_first_weights_follow_from_the_seed_and_leave_torch_alone() -> None:
    before = torch.get_rng_state()
    one, same, other = build(plan(), seed=1), build(plan(), seed=1), build(plan(), seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[name])
    assert not torch.equal(one.classifier.head.weight, other.classifier.head.weight)


def test_a_new_model_is_in_evaluation_mode_with_standard_dropout_modules() -> None:
    model = build(plan())
    assert not model.training
    assert [module.p for module in model.modules() if isinstance(module, nn.Dropout)] == [0.5]


def test_standardised_features_have_mean_0_and_deviation_1() -> None:
    features = torch.tensor([[1.0, 5.0], [3.0, 5.0]])  # the second never changes
    scale = Standardise(2)
    scale.fit(features)
    assert scale(features).tolist() == [[-1.0, 0.0], [1.0, 0.0]]
