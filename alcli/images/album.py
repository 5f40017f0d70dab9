"""Images that are decoded once and read many times: their pixels in one file, mapped into memory.

A simulation trains and scores on the same images a hundred times. An album hands them out as `DecodePool`
does; processes that open the same one share its pages, and the system may drop them when memory is short.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from alcli import files
from alcli.errors import InputRejected
from alcli.images.pipeline import CRASHED, Batch, DecodePool
from alcli.images.transform import Transform
from alcli.progress import Progress, silent

PIXELS = "pixels.npy"
RECORD = "album.json"
_DECODED_AT_ONCE = 512
_FACTS = ("problems", "sha256", "sizes", "mtimes_ns")


class Album:
    """The pixels of some images, and what decoding them showed.

    Args:
        folder: As `Album.fill` left it.

    Attributes:
        transform: What every image became.
        paths: n image files.
        problems: n reasons why there are no pixels, None where there are.
        sha256: n digests of the files' bytes; None for a file that could not be read.
        sizes: (n,) bytes.
        mtimes_ns: (n,) nanoseconds since 1970.
    """

    def __init__(self, folder: Path) -> None:
        about = files.read_json(folder / RECORD)
        self.folder = folder
        self.transform = Transform.from_dict(about["transform"])
        self.paths: list[str] = about["paths"]
        self.problems: list[str | None] = about["problems"]
        self.sha256: list[str | None] = about["sha256"]
        self.sizes = np.array(about["sizes"], np.int64)
        self.mtimes_ns = np.array(about["mtimes_ns"], np.int64)
        self._pixels = np.load(folder / PIXELS, mmap_mode="r")
        self._rows = {path: row for row, path in enumerate(self.paths)}

    @classmethod
    def fill(
        cls,
        folder: Path,
        paths: Sequence[str],
        transform: Transform,
        *,
        sha256: Sequence[str | None] | None = None,
        workers: int | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Decode `paths` into `folder`; an album of the same images that is there already is opened.

        The record is written last: without it, what a killed run left counts for nothing.

        Args:
            folder: Of this album alone.
            paths: n image files.
            transform: What every image becomes.
            sha256: n digests that the files should have: an album of files that had others is filled anew. None
                opens it whatever they were.
            workers: As for `DecodePool`.
            progress: Told of every image that is decoded.
        """
        with contextlib.suppress(OSError, ValueError, KeyError):
            there = cls(folder)
            same = there.transform == transform and there.paths == list(paths)
            if same and (sha256 is None or not there.differing(sha256)):
                return there
        with files.storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / RECORD).unlink(missing_ok=True)
            pixels = np.lib.format.open_memmap(
                folder / PIXELS, mode="w+", dtype=np.uint8, shape=(len(paths), *transform.shape)
            )
            about: dict[str, list[Any]] = {name: [] for name in _FACTS}
            with DecodePool(transform, workers=workers) as pool, progress("decoding", len(paths)) as advance:
                for batch in pool.stream(paths, batch_size=_DECODED_AT_ONCE):
                    count = len(batch.problems)
                    pixels[batch.start : batch.start + count] = batch.pixels
                    for name in _FACTS:
                        values = getattr(batch, name)
                        about[name] += values.tolist() if isinstance(values, np.ndarray) else values
                    advance(count)
            pixels.flush()
            record = {"transform": transform.to_dict(), "paths": list(paths), **about}
            files.write_bytes(folder / RECORD, json.dumps(record).encode())
        return cls(folder)

    @staticmethod
    def bytes_for(images: int, transform: Transform) -> int:
        """Return how large an album of so many images is."""
        return images * math.prod(transform.shape)

    def differing(self, sha256: Sequence[str | None]) -> list[int]:
        """Return the rows of files that had other content than `sha256` says, n digests.

        What a file held whose decoder crashed is not known; it counts as what it should be.
        """
        facts = zip(self.sha256, sha256, self.problems, strict=True)
        return [row for row, (had, should, why) in enumerate(facts) if had != should and why != CRASHED]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the album open: others read it."""

    def stream(self, paths: Sequence[str], *, batch_size: int) -> Iterator[Batch]:
        """Hand out images in the order of `paths`, as `DecodePool.stream`.

        Raises:
            InputRejected: An image is not in the album.
        """
        rows = self._located(paths)
        for start in range(0, len(rows), batch_size):
            some = rows[start : start + batch_size]
            yield Batch(
                start=start,
                pixels=self._taken(some),
                problems=[self.problems[row] for row in some],
                sha256=[self.sha256[row] for row in some],
                sizes=self.sizes[some],
                mtimes_ns=self.mtimes_ns[some],
            )

    def _taken(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return a copy of the pixels of `rows`; of neighbours in one go."""
        first, last = int(rows[0]), int(rows[-1])
        if last - first + 1 == len(rows) and np.all(np.diff(rows) == 1):
            return np.array(self._pixels[first : last + 1])
        return np.asarray(self._pixels[rows])

    def _located(self, paths: Sequence[str]) -> NDArray[np.int64]:
        try:
            return np.fromiter((self._rows[path] for path in paths), np.int64, len(paths))
        except KeyError as error:
            raise InputRejected(f"{error.args[0]} was not there when the simulation began") from error


# Who decodes: so many processes, one per core (None), or an album that did so already.
Decoders = int | Album | None


def opened(decoders: Decoders, transform: Transform) -> DecodePool | Album:
    """Return what hands out images; an album of another transform is of no use.

    Raises:
        ValueError: The album's transform is another one.
    """
    if not isinstance(decoders, Album):
        return DecodePool(transform, workers=decoders)
    if decoders.transform != transform:
        raise ValueError(f"the album was made for {decoders.transform}, not for {transform}")
    return decoders
