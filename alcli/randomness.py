"""Randomness that depends on the seed and on the image's identity, and on nothing else.

Every random number is a pure function of (seed, purpose, key): a counter-based stream (Salmon et al., 2011,
"Parallel random numbers: as easy as 1, 2, 3") with SplitMix64's finaliser as the mixing function. So an
answer does not change with chunk size, worker count, sharding or the order of files.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

_BLOCK = 16_384  # keys at a time: their numbers stay in the processor's cache


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return a 63-bit seed for one purpose, independent of the seeds for others."""
    text = "\0".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def uniform(seed: int, purpose: str, keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return one number in the open interval (0, 1) for each key.

    Args:
        seed: The command's `--seed`.
        purpose: Names the draw, so that two draws for one image are independent.
        keys: (n,) identities of images; equal keys give equal numbers.
    """
    drawn, start = np.empty(len(keys)), np.uint64(derive_seed(seed, purpose))
    with np.errstate(over="ignore"):
        for first in range(0, len(keys), _BLOCK):
            bits = mix(mix(keys[first : first + _BLOCK] ^ start) + np.uint64(0x9E3779B97F4A7C15))
            # 52 bits: 1.0 is never reached
            drawn[first : first + _BLOCK] = ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return drawn


def gumbel(seed: int, purpose: str, keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return one standard Gumbel number for each key."""
    return np.asarray(-np.log(-np.log(uniform(seed, purpose, keys))))


def mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea & Flood, 2014), a bijection of 64-bit words."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
