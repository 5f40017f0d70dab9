"""The model: a backbone with a linear classifier (M1), and an embedding for triplets (M2) if there is one.

The embedding has a backbone of its own, or shares the classifier's: in `joint` training, and where the
backbone is frozen and only heads are trained on its features. Cluster-contrastive learning (`ccl`) has the
encoder of an autoencoder for a backbone, and a clustering layer where the linear classifier would be;
variational adversarial learning (`vaal`) puts an autoencoder and a discriminator beside the classifier.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alcli.networks import autoencoder, backbones, variational
from alcli.networks.clustering import ClusteringLayer
from alcli.randomness import derive_seed

EMBEDDINGS = ("triplet", "none", "joint")
OBJECTIVES = ("classifier", "ccl", "vaal")
AUTOENCODER = "autoencoder"  # the architecture of `ccl`


class Outputs(NamedTuple):
    """What a model says of b images.

    Attributes:
        logits: (b, c).
        embeddings: (b, d), the input of the last linear layer of the classifier.
        triplet_embeddings: (b, t), of length 1; None if the model has no embedding network.
    """

    logits: Tensor
    embeddings: Tensor
    triplet_embeddings: Tensor | None


@dataclass(frozen=True)
class Blueprint:
    """All that is needed to build a model without its weights.

    Attributes:
        architecture: built in or a model of timm.
        classes: c.
        channels: 1 or 3.
        image_size: px.
        embedding: `triplet` (own network), `joint` (shared backbone) or `none`.
        embedding_dim: t.
        dropout: Rate before the classifier.
        frozen: The backbone is not trained: one backbone, linear heads on its standardised features.
        objective: `classifier`, `ccl` or `vaal`.
        code: Size of the autoencoder's code; 0 where there is no autoencoder.
        code_width: Channels of the first convolution of `vaal`'s autoencoder.
    """

    architecture: str
    classes: int
    channels: int
    image_size: int
    embedding: str = "triplet"
    embedding_dim: int = 128
    dropout: float = 0.0
    frozen: bool = False
    objective: str = "classifier"
    code: int = 0
    code_width: int = 0


class Standardise(nn.Module):
    """Shift and scale features to mean 0 and deviation 1; what it learned is saved with the weights."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def fit(self, features: Tensor) -> None:
        """Learn from (n, width) features; a feature that never changes is left at its scale."""
        self.mean.copy_(features.mean(dim=0))
        deviation = features.std(dim=0, correction=0)
        self.deviation.copy_(torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation)))

    def forward(self, features: Tensor) -> Tensor:
        """Return (b, width)."""
        return (features - self.mean) / self.deviation


class Classifier(nn.Module):
    """A backbone and a linear classifier (M1), or a clustering layer in its place."""

    head: nn.Linear | ClusteringLayer

    def __init__(self, backbone: nn.Module, width: int, plan: Blueprint) -> None:
        super().__init__()
        self.backbone = backbone
        self.scale = Standardise(width) if plan.frozen else nn.Identity()
        self.dropout = nn.Dropout(plan.dropout) if plan.dropout else nn.Identity()
        layer = ClusteringLayer if plan.objective == "ccl" else nn.Linear
        self.head = layer(width, plan.classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (b, c) and the embeddings (b, d) of (b, C, H, W) images."""
        return self.classify(self.backbone(images))

    def classify(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (b, c) and the embeddings (b, d) of (b, d) features."""
        embeddings = self.scale(features)
        return self.decide(embeddings), embeddings

    def decide(self, embeddings: Tensor) -> Tensor:
        """Return the logits (b, c) of (b, d) embeddings."""
        logits: Tensor = self.head(self.dropout(embeddings))
        return logits


class Embedder(nn.Module):
    """A backbone, or features of the classifier's, and a linear map to embeddings of length 1 (M2)."""

    def __init__(self, backbone: nn.Module | None, width: int, plan: Blueprint) -> None:
        super().__init__()
        self.backbone = backbone
        self.scale = Standardise(width) if plan.frozen else nn.Identity()
        self.head = nn.Linear(width, plan.embedding_dim)

    def forward(self, images: Tensor) -> Tensor:
        """Return the (b, t) embeddings of (b, C, H, W) images; only with an own backbone."""
        return self.embed(images if self.backbone is None else self.backbone(images))

    def embed(self, features: Tensor) -> Tensor:
        """Return the (b, t) embeddings of (b, d) features."""
        return F.normalize(self.head(self.scale(features)).float(), dim=1, eps=1e-12)


class Model(nn.Module):
    """Classifier and embedder as one, and the networks that an objective trains beside them."""

    def __init__(
        self,
        classifier: Classifier,
        embedder: Embedder | None,
        plan: Blueprint,
        companions: dict[str, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.classifier = classifier
        self.embedder = embedder
        self.plan = plan
        self.companions = nn.ModuleDict(companions)

    @property
    def frozen(self) -> bool:
        """Whether the backbone is frozen, so that `features` and `heads` can be used apart."""
        return self.plan.frozen

    @property
    def width(self) -> int:
        """Size d of the backbone's features."""
        return self.classifier.head.in_features

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The networks by the names under which they are saved."""
        embedder = {} if self.embedder is None else {"embedder": self.embedder}
        return {"classifier": self.classifier, **embedder, **self.companions}

    def forward(self, images: Tensor) -> Outputs:
        """Return what the model says of (b, C, H, W) images."""
        features = self.classifier.backbone(images)  # (b, d)
        if self.embedder is None or self.embedder.backbone is None:
            return self.heads(features)
        return Outputs(*self.classifier.classify(features), self.embedder(images))

    def features(self, images: Tensor) -> Tensor:
        """Return the backbone's (b, d) features of (b, C, H, W) images."""
        features: Tensor = self.classifier.backbone(images)
        return features

    def heads(self, features: Tensor) -> Outputs:
        """Return what the heads say of (b, d) features; the backbone is shared."""
        embedded = None if self.embedder is None else self.embedder.embed(features)
        return Outputs(*self.classifier.classify(features), embedded)

    def discriminate(self, images: Tensor) -> Tensor:
        """Return the discriminator's (b,) log-odds of "labelled" of (b, C, H, W) images; for `vaal` only."""
        vae = cast("variational.VariationalAutoencoder", self.companions["autoencoder"])
        odds: Tensor = self.companions["discriminator"](vae.encode(images)[0])  # (b, 1)
        return odds[:, 0].float()


def build(plan: Blueprint, *, seed: int = 0, pretrained: bool = False) -> Model:
    """Build a model; its first weights follow from the seed alone, and torch's own random state is untouched.

    Raises:
        UsageError: The architecture is unknown, does not take such images, or has no pretrained weights.
    """
    if plan.objective != "ccl":
        backbones.check_architecture(plan.architecture)
    with _seeded(seed, "classifier"):
        backbone, width = _backbone(plan, pretrained=pretrained)
        classifier = Classifier(backbone, width, plan)
    embedder = None
    if plan.embedding != "none":
        with _seeded(seed, "embedder"):
            own = (
                _backbone(plan, pretrained=pretrained)[0]
                if plan.embedding == "triplet" and not plan.frozen
                else None
            )
            embedder = Embedder(own, width, plan)
    return Model(classifier, embedder, plan, _companions(plan, seed)).eval()


def _backbone(plan: Blueprint, *, pretrained: bool) -> tuple[nn.Module, int]:
    if plan.objective == "ccl":
        return autoencoder.encoder(plan.channels, plan.image_size, plan.code), plan.code
    return backbones.build_backbone(
        plan.architecture, channels=plan.channels, image_size=plan.image_size, pretrained=pretrained
    )


def _companions(plan: Blueprint, seed: int) -> dict[str, nn.Module]:
    """Return the networks that the objective trains beside the classifier, by name."""
    if plan.objective == "ccl":
        with _seeded(seed, "decoder"):
            return {"decoder": autoencoder.decoder(plan.channels, plan.image_size, plan.code)}
    if plan.objective == "vaal":
        with _seeded(seed, "vaal"):
            return {
                "autoencoder": variational.VariationalAutoencoder(
                    plan.channels, plan.image_size, plan.code, plan.code_width
                ),
                "discriminator": variational.discriminator(plan.code),
            }
    return {}


@contextlib.contextmanager
def _seeded(seed: int, network: str) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "init", network))
        yield
