"""What `train` may be asked for."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from alcli import networks
from alcli.errors import UsageError
from alcli.training.augmentation import augmentation

CLASS_WEIGHTS = ("none", "balanced")
REFINEMENTS = ("mean", "vote", "last")


@dataclass(frozen=True)
class Options:
    """What was asked for; None leaves the choice to the data.

    Attributes:
        model: `lenet`, `lenet5`, `mlp` or a model of timm.
        weights: A file of weights for the backbone.
        pretrained: Fetch timm's weights.
        image_size: px.
        channels: 1 or 3.
        epochs: At most.
        batch_size: Images per step of the classifier.
        lr: Adam's first step size.
        patience: Epochs without a better one before training stops, after a third of all; 0 never does.
        freeze_backbone: Train linear heads on the features of a fixed backbone.
        warm_start: Begin with the weights of the newest model that learned from other labels.
        embedding: `triplet`, `none` or `joint`.
        embedding_dim: Size of triplet embeddings.
        embedding_epochs: Of the embedding's own network, where it has one; None takes `epochs`.
        dropout: Rate before the classifier.
        precision: `auto`, `fp32` or `bf16`.
        use_pseudo_labels: Train on pseudo-labels too.
        class_weights: `none` or `balanced`.
        augment: `none`, `standard` or a policy of timm.
        loss: What the classifier minimises: a file of `losses/classification`.
        objective: What is fitted: a file of `training/objectives`.
        parameters: Of the loss, the objective and the rest, by name, as the command line gives them.
        label_smoothing: Share of each label that is spread evenly over all classes.
        warm_up_epochs: Epochs of plain cross-entropy before the loss, or refining, begins.
        co_teaching: Train two classifiers, each of which picks what the other learns from.
        noise_rate: For co-teaching: the share of wrong labels, in [0, 1), or `auto`, which None means too.
        mixup: α of the Beta distribution by which two images each are mixed; 0 mixes none.
        refine_pseudo: `mean`, `vote` or `last`: what takes the place of pseudo-labels, of what the network
            predicted in the last epochs. None leaves them.
        seed: Drives every random choice.
    """

    model: str | None = None
    weights: Path | None = None
    pretrained: bool = False
    image_size: int | None = None
    channels: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float = 1e-3
    patience: int = 0
    freeze_backbone: bool = False
    warm_start: bool = False
    embedding: str = "triplet"
    embedding_dim: int = 128
    embedding_epochs: int | None = None
    dropout: float | None = None
    precision: str = "auto"
    use_pseudo_labels: bool = False
    class_weights: str = "none"
    augment: str = "none"
    loss: str = "cross-entropy"
    objective: str = "classifier"
    parameters: Mapping[str, str] = field(default_factory=dict)
    label_smoothing: float = 0.0
    warm_up_epochs: int | None = None
    co_teaching: bool = False
    noise_rate: str | None = None
    mixup: float = 0.0
    refine_pseudo: str | None = None
    seed: int = 0

    def with_embedding(self, embedding: str) -> Self:
        """Return the same with another embedding; what is asked of a network of its own is dropped with that."""
        epochs = self.embedding_epochs if embedding == "triplet" else None
        return dataclasses.replace(self, embedding=embedding, embedding_epochs=epochs)


def check(options: Options) -> None:
    """Check what can be checked before anything is read.

    Raises:
        UsageError: A value is unknown or out of range.
    """
    check_embedding(options.embedding, options.embedding_epochs)
    if options.class_weights not in CLASS_WEIGHTS:
        raise UsageError(
            f"unknown --class-weights '{options.class_weights}'", hint=f"one of: {', '.join(CLASS_WEIGHTS)}"
        )
    if options.channels not in (None, 1, 3):
        raise UsageError(f"--channels {options.channels}: 1 (grey) or 3 (colour)")
    if options.weights is not None and options.pretrained:
        raise UsageError("--weights and --pretrained exclude each other")
    if not (options.lr > 0 and math.isfinite(options.lr)):
        raise UsageError(f"--lr {options.lr}: a positive number is needed")
    if options.dropout is not None and not 0 <= options.dropout < 1:
        raise UsageError(f"--dropout {options.dropout}: a share in [0, 1) is needed")
    if options.augment != "none" and options.freeze_backbone:
        raise UsageError("--augment cannot go with --freeze-backbone: features are computed once per image")
    augmentation(options.augment)
    _check_noise(options)


def check_embedding(embedding: str, epochs: int | None) -> None:
    """Check which embedding is wanted, and that it has a network of its own if epochs are asked for it.

    Raises:
        UsageError: It is unknown, or has none.
    """
    if embedding not in networks.EMBEDDINGS:
        raise UsageError(
            f"unknown --embedding '{embedding}'", hint=f"one of: {', '.join(networks.EMBEDDINGS)}"
        )
    if epochs is not None and embedding != "triplet":
        raise UsageError(
            f"--embedding-epochs is for a network of its own, which --embedding {embedding} does not train",
            hint="--embedding triplet",
        )


def given_noise_rate(options: Options) -> float | None:
    """Return the share of wrong labels as it was given; None if it is to be estimated.

    Raises:
        UsageError: It is not a share in [0, 1).
    """
    if options.noise_rate in (None, "auto"):
        return None
    try:
        share = float(options.noise_rate)
    except ValueError:
        share = math.nan
    if not 0 <= share < 1:
        raise UsageError(f"--noise-rate {options.noise_rate}: a share in [0, 1) is needed, or auto")
    return share


def _check_noise(options: Options) -> None:
    """Check what helps against wrong labels, and what of it goes together."""
    if not 0 <= options.label_smoothing < 1:
        raise UsageError(f"--label-smoothing {options.label_smoothing}: a share in [0, 1) is needed")
    if not (options.mixup >= 0 and math.isfinite(options.mixup)):
        raise UsageError(f"--mixup {options.mixup}: a positive number is needed, or 0 for none")
    if options.warm_up_epochs is not None and options.warm_up_epochs < 0:
        raise UsageError(f"--warm-up-epochs {options.warm_up_epochs}: 0 or more is needed")
    if options.warm_up_epochs and options.epochs is not None and options.warm_up_epochs >= options.epochs:
        raise UsageError(
            f"--warm-up-epochs {options.warm_up_epochs} leave nothing of --epochs {options.epochs} to what comes after",
            hint=f"--epochs {3 * options.warm_up_epochs}",
        )
    if options.noise_rate is not None and not options.co_teaching:
        raise UsageError("--noise-rate is for --co-teaching")
    given_noise_rate(options)
    if options.refine_pseudo not in (None, *REFINEMENTS):
        raise UsageError(
            f"unknown --refine-pseudo '{options.refine_pseudo}'", hint=f"one of: {', '.join(REFINEMENTS)}"
        )
    if options.refine_pseudo is not None and not options.use_pseudo_labels:
        raise UsageError(
            "--refine-pseudo needs --use-pseudo-labels", hint="--use-pseudo-labels --refine-pseudo mean"
        )
    _check_company(options)


def _check_company(options: Options) -> None:
    """Refuse what has no meaning together."""
    asked = {
        "--co-teaching": options.co_teaching,
        "--mixup": options.mixup > 0,
        "--refine-pseudo": options.refine_pseudo is not None,
    }
    wanted = [flag for flag, on in asked.items() if on]
    if wanted and options.embedding == "joint" and not options.freeze_backbone:
        raise UsageError(
            f"{wanted[0]} cannot go with --embedding joint, whose triplets are of the same batch as it is",
            hint="--embedding triplet, or none",
        )
    if options.warm_up_epochs and options.loss == "cross-entropy" and options.refine_pseudo is None:
        raise UsageError(
            f"--warm-up-epochs {options.warm_up_epochs} is for losses other than cross-entropy, or for --refine-pseudo"
        )
    if options.co_teaching and len(wanted) > 1:
        raise UsageError(f"--co-teaching and {wanted[1]} exclude each other")
    asked |= {
        "--loss": options.loss != "cross-entropy",
        "--label-smoothing": options.label_smoothing > 0,
        "--class-weights": options.class_weights != "none",
        "--embedding joint": options.embedding == "joint",
        "--embedding-epochs": options.embedding_epochs is not None,
    }
    foreign = {"ccl": list(asked), "vaal": ["--loss"]}.get(options.objective, [])
    for flag in foreign:
        if asked[flag]:
            raise UsageError(
                f"{flag} cannot go with --objective {options.objective}, which has losses of its own"
            )
