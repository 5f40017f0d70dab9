"""Addresses of images as a page refers to them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote


@dataclass(frozen=True)
class Links:
    """Makes addresses of images relative to a page, so that both can move together.

    Attributes:
        pool: The image folder.
        page: Where the page will be.
    """

    pool: Path
    page: Path

    def __call__(self, file_name: str) -> str:
        """Return the address of one image, percent-encoded; absolute where it lies on another drive."""
        image = (self.pool / file_name).absolute()
        try:
            # Not resolved: a browser takes `..` off the address as it stands, whatever is a symbolic link.
            return quote(os.fsencode(Path(os.path.relpath(image, self.page.absolute().parent)).as_posix()))
        except ValueError:
            return image.as_uri()
