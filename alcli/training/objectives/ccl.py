"""Cluster-contrastive learning: an autoencoder whose codes gather around one centre for each class.

Roda & Geva, 2024, doi:10.3389/frai.2024.1398844. The autoencoder is trained to give back all images of the
train split, labelled or not. Then the mean code of each class becomes its centre, and reconstruction, the
clustering loss and the cluster-contrastive loss are minimised together. What the paper leaves open is said at
each parameter. Step sizes fall along half a cosine, as in every training here; in the paper they stay.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from alcli.losses.cluster_contrastive import cluster_contrastive
from alcli.losses.clustering import clustering
from alcli.networks import Model
from alcli.networks.clustering import ClusteringLayer
from alcli.parameters import Range
from alcli.training.batches import Positions, shuffled
from alcli.training.clusters import Targets, first_centres
from alcli.training.evaluation import cluster_figures, outputs_of
from alcli.training.inputs import Examples
from alcli.training.job import Job
from alcli.training.loop import Batch, Task
from alcli.training.tasks import judge_logits

logger = logging.getLogger("alcli")

_BATCH, _EPOCHS = 256, 10
_MANY = 50  # classes above which a code of few dimensions cannot keep them apart


def ccl(
    job: Job,
    model: Model,
    examples: dict[str, Examples],
    *,
    embedding: Annotated[int, Range(1, 4096)] = 10,
    pretrain_epochs: Annotated[int, Range(0, 100_000)] = 50,
    form: Literal["A", "B", "C"] = "B",
    sim: Literal["cos", "dot", "negsq"] = "cos",
    tau: Annotated[float, Range(1e-6, 1e6)] = 0.1,
    mse: Annotated[float, Range(0, 1e9)] = 1.0,
    gamma: Annotated[float, Range(0, 1e9)] = 0.1,
    lambda_: Annotated[float, Range(0, 1e9)] = 1.0,
    labelled_per_step: Annotated[int, Range(0, 100_000)] = 0,
) -> Iterator[Task]:
    """Yield the autoencoder's task, unless the model goes on from an earlier one; then that of all three losses.

    Args:
        job: What was asked for.
        model: Whose networks are fitted.
        examples: By split; `pool` are all images of the train split, -1 for those without a label.
        embedding: Size of the code; published: 10.
        pretrain_epochs: Published: 50.
        form: Reading of the cluster-contrastive loss, see `losses.cluster_contrastive`.
        sim: Its similarity.
        tau: Its temperature.
        mse: Weight of the reconstruction, the mean squared error of a pixel in [0, 1].
        gamma: Weight of the clustering loss; DCEC's, as none is published.
        lambda_: Weight of the cluster-contrastive loss.
        labelled_per_step: Labelled images that every step takes beside those that are in its batch by chance.
            Published: 0, so that a step sees very few of them where labels are few.
    """
    del embedding  # the networks have it
    pool, options, classes = examples["pool"], job.recipe.options, job.manifest.classes
    if len(classes) > _MANY:
        told = "ccl: %d classes in a code of %d dimensions; above %d they can hardly be kept apart"
        logger.warning(told, len(classes), model.width, _MANY)
    size = options.batch_size or _BATCH
    autoencoder = _Autoencoder(model, pool, size, torch.tensor(job.recipe.transform.std).view(-1, 1, 1))
    if job.recipe.start is None:
        if pretrain_epochs:
            yield autoencoder.task(pretrain_epochs)
        centres = first_centres(model.classifier.backbone, examples["train"], pool, len(classes))
        _layer(model).centres.data.copy_(centres)
    contrast = _Contrast(form, sim, tau)
    targets = Targets(model.classifier, pool, seed=options.seed)
    _tell_of_sample(job, targets)
    weights = (mse, gamma, lambda_)
    clusters = _Clusters(autoencoder, examples, targets, contrast, weights, labelled_per_step)
    yield clusters.task(options.epochs or _EPOCHS)
    empty = [name for name, size in zip(classes, targets.sizes, strict=False) if not size]
    if empty:
        told = "ccl: none of %d images is nearest to the centre of %s"
        logger.warning(told, len(targets.sample), ", ".join(empty))


def _tell_of_sample(job: Job, targets: Targets) -> None:
    """Say where masses are estimated, and write it down."""
    if len(targets.sample) < len(targets.pool):
        told = "ccl: the masses of the clusters are estimated on %d of %d images, drawn by the seed"
        logger.info(told, len(targets.sample), len(targets.pool))
        job.metrics["cluster_sample"] = len(targets.sample)


def _layer(model: Model) -> ClusteringLayer:
    return cast(ClusteringLayer, model.classifier.head)


@dataclass(frozen=True)
class _Contrast:
    """The cluster-contrastive loss that was asked for."""

    form: str
    similarity: str
    temperature: float

    def of(self, embeddings: Tensor, codes: Tensor, centres: Tensor) -> Tensor:
        """Return it for the labelled ones of b images, whose codes are not -1."""
        known = codes >= 0
        return cluster_contrastive(
            embeddings[known].float(),
            codes[known],
            centres,
            form=self.form,
            similarity=self.similarity,
            temperature=self.temperature,
        )


@dataclass(frozen=True)
class _Autoencoder:
    """The encoder that the clusters share, and its decoder.

    Attributes:
        model: That they are part of.
        pool: All images.
        size: Images of a step.
        deviation: (C, 1, 1) by which pixels in [0, 1] were divided.
    """

    model: Model
    pool: Examples
    size: int
    deviation: Tensor

    def task(self, epochs: int) -> Task:
        """Return its training by itself."""
        encoder, decoder = self.model.classifier.backbone, self.model.companions["decoder"]

        def loss(batch: Batch) -> tuple[Tensor, None]:
            return self.error(encoder(batch.inputs), batch.inputs), None

        network = nn.ModuleDict({"encoder": encoder, "decoder": decoder})
        return Task("autoencoder", network, self.pool, self.orders, self.steps, loss, dict, epochs=epochs)

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.pool) // self.size)

    def orders(self, rng: np.random.Generator) -> list[Positions]:
        """Draw the batches of an epoch."""
        return shuffled(len(self.pool), self.size, rng)

    def error(self, embeddings: Tensor, images: Tensor) -> Tensor:
        """Return the mean squared error of a pixel in [0, 1], of what is given back."""
        given_back: Tensor = self.model.companions["decoder"](embeddings).float()
        return ((given_back - images) * self.deviation.to(images.device)).square().mean()


class _Clusters:
    """The training of encoder, decoder and centres together."""

    def __init__(
        self,
        autoencoder: _Autoencoder,
        examples: dict[str, Examples],
        targets: Targets,
        contrast: _Contrast,
        weights: tuple[float, float, float],
        labelled_per_step: int,
    ) -> None:
        self.autoencoder = autoencoder
        self.classifier = autoencoder.model.classifier
        self.examples = examples
        self.targets = targets
        self.contrast = contrast
        self.weights = weights
        self.labelled = np.flatnonzero(examples["pool"].codes >= 0)
        self.extra = min(labelled_per_step, len(self.labelled))

    def task(self, epochs: int) -> Task:
        """Return it as the loop takes it."""
        decoder = self.autoencoder.model.companions["decoder"]
        network = nn.ModuleDict({"classifier": self.classifier, "decoder": decoder})
        steps = self.autoencoder.steps
        return Task(
            "ccl", network, self.examples["pool"], self._orders, steps, self._loss, self._judge, epochs=epochs
        )

    def _orders(self, rng: np.random.Generator) -> list[Positions]:
        orders = self.autoencoder.orders(rng)
        if self.extra:
            orders = [np.append(o, rng.choice(self.labelled, self.extra, replace=False)) for o in orders]
        self.targets.begin(orders)
        return orders

    def _loss(self, batch: Batch) -> tuple[Tensor, None]:
        targets = self.targets.next().to(batch.inputs.device)
        logits, embeddings = self.classifier(batch.inputs)
        mse, gamma, lambda_ = self.weights
        reconstruction = self.autoencoder.error(embeddings, batch.inputs)
        contrast = self.contrast.of(embeddings, batch.codes, _layer(self.autoencoder.model).centres)
        return mse * reconstruction + gamma * clustering(logits, targets) + lambda_ * contrast, None

    def _judge(self) -> dict[str, float]:
        """Say how well clusters agree with classes on the labelled images, and with the validation labels."""
        figures: dict[str, float] = {}
        for split in ("train", "val"):
            examples = self.examples[split]
            if len(examples):
                logits = outputs_of(lambda images: self.classifier(images)[0], examples)
                figures |= judge_logits(logits, examples.codes) if split == "val" else {}
                figures |= cluster_figures(split, logits.argmax(dim=1).numpy(), examples.codes)
        return {**figures, "empty_clusters": int((self.targets.sizes == 0).sum())}
