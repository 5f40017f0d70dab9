"""ActiveLab: another label for an image, whether it has some already or none."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from alcli import uncertainty
from alcli.parameters import Range
from alcli.strategies._strategy import Floats, pointwise


def label_again(
    quality: Floats,
    weights: Floats,
    *,
    classes: int,
    model_weight: float = 1.0,
    annotator_weight: float = 1.0,
) -> Floats:
    """Score labelled images for one more label; the scores compare with those of unlabelled images.

    Args:
        quality: (n,) q, the probability that an image's label is right.
        weights: (n,) summed weights of the annotators who labelled it.
        classes: How many there are, K.
        model_weight: w_M of the model.
        annotator_weight: Mean weight of the annotators.

    Returns:
        (n,) scores in [0, 1]: 1 - s, s the mean of q, weighted by `weights` + w_M, and of 1/K, weighted by one
        more annotator.
    """
    known = weights + model_weight
    return np.asarray(1 - (known * quality + annotator_weight / classes) / (known + annotator_weight))


@pointwise(paper="Goh & Mueller, 2023, arXiv:2301.11856, §3; as in cleanlab 2.9", again=label_again)
def activelab(
    probabilities: Floats,
    *,
    model_weight: Annotated[float, Range(1e-6, 1e6)] = 1.0,
    annotator_weight: Annotated[float, Range(1e-6, 1e6)] = 1.0,
    temperature: Annotated[float, Range(0.01, 100.0)] = 1.0,
) -> Floats:
    """Query where the model and one more annotator would be least sure; with --relabel, labelled images too.

    Among unlabelled images the order is that of least confidence. `select --relabel` settles the options from
    what annotators have answered so far, ranks labelled images in the same list (`label_again`), and judges all by
    the embeddings: the network has learned the labels that it would judge.

    Args:
        probabilities: (n, c).
        model_weight: w_M of the model.
        annotator_weight: Mean weight of the annotators.
        temperature: Divides the logarithms of the probabilities.

    Returns:
        (n,) scores in [0, 1 - 1/c]: 1 - s, s the mean of the largest probability, weighted by w_M, and of 1/c,
        weighted by one annotator.
    """
    return label_again(
        uncertainty.tempered(probabilities, temperature).max(axis=1),
        np.zeros(len(probabilities)),
        classes=probabilities.shape[1],
        model_weight=model_weight,
        annotator_weight=annotator_weight,
    )
