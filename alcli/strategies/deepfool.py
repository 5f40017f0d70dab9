"""Smallest adversarial perturbation."""

from __future__ import annotations

from alcli.strategies._strategy import Floats, pointwise


def _nearest(adversarial_distances: Floats) -> Floats:
    """Order images whose scores round to the same number, such as those whose class never changed."""
    return -adversarial_distances


@pointwise(
    paper="Ducoffe & Precioso, 2018, arXiv:1802.09841 (DFAL); distances by DeepFool, Moosavi-Dezfooli et al., "
    "2016, arXiv:1511.04599, algorithm 2",
    cost="O(n), after at most 11 forward and 110 backward passes for each candidate",
    ties=_nearest,
)
def deepfool(adversarial_distances: Floats) -> Floats:
    """Query where the smallest change of the pixels changes the predicted class.

    Args:
        adversarial_distances: (n,) Euclidean length of DeepFool's perturbation, in units of the network's
            normalised input, ≥ 0 (see `alcli.networks.deepfool`). Those of images whose class never changed
            are larger than all others.

    Returns:
        (n,) scores in (0, 1]: 1 / (1 + distance), so that `--stochastic` can draw in proportion to them.
    """
    return 1 / (1 + adversarial_distances)
