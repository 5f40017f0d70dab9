"""The cluster-contrastive loss: images move to the centre of their class and away from those of others.

Equation 7 of Roda & Geva, 2024, doi:10.3389/frai.2024.1398844, is reconstructed from the words around it, so
there are three readings of it. With s the similarity of an embedding and a centre, I_c the images of class c
and Ī_c those of other classes, each is a sum over the classes of the batch of the mean over I_c of

    A   -ln [ exp(s(z_i, μ_c)/τ) / Σ_{j ∈ Ī_c} exp(s(z_j, μ_c)/τ) ]               as the words say; unbounded
    B   the same with the positive added to the denominator                          ≥ 0
    C   -ln [ exp(s(z_i, μ_c)/τ) / Σ_c' exp(s(z_i, μ_c')/τ) ]                        a softmax over the centres
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FORMS = ("A", "B", "C")
SIMILARITIES = ("cos", "dot", "negsq")


def cluster_contrastive(
    embeddings: Tensor,
    targets: Tensor,
    centres: Tensor,
    *,
    form: str = "B",
    similarity: str = "cos",
    temperature: float = 0.1,
) -> Tensor:
    """Return the loss of the labelled images of a batch, in nats.

    Args:
        embeddings: (b, d), b ≥ 0.
        targets: (b,) class codes in [0, c).
        centres: (c, d).
        form: `A`, `B` or `C`.
        similarity: `cos` of the vectors, their `dot` product, or `negsq`, minus the squared distance.
        temperature: τ.

    Returns:
        A scalar; 0, with a gradient of 0, without images. In `A` and `B` a class that no image of another
        class faces counts 0.
    """
    scaled = _similarities(embeddings, centres, similarity) / temperature  # (b, c)
    own = F.one_hot(targets, len(centres)).bool()  # (b, c)
    counts = own.sum(dim=0)  # (c,)
    positive = scaled.gather(1, targets[:, None])[:, 0]  # (b,)
    if form == "C":
        losses = torch.logsumexp(scaled, dim=1) - positive
    else:
        losses = _against_others(scaled, own, targets, positive, closed=form == "B")
    return (losses / counts[targets]).sum()


def _against_others(
    scaled: Tensor, own: Tensor, targets: Tensor, positive: Tensor, *, closed: bool
) -> Tensor:
    """Return each image's loss against the images of other classes at its class's centre."""
    faced = (~own).any(dim=0)  # (c,)
    # A class that nobody faces would be a logarithm of 0, whose gradient is NaN even where it is masked.
    hidden = own & faced
    others = torch.logsumexp(scaled.masked_fill(hidden, -torch.inf), dim=0)[targets]  # (b,)
    denominator = torch.logaddexp(positive, others) if closed else others
    return torch.where(faced[targets], denominator - positive, torch.zeros_like(positive))


def _similarities(embeddings: Tensor, centres: Tensor, kind: str) -> Tensor:
    """Return (b, c), in the precision of the embeddings: a temperature magnifies what rounding would leave."""
    with torch.autocast(embeddings.device.type, enabled=False):
        if kind == "negsq":
            return -(embeddings[:, None, :] - centres[None]).square().sum(dim=2)
        if kind == "cos":
            embeddings, centres = F.normalize(embeddings, dim=1), F.normalize(centres, dim=1)
        return embeddings @ centres.T
