"""FaceNet's triplet loss, semi-hard negatives mined in the batch (Schroff et al., 2015, arXiv 1503.03832).

The paper's equation 1 and section 3.2. Every ordered pair of two images of one class is an anchor and a
positive. Its negative is the nearest one farther than the positive; where there is none, the farthest, as in
TensorFlow Addons. A negative beyond the margin costs nothing either way.
"""

from __future__ import annotations

import torch
from torch import Tensor

MARGIN = 0.2


def triplet(embeddings: Tensor, targets: Tensor, *, margin: float = MARGIN) -> Tensor:
    """Return the mean of [d(a, p) - d(a, n) + margin]+ over all pairs; d is the squared distance.

    Args:
        embeddings: (b, t), of length 1.
        targets: (b,) class codes.
        margin: In squared distance, of which 4 is the largest.

    Returns:
        A scalar; 0, with a gradient of 0, if no image has both a positive and a negative.
    """
    with torch.autocast(embeddings.device.type, enabled=False):  # differences of squares need float32
        full = embeddings.float()
        distances = (2 - 2 * full @ full.T).clamp_min(0)  # (b, b)
    same = targets[:, None] == targets[None, :]  # (b, b)
    pairs = same & ~torch.eye(len(targets), dtype=torch.bool, device=targets.device)
    pairs &= (~same).any(dim=1, keepdim=True)
    if not pairs.any():
        return full.sum() * 0
    negatives = distances.masked_fill(same, torch.inf).sort(dim=1).values  # (b, b), ascending, inf at the end
    first_farther = torch.searchsorted(negatives.detach(), distances.detach().contiguous(), right=True)
    nearest_farther = negatives.gather(1, first_farther.clamp_max(len(targets) - 1))  # (b, b)
    farthest = distances.masked_fill(same, -torch.inf).amax(dim=1, keepdim=True)  # (b, 1)
    chosen = torch.where(torch.isfinite(nearest_farther), nearest_farther, farthest)
    return (distances - chosen + margin).clamp_min(0)[pairs].mean()
