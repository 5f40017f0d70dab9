"""The clustering layer of deep embedded clustering (Xie, Girshick & Farhadi, 2016, arXiv:1511.06335, equation 1).

The centres are its weights. Its outputs are the logarithms of Student's t kernel with one degree of freedom,
-ln(1 + ‖z - μ‖²): their softmax is the soft assignment Q. So the layer stands where a linear classifier would.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ClusteringLayer(nn.Module):
    """Soft assignment of embeddings to centres, one for each class.

    Args:
        width: Size d of an embedding.
        classes: c.

    Attributes:
        centres: (c, d).
        in_features: d.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.in_features = width
        self.centres = nn.Parameter(torch.zeros(classes, width))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return (b, c) logits of (b, d) embeddings, float32 at least; their softmax is Q."""
        with torch.autocast(embeddings.device.type, enabled=False):  # differences of squares
            points = embeddings if embeddings.dtype == torch.float64 else embeddings.float()
            squares = (points[:, None, :] - self.centres[None]).square().sum(dim=2)  # (b, c)
            return -torch.log1p(squares)
