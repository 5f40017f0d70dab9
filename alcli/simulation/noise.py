"""Wrong labels on purpose: what the simulated people answer instead of the truth.

Whether an image is answered wrongly, and with which class, is a pure function of the seed and the image, so every
method of a seed meets the same mistake on the same image and methods can be compared pair by pair. Only `rad` also
depends on the batch: it fixes how many of it are wrong.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from alcli import files, randomness, request
from alcli.errors import InputRejected, UsageError
from alcli.tables import Table, read_table

Model = Literal["uniform", "rad", "permutation", "matrix"]
BUILT_IN = [name for name in get_args(Model) if name != "matrix"]
_SPREAD = 0.2  # of RAD's number of wrong labels, relative to its mean
_EXAMPLE = "--label-noise 30% --noise-model uniform"


@dataclass(frozen=True)
class Noise:
    """How often people are wrong, and how.

    Attributes:
        model: `uniform`: each label with probability `rate`, then any other class alike. `rad`: of n labels that come
            back together N(n·rate, (0.2·n·rate)²) are, rounded, then any other class alike (Zhao et al., 2019,
            arXiv:1911.04383). `permutation`: each with probability `rate`, then the class that a fixed permutation
            without fixed points, drawn for the seed, puts in its place (as Reed et al., 2015, arXiv:1412.6596, were
            replicated). `matrix`: by a confusion matrix.
        rate: In [0, 1]; `matrix` does not read it.
        file: The confusion matrix, CSV.
        matrix: Its content, once settled: c rows of c probabilities of the class given, by true class.
    """

    model: Model
    rate: float = 0.0
    file: Path | None = None
    matrix: tuple[tuple[float, ...], ...] | None = None

    @classmethod
    def parse(cls, rate: str | None, model: str | None) -> Noise | None:
        """Read `--label-noise` and `--noise-model`; None where no label is wrong.

        Args:
            rate: A share such as `30%`.
            model: `uniform`, `rad`, `permutation` or a file; None is `uniform`.

        Raises:
            UsageError: The rate is no share, or lacks, or contradicts a file; or there is no such model.
        """
        if model is not None and model not in BUILT_IN:
            return cls._of_file(rate, model)
        if rate is None:
            if model is not None:
                raise UsageError(f"--noise-model {model} needs --label-noise", hint=_EXAMPLE)
            return None
        share = request.read_share(rate)
        if share is None or share > 1:
            raise UsageError(f"--label-noise {rate} is not a share from 0% to 100%", hint=_EXAMPLE)
        return cls(cast("Model", model or "uniform"), float(share)) if share else None

    @classmethod
    def _of_file(cls, rate: str | None, model: str) -> Noise:
        if not Path(model).is_file():
            raise UsageError(
                f"--noise-model {model}: there is no such model, and no such file",
                hint=f"one of: {', '.join(BUILT_IN)}; or a confusion matrix as CSV",
            )
        if rate is not None:
            raise UsageError(
                f"--label-noise {rate}: the confusion matrix says already how often labels are wrong"
            )
        return cls("matrix", file=Path(model))

    def settled(self, classes: tuple[str, ...]) -> Noise:
        """Return the noise with its matrix read.

        Raises:
            InputRejected: The matrix is not one of these classes, or there is only one class.
        """
        if len(classes) < 2:
            raise InputRejected("a label can only be wrong where there are two classes at least")
        if self.file is None:
            return self
        return dataclasses.replace(self, matrix=read_matrix(self.file, classes))

    def record(self) -> str:
        """Return what identifies the noise."""
        return (
            f"matrix {files.digest(json.dumps(self.matrix))}" if self.matrix else f"{self.model} {self.rate}"
        )

    def answers(
        self, truth: NDArray[np.int32], keys: NDArray[np.uint64], *, classes: int, seed: int, batch: int
    ) -> NDArray[np.int32]:
        """Return what people answer.

        Args:
            truth: (n,) the true class of each image, in [0, classes).
            keys: (n,) identities of the images.
            classes: How many there are, at least 2.
            seed: The lane's; the noise draws from a seed of its own.
            batch: Which of the batches that come back these are; only `rad` reads it.
        """
        own = randomness.derive_seed(seed, "label-noise")
        drawn = randomness.uniform(own, "which", keys)
        if self.matrix is not None:
            return _by_matrix(np.array(self.matrix), truth, drawn)
        if self.model == "permutation":
            other = derangement(classes, own)[truth]
        else:
            steps = 1 + (randomness.uniform(own, "class", keys) * (classes - 1)).astype(np.int32)
            other = (truth + steps) % classes
        wrong = drawn < self.rate
        if self.model == "rad":
            wrong = np.zeros(len(truth), np.bool_)
            wrong[np.lexsort((keys, drawn))[: self._count(len(truth), own, batch)]] = True
        return np.where(wrong, other, truth).astype(np.int32)

    def _count(self, n: int, seed: int, batch: int) -> int:
        """Return how many of n labels of a batch are wrong under `rad`."""
        normal = np.random.default_rng(randomness.derive_seed(seed, "count", batch)).standard_normal()
        return min(n, max(0, round(n * self.rate * (1 + _SPREAD * normal))))


def derangement(classes: int, seed: int) -> NDArray[np.int32]:
    """Return a permutation of the classes that leaves none in its place, each such one equally likely."""
    generator = np.random.default_rng(randomness.derive_seed(seed, "permutation"))
    order = generator.permutation(classes)
    while (order == np.arange(classes)).any():  # one in e permutations passes
        order = generator.permutation(classes)
    return order.astype(np.int32)


def _by_matrix(
    matrix: NDArray[np.float64], truth: NDArray[np.int32], drawn: NDArray[np.float64]
) -> NDArray[np.int32]:
    """Return the class that each number in (0, 1) stands for in the row of its true class."""
    given = truth.copy()
    for code in np.unique(truth):
        rows, sums = truth == code, np.cumsum(matrix[code])
        given[rows] = np.searchsorted(sums / sums[-1], drawn[rows], side="right")
    return given


def read_matrix(path: Path, classes: tuple[str, ...]) -> tuple[tuple[float, ...], ...]:
    """Read a confusion matrix: a row for each true class, a column for each given one, both with their names.

    Args:
        path: CSV: a header of any first cell and the classes, then rows of a class and its numbers, such as counts.
        classes: The pool's, in model order, which is the order of the result.

    Returns:
        Rows that add up to 1.

    Raises:
        UsageError: The file cannot be read.
        InputRejected: A class is unknown, missing or there twice; a number is none or negative; a row is all 0.
    """
    table = read_table(path, kind="csv")
    first, *given = table.columns
    true = [name or "" for name in table.columns[first]]
    for what, names in (("columns", given), ("rows", true)):
        _check_names(path, what, names, classes)
    at = {name: row for row, name in enumerate(true)}
    return tuple(_row(path, table, at[name], classes) for name in classes)


def _check_names(path: Path, what: str, names: list[str], classes: tuple[str, ...]) -> None:
    faults = {
        "no class of the pool": sorted(set(names).difference(classes)),
        "missing": [name for name in classes if name not in names],
        "there twice": sorted({name for name in names if names.count(name) > 1}),
    }
    for fault, found in faults.items():
        if found:
            raise InputRejected(
                f"{path}: in its {what}, {fault}: {', '.join(map(repr, found))}",
                hint=f"the header and the first column hold: {', '.join(classes)}",
            )


def _row(path: Path, table: Table, at: int, classes: tuple[str, ...]) -> tuple[float, ...]:
    numbers = []
    for name in classes:
        cell = table.columns[name][at]
        try:
            number = float(cell or "")
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            raise InputRejected(
                f"{path}, {table.unit} {table.lines[at]}: {cell!r} under '{name}' is no number from 0"
            )
        numbers.append(number)
    total = math.fsum(numbers)
    if not total:
        raise InputRejected(f"{path}, {table.unit} {table.lines[at]}: all numbers are 0, so nothing is given")
    return tuple(number / total for number in numbers)
