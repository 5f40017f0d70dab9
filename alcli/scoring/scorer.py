"""What a model says of images becomes signals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alcli import networks, uncertainty
from alcli.images.transform import Transform
from alcli.inference import Arrays
from alcli.models import ModelRecord
from alcli.networks import Model, Outputs
from alcli.networks.mc_dropout import dropout_passes, has_dropout
from alcli.project import Project
from alcli.signals import SignalStore


class Scorer:
    """Turns a model's outputs into signals."""

    def __init__(
        self, record: ModelRecord, model: Model, device: torch.device, settings: dict[str, int]
    ) -> None:
        self.record = record
        self.model = model
        self.device = device
        self.settings = settings
        self.transform = Transform.from_dict(record.about["transform"])
        self.temperature = float(record.about.get("temperature", 1.0))

    def of_pixels(self, pixels: NDArray[np.uint8]) -> Arrays:
        """Return the signals of (b, H, W, C) pixels."""
        images = networks.to_input(pixels, self.transform, self.device)
        return self._signals(lambda: self.model(images), images)

    def features(self, pixels: NDArray[np.uint8]) -> Arrays:
        """Return the frozen backbone's features of (b, H, W, C) pixels."""
        images = networks.to_input(pixels, self.transform, self.device)
        with torch.inference_mode():
            return {"features": self.model.features(images).float().cpu().numpy().astype(np.float16)}

    def features_store(self, project: Project) -> SignalStore:
        """Return where the frozen backbone's features are kept."""
        return SignalStore(project.signals / str(self.record.about["features"]))

    def of_features(self, features: NDArray[np.float16]) -> Arrays:
        """Return the signals of (b, d) features of the frozen backbone."""
        inputs = torch.from_numpy(features.astype(np.float32)).to(self.device)
        return self._signals(lambda: self.model.heads(inputs), None)

    @torch.inference_mode()
    def _signals(self, forward: Callable[[], Outputs], images: torch.Tensor | None) -> Arrays:
        outputs = forward()
        probabilities = self._probabilities(outputs.logits)  # (b, c)
        arrays: Arrays = {**uncertainty.scalars(probabilities), **self._kept(probabilities)}
        arrays["embeddings"] = outputs.embeddings.float().cpu().numpy().astype(np.float16)
        if outputs.triplet_embeddings is not None:
            arrays["triplet_embeddings"] = outputs.triplet_embeddings.float().cpu().numpy().astype(np.float16)
        if self.settings["mc_samples"]:
            arrays["mc_probabilities"] = self._sampled(outputs.embeddings, images)
        return {**arrays, **self._of_objective(probabilities, images)}

    def _of_objective(self, probabilities: NDArray[np.float32], images: torch.Tensor | None) -> Arrays:
        """Return what only a model of some objective can say."""
        objective = self.model.plan.objective
        if objective == "ccl":
            return {"cluster_probabilities": probabilities}
        if objective == "vaal" and images is not None:
            return {"discriminator_scores": self.model.discriminate(images).cpu().numpy()}
        return {}

    def _sampled(self, embeddings: torch.Tensor, images: torch.Tensor | None) -> NDArray[np.float16]:
        """Return (b, m, c) probabilities under m masks; without dropout in the backbone only the head runs."""
        classifier = self.model.classifier

        def classify() -> torch.Tensor:
            if images is not None and has_dropout(classifier.backbone):
                logits: torch.Tensor = classifier(images)[0]
                return logits
            return classifier.decide(embeddings)

        passes = dropout_passes(classifier, classify, self.settings["mc_samples"], seed=self.settings["seed"])
        return np.stack([self._probabilities(logits) for logits in passes], axis=1).astype(np.float16)

    def _probabilities(self, logits: torch.Tensor) -> NDArray[np.float32]:
        return (logits.float() / self.temperature).softmax(dim=1).cpu().numpy()

    def _kept(self, probabilities: NDArray[np.float32]) -> Arrays:
        top = self.settings["top"]
        if not 0 < top < probabilities.shape[1]:
            return {"probabilities": probabilities}
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
        return {
            "top_probabilities": np.take_along_axis(probabilities, order, axis=1),
            "top_classes": order.astype(np.int32),
        }

    def shapes(self) -> dict[str, dict[str, Any]]:
        """Run one black image through to see which signals there are; the probe also finds a missing dropout."""
        side, channels = self.transform.image_size, self.transform.channels
        arrays = self.of_pixels(np.zeros((1, side, side, channels), np.uint8))
        return {
            name: {"shape": list(values.shape[1:]), "dtype": str(values.dtype)}
            for name, values in arrays.items()
        }
