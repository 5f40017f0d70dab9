"""Changed copies of training images: shifts and mirror images, and timm's policies on top of them."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alcli.errors import UsageError

Pixels = NDArray[np.uint8]
Augment = Callable[[Pixels, np.random.Generator], Pixels]
_SHIFT = 8  # an image is moved by up to an eighth of its side, as CIFAR's usual 4 of 32 px


def augmentation(policy: str) -> Augment | None:
    """Return the function that changes (b, H, W, C) pixels, or None for `none`.

    Args:
        policy: `none`; `standard`, which shifts and mirrors; or a policy of timm, such as `rand-m9-mstd0.5`,
            which comes after these.

    Raises:
        UsageError: timm knows no such policy.
    """
    if policy == "none":
        return None
    if policy == "standard":
        return standard
    change = _timm_policy(policy)

    def augment(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        moved = standard(pixels, rng)
        with _timm_seeded(rng):
            return np.stack([_changed(image, change) for image in moved])

    return augment


def standard(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Shift every image by up to an eighth of its side, the border reflected, and mirror half of them."""
    count, height, width, _ = pixels.shape
    reach = max(1, height // _SHIFT)
    padded = np.pad(pixels, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="reflect")
    downs, rights = rng.integers(0, 2 * reach + 1, (2, count))
    steps = np.where(rng.random(count) < 0.5, 1, -1)
    return np.stack(
        [
            image[down : down + height, right : right + width][:, ::step]
            for image, down, right, step in zip(padded, downs, rights, steps, strict=True)
        ]
    )


def _timm_policy(policy: str) -> Callable[[Image.Image], Image.Image]:
    from timm.data import auto_augment

    kinds: dict[str, Any] = {
        "rand": auto_augment.rand_augment_transform,
        "augmix": auto_augment.augment_and_mix_transform,
    }
    make = next(
        (kind for name, kind in kinds.items() if policy.startswith(name)), auto_augment.auto_augment_transform
    )
    try:
        change: Callable[[Image.Image], Image.Image] = make(policy, {"img_mean": (128, 128, 128)})
    except (AssertionError, ValueError, KeyError, IndexError) as error:
        raise UsageError(
            f"unknown --augment '{policy}'",
            hint="none, standard, or a policy of timm: rand-m9-mstd0.5, augmix-m3-w3, original, 3a",
        ) from error
    return change


def _changed(image: Pixels, change: Callable[[Image.Image], Image.Image]) -> Pixels:
    """Apply a policy to one (H, W, C) image; grey ones go through RGB, which all its steps take."""
    if image.shape[2] == 3:
        return np.asarray(change(Image.fromarray(image)))
    colour = change(Image.fromarray(image[..., 0]).convert("RGB"))
    return np.asarray(colour.convert("L"))[..., None]


@contextlib.contextmanager
def _timm_seeded(rng: np.random.Generator) -> Iterator[None]:
    """Seed the global generators, which timm's policies draw from, and put them back afterwards."""
    seed = int(rng.integers(2**32))
    before = random.getstate(), np.random.get_state()  # noqa: NPY002 -- see above
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002, TID251 -- see above
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002 -- see above
