"""How the pixels of a file become the input of a network: one record that training and scoring share."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alcli import files
from alcli.errors import UsageError

RESIZES = ("squash", "crop")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


@dataclass(frozen=True)
class Transform:
    """The recipe from a decoded image to a network's input.

    Attributes:
        image_size: Side of the square result, in pixels, at least 1.
        channels: 1 (grey) or 3 (RGB).
        resize: `squash` brings both sides to `image_size`; `crop` brings the shorter side to
            `image_size / crop_pct` and keeps the centre.
        crop_pct: Share of the shorter side that `crop` keeps, in (0, 1].
        interpolation: `nearest`, `bilinear`, `bicubic` or `lanczos`.
        mean: Per channel, of pixels scaled to [0, 1]; 0.5 unless given.
        std: Per channel, above 0, of pixels scaled to [0, 1]; 0.5 unless given.
        draft: Decode JPEGs that are larger than needed at 1/2, 1/4 or 1/8 of their size, and their brightness
            alone if `channels` is 1: two to four times faster, and slightly other pixels.
    """

    image_size: int
    channels: int
    resize: str = "squash"
    crop_pct: float = 1.0
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    draft: bool = True

    def __post_init__(self) -> None:
        """Fill in the defaults that depend on `channels`, then check.

        Raises:
            UsageError: A value is out of its range.
        """
        for name in ("mean", "std"):
            given = tuple(float(value) for value in getattr(self, name))
            object.__setattr__(self, name, given or (0.5,) * self.channels)
        wrong = [name for name, right in self._checks().items() if not right]
        if wrong:
            told = ", ".join(f"{name} = {getattr(self, name)!r}" for name in wrong)
            raise UsageError(f"no such transform: {told}")

    def _checks(self) -> dict[str, bool]:
        return {
            "image_size": self.image_size >= 1,
            "channels": self.channels in (1, 3),
            "resize": self.resize in RESIZES,
            "crop_pct": 0 < self.crop_pct <= 1,
            "interpolation": self.interpolation in INTERPOLATIONS,
            "mean": len(self.mean) == self.channels and all(map(math.isfinite, self.mean)),
            "std": len(self.std) == self.channels and all(0 < value < math.inf for value in self.std),
        }

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of what comes out."""
        return self.image_size, self.image_size, self.channels

    @property
    def shorter_side(self) -> int:
        """What a source's shorter side must have, in pixels, for the resize not to enlarge anything."""
        return math.ceil(self.image_size / self.crop_pct) if self.resize == "crop" else self.image_size

    @property
    def digest(self) -> str:
        """16 hex digits; equal for equal transforms."""
        return files.digest(json.dumps(self.to_dict(), sort_keys=True))

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON holds it."""
        return {**dataclasses.asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Transform:
        """Return the transform that `to_dict` wrote.

        Raises:
            UsageError: A setting is unknown (a newer alcli wrote it), is missing or is out of range.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(record) - known):
            raise UsageError(f"unknown transform setting {', '.join(unknown)}", hint="pip install -U alcli")
        if missing := sorted({"image_size", "channels"} - set(record)):
            raise UsageError(f"the transform lacks {', '.join(missing)}")
        return cls(**record)
