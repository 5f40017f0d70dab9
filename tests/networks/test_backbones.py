"""Built-in networks count as published; timm's are found, and near matches named."""

from __future__ import annotations

import pytest
import torch
from alcli.errors import UsageError
from alcli.networks import check_architecture, default_dropout, default_transform
from alcli.networks.backbones import build_backbone
from torch import Tensor, nn
from torch.nn import functional as F


def parameters(architecture: str, channels: int, image_size: int) -> int:
    """Count with a linear classifier for ten classes."""
    backbone, width = build_backbone(architecture, channels=channels, image_size=image_size)
    network = nn.Sequential(backbone, nn.Linear(width, 10))
    return sum(parameter.numel() for parameter in network.parameters())


def test_lenet_has_the_parameters_of_its_publication() -> None:
    assert parameters("lenet", 1, 28) == 225_034  # dsgissin's LeNet on MNIST
    assert default_dropout("lenet") == 0.5


def test_lenet_is_the_published_network_to_the_bit() -> None:
    """There the rectifier comes before the pooling; pixels of few values make many ties."""
    network = build_backbone("lenet", channels=1, image_size=28)[0]
    assert isinstance(network, nn.Sequential)
    (first, second), hidden = [m for m in network if isinstance(m, nn.Conv2d)], network[-2]
    images = torch.randint(0, 3, (16, 1, 28, 28), generator=torch.Generator().manual_seed(0)).float()

    def published(x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(first(x)), 2)
        x = F.max_pool2d(F.relu(second(x)), 2)
        return F.relu(hidden(x.flatten(1)))

    found = []
    for forward in (network, published):
        features = forward(images)
        network.zero_grad()
        (features * torch.arange(128)).sum().backward()
        found.append([features, *(parameter.grad for parameter in network.parameters())])
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(*found, strict=True))


def test_lenet5_has_the_parameters_of_its_publication() -> None:
    # 156 + 2416 + 48120 + 10164 + 850; MNIST padded from 28 to 32 px is the paper's own input.
    assert parameters("lenet5", 1, 32) == parameters("lenet5", 1, 28) == 61_706
    assert default_dropout("lenet5") == 0


def test_the_perceptron_has_the_layers_of_its_publication() -> None:
    assert parameters("mlp", 1, 28) == 784 * 500 + 500 + 500 * 300 + 300 + 300 * 10 + 10
    assert default_dropout("mlp") == 0


@pytest.mark.parametrize("architecture", ["lenet", "lenet5", "mlp"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("image_size", [8, 9, 11, 15, 16, 28, 32, 33, 64, 100])
def test_built_in_networks_take_any_size_from_8_px(architecture: str, channels: int, image_size: int) -> None:
    backbone, width = build_backbone(architecture, channels=channels, image_size=image_size)
    features = backbone(torch.zeros(2, channels, image_size, image_size))
    assert features.shape == (2, width)


def test_too_small_an_image_is_refused() -> None:
    with pytest.raises(UsageError, match="lenet needs at least 8 px"):
        default_transform("lenet", image_size=7, channels=1)


def test_timm_networks_come_with_their_own_transform() -> None:
    transform = default_transform("resnet18", image_size=None, channels=3)
    assert (transform.image_size, transform.resize, transform.interpolation) == (224, "crop", "bicubic")
    assert transform.mean == (0.485, 0.456, 0.406)
    assert default_transform("resnet18", image_size=64, channels=1).mean == pytest.approx((0.449,), abs=1e-3)


def test_timm_networks_give_one_vector_per_image() -> None:
    backbone, width = build_backbone("resnet18", channels=1, image_size=32)
    assert width == 512
    assert backbone.eval()(torch.zeros(2, 1, 32, 32)).shape == (2, 512)


def test_transformers_are_built_for_the_wanted_size() -> None:
    backbone, width = build_backbone("vit_tiny_patch16_224", channels=3, image_size=32)
    assert width == 192
    assert backbone.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 192)


@pytest.mark.parametrize(
    ("name", "near"), [("resnet81", "resnet"), ("lenet4", "lenet5"), ("hf-hub:some/model", "")]
)
def test_an_unknown_model_is_refused_with_near_matches(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"unknown model '{name}'.*{near}"):
        check_architecture(name)


def test_built_in_networks_have_no_pretrained_weights() -> None:
    with pytest.raises(UsageError, match="lenet has no pretrained weights"):
        build_backbone("lenet", channels=1, image_size=28, pretrained=True)


def test_pretrained_weights_that_cannot_be_fetched_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    def offline(*arguments: object, **options: object) -> nn.Module:
        assert options["pretrained"]
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(
        UsageError, match="cannot fetch the pretrained weights of resnet18: no route"
    ) as caught:
        build_backbone("resnet18", channels=3, image_size=32, pretrained=True)
    assert "--weights" in str(caught.value.hint)
