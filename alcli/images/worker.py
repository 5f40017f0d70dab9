"""The child's half of `DecodePool`: a process that decodes what it is asked for until nobody asks any more.

It talks through its standard input and output. First comes one line of JSON that says what to do: the decode
function's module and name, and the transform; it answers `READY`. From then on each line is a JSON list of
paths, and each answer is one line of JSON, an object of lists, followed by the raw pixels of all of them.

The end of its input ends it. So a parent that is killed, even by SIGKILL, leaves no process behind.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from alcli.images.decoding import Decoded
from alcli.images.transform import Transform

READY = b"ready\n"

DecodeFunction = Callable[[str, Transform], Decoded]


def serve() -> None:
    """Decode for the parent until it closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    requests, answers = _take_standard_streams()
    setup = json.loads(requests.readline())
    decode: DecodeFunction = getattr(importlib.import_module(setup["module"]), setup["function"])
    transform = Transform.from_dict(setup["transform"])
    answers.write(READY)
    answers.flush()
    for line in requests:
        paths = json.loads(line)
        pixels = np.zeros((len(paths), *transform.shape), np.uint8)
        facts = decode_into(pixels, decode, paths, transform)
        answers.write(json.dumps(facts).encode() + b"\n")
        answers.write(pixels.data)
        answers.flush()


def decode_into(
    pixels: NDArray[np.uint8], decode: DecodeFunction, paths: Sequence[str], transform: Transform
) -> dict[str, list[Any]]:
    """Decode a few images.

    Args:
        pixels: (n, image_size, image_size, channels), written to where there is no problem.
        decode: Gives one image.
        paths: n image files.
        transform: What every image becomes.

    Returns:
        Lists of n `problems`, `sha256`, `sizes` (bytes) and `mtimes_ns`.
    """
    facts: dict[str, list[Any]] = {"problems": [], "sha256": [], "sizes": [], "mtimes_ns": []}
    for row, path in enumerate(paths):
        image, *rest = decode(path, transform)
        if image is not None:
            pixels[row] = image
        for column, fact in zip(facts.values(), rest, strict=True):
            column.append(fact)
    return facts


def _take_standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for ourselves; libraries that print, or crash with a last word, talk to nobody."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)
    return requests, answers
