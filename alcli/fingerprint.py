"""A digest of rows that does not depend on the order or the chunks in which they come."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alcli.randomness import derive_seed, mix

_WORD = 8  # bytes


class Fingerprint:
    """Sums a 64-bit hash of every row: equal rows under equal keys give equal sums, however they are chunked.

    It tells whether two runs read the same numbers; it is no proof against somebody who forges them.
    """

    def __init__(self) -> None:
        self._sum = 0
        self.names: set[str] = set()  # of all arrays taken in

    def add(self, keys: NDArray[np.uint64], arrays: dict[str, NDArray[Any]]) -> None:
        """Take in some rows.

        Args:
            keys: (r,) keys of the images.
            arrays: By name, arrays of r rows.
        """
        self.names |= arrays.keys()
        with np.errstate(over="ignore"):
            for name, values in arrays.items():
                hashes = mix(keys ^ np.uint64(derive_seed(0, "fingerprint", name)))
                for word in _words(values).T:
                    hashes = mix(hashes ^ word)
                self._sum += int(hashes.sum(dtype=np.uint64))

    def hexdigest(self) -> str:
        """Return 16 hex digits."""
        return f"{self._sum % 2**64:016x}"


def _words(values: NDArray[Any]) -> NDArray[np.uint64]:
    """View the bytes of r rows as (r, w) words, the last one filled up with zeros."""
    rows = np.ascontiguousarray(values).reshape(len(values), math.prod(values.shape[1:]))
    width = rows.shape[1] * rows.itemsize
    padded = np.zeros((len(rows), -(-width // _WORD) * _WORD), np.uint8)
    padded[:, :width] = rows.view(np.uint8)
    return padded.view(np.uint64)
