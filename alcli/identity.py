"""The identity of an image: `alcli_id`, and the 64-bit key that stands for it inside arrays.

`alcli_id` is `x` and 16 hex digits of BLAKE2b of the file's name in Unicode's NFC form. The letter keeps
spreadsheets from reading it as a number. Keys are its 64 bits; they sort as the ids do.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection, Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_ID_LENGTH = 17
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
# The byte that two hex digits stand for, by the two as one 16-bit number; -1 for what is no pair of digits.
_BYTE = np.full(2**16, -1, np.int16)
_BYTE[np.stack([np.repeat(_HEX, 16), np.tile(_HEX, 16)], axis=1).view(np.uint16).ravel()] = np.arange(256)


def alcli_id(file_name: str) -> str:
    """Return the id of one file name (relative to the pool, `/` separators)."""
    name = file_name if file_name.isascii() else unicodedata.normalize("NFC", file_name)
    return "x" + hashlib.blake2b(name.encode(), digest_size=8).hexdigest()


def alcli_ids(file_names: Iterable[str]) -> list[str]:
    """Return the ids of many file names."""
    return [alcli_id(name) for name in file_names]


def text_keys(texts: Collection[str]) -> NDArray[np.uint64]:
    """Return 64-bit keys of texts; for file names they are the keys of their ids.

    Texts that are equal in Unicode's NFC form have the same key.
    """
    blake2b, normalize = hashlib.blake2b, unicodedata.normalize  # this runs for every image of every pool
    normal = [text if text.isascii() else normalize("NFC", text) for text in texts]
    digests = b"".join(
        [blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in normal]
    )
    return np.frombuffer(digests, ">u8").astype(np.uint64)


def keys_of(ids: pa.Array | pa.ChunkedArray) -> NDArray[np.uint64]:
    """Return the 64-bit keys of an Arrow string array of ids.

    Raises:
        ValueError: An entry is null or not an alcli id.
    """
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.combine_chunks()
    ids = ids.cast(pa.string())
    offsets = np.frombuffer(ids.buffers()[1], np.int32)[ids.offset : ids.offset + len(ids) + 1]
    if ids.null_count or (np.diff(offsets) != _ID_LENGTH).any():
        raise ValueError("not an alcli id: 'x' and 16 hex digits are expected")
    if not len(ids):
        return np.empty(0, np.uint64)
    text = np.frombuffer(ids.buffers()[2], np.uint8)[offsets[0] : offsets[-1]].reshape(-1, _ID_LENGTH)
    octets = _BYTE[np.ascontiguousarray(text[:, 1:]).view(np.uint16)]  # (n, 8)
    if (text[:, 0] != ord("x")).any() or (octets < 0).any():
        raise ValueError("not an alcli id: 'x' and 16 hex digits are expected")
    return octets.astype(np.uint8).view(">u8").ravel().astype(np.uint64)


def ids_of(keys: NDArray[np.uint64]) -> pa.StringArray:
    """Return the Arrow string array of ids that `keys` stand for."""
    packed = keys.astype(">u8").view(np.uint8).reshape(-1, 8)
    text = np.empty((len(keys), _ID_LENGTH), np.uint8)
    text[:, 0] = ord("x")
    text[:, 1::2] = _HEX[packed >> 4]
    text[:, 2::2] = _HEX[packed & 15]
    offsets = np.arange(len(keys) + 1, dtype=np.int32) * _ID_LENGTH
    return pa.StringArray.from_buffers(len(keys), pa.py_buffer(offsets), pa.py_buffer(text))
