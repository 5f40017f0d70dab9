"""Signals from a user's own model: a Parquet file with the columns that `score` would save.

One row per image, keyed by `alcli_id` or `file_name`. A vector is a list column; `mc_probabilities` is a list
of m lists. The file is read batch by batch, so its size does not matter.
"""

from __future__ import annotations

import datetime
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from alcli import __version__, files, identity, ledger, models, uncertainty
from alcli import manifest as manifests
from alcli.errors import InputRejected
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.signals import ROWS_PER_PART, Part, SignalStore
from alcli.tables import is_text

logger = logging.getLogger("alcli")

_FEWEST_PASSES = 2  # of dropout: one shows no disagreement
# Axes of one row, and the type it is kept in.
_KNOWN: dict[str, tuple[int, str]] = {
    "probabilities": (1, "float32"),
    "embeddings": (1, "float16"),
    "triplet_embeddings": (1, "float16"),
    "mc_probabilities": (2, "float16"),
    "confidence": (0, "float32"),
    "margin": (0, "float32"),
    "entropy": (0, "float32"),
    "prediction": (0, "int32"),
    "adversarial_distances": (0, "float64"),
    "gradient_lengths": (0, "float64"),
    "cluster_probabilities": (1, "float32"),
    "discriminator_scores": (0, "float32"),
}
_RANGES: dict[str, tuple[float, float]] = {
    "confidence": (0, 1),
    "margin": (0, 1),
    "entropy": (0, np.inf),
    "adversarial_distances": (0, np.inf),
    "gradient_lengths": (0, np.inf),
}


@dataclass(frozen=True)
class Taken:
    """What was taken in.

    Attributes:
        model: Id under which the signals are kept.
        images: Images that have signals now.
        missing: Readable images of the pool that the file does not have.
        signals: Names of the signals.
        unchanged: Whether the same file had been taken in before.
    """

    model: str
    images: int
    missing: int
    signals: tuple[str, ...]
    unchanged: bool = False


def take_in(project: Project, path: Path, *, classes: Sequence[str] | None = None) -> Taken:
    """Store the signals of a user's own model, after checking every row.

    Args:
        project: The pool.
        path: The Parquet file.
        classes: Class names in the order of the model's outputs; None takes the file's `alcli.classes`
            metadata, or the manifest's order.

    Raises:
        InputRejected: The file is not Parquet, has no known signal, names an unknown image or one twice, or a
            row is not finite or cannot be kept, empty, of another length than the others, out of range, or not a
            distribution.
            Nothing is changed.
    """
    with ledger.writing(project, "score"):
        manifest = manifests.read(project.manifest)
        reader = _Reader(path, manifest, classes)
        identity_ = files.digest(files.file_digest(path), *reader.classes)
        known = [record for record in models.all_models(project) if record.about.get("source") == identity_]
        if known and known[-1].id == models.newest(project).id:
            return _report(manifest, SignalStore(known[-1].signals(project)), known[-1].id, unchanged=True)
        model_id = models.next_id(project, identity_)
        store = SignalStore(project.signals / model_id)
        shutil.rmtree(
            store.folder, ignore_errors=True
        )  # of a run that was killed before its model was recorded
        try:
            reader.save(store, model_id)
        except BaseException:
            shutil.rmtree(store.folder, ignore_errors=True)
            raise
        about = {
            "schema": 1,
            "id": model_id,
            "kind": "external",
            "source": identity_,
            "classes": reader.classes,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "versions": {"alcli": __version__},
        }
        files.write_json(project.models / model_id / models.RECORD, about)
        ledger.note(project, "score", model=model_id, file=str(path))
    return _report(manifest, store, model_id)


def _report(manifest: Manifest, store: SignalStore, model: str, *, unchanged: bool = False) -> Taken:
    missing = int((store.locate(manifest.keys[manifest.readable]) < 0).sum())
    if missing:
        logger.warning("%d readable images of the pool have no signals in the file", missing)
    return Taken(model, len(store.keys), missing, tuple(store.shapes), unchanged)


class _Reader:
    """Reads a file of outputs in batches and checks each."""

    def __init__(self, path: Path, manifest: Manifest, classes: Sequence[str] | None) -> None:
        self.path = path
        self.manifest = manifest
        try:
            self.file = pq.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            raise InputRejected(f"{path} is not a Parquet file: {error}") from error
        names = self.file.schema_arrow.names
        self.signals = [name for name in _KNOWN if name in names]
        self.key = next((name for name in ("alcli_id", "file_name") if name in names), None)
        if self.key is None or not self.signals:
            raise InputRejected(
                f"{path} needs alcli_id or file_name, and at least one of {', '.join(_KNOWN)}; it has "
                f"{', '.join(names)}"
            )
        twice = [name for name in (self.key, *self.signals) if names.count(name) > 1]
        if twice:
            raise InputRejected(f"{path}: {', '.join(twice)} stands more than once among its columns")
        said = (self.file.schema_arrow.metadata or {}).get(b"alcli.classes")
        self.classes = list(classes or (_class_names(path, said) if said else manifest.classes))

    def save(self, store: SignalStore, model: str) -> None:
        """Check every row and append them all to `store`."""
        seen: set[int] = set()
        kinds: dict[str, dict[str, Any]] = {}
        for keys, arrays in self._batches():
            self._refuse_twice(keys, seen)
            found = {name: {"shape": list(v.shape[1:]), "dtype": str(v.dtype)} for name, v in arrays.items()}
            if not kinds:
                kinds = found
                store.create(model=model, transform=None, settings=None, signals=kinds)
            if found != kinds:
                raise InputRejected(f"{self.path}: rows differ in length: {found} after {kinds}")
            unknown = np.full(len(keys), -1)
            store.append(Part(keys, arrays, unknown, unknown, [None] * len(keys)))
        if not kinds:
            raise InputRejected(f"{self.path} has no rows")

    def _batches(self) -> Iterator[tuple[NDArray[np.uint64], dict[str, NDArray[Any]]]]:
        for batch in self._read():
            keys = self._keys(batch[self.key])
            arrays = {name: self._array(name, batch[name], keys) for name in self.signals}
            if "probabilities" in arrays:
                arrays = {**uncertainty.scalars(arrays["probabilities"]), **arrays}
            yield keys, arrays

    def _read(self) -> Iterator[pa.RecordBatch]:
        columns = [self.key, *self.signals]
        try:
            yield from self.file.iter_batches(batch_size=ROWS_PER_PART, columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise InputRejected(f"{self.path} is damaged: {error}", hint="write it anew") from error

    def _keys(self, column: pa.Array) -> NDArray[np.uint64]:
        try:
            values = [str(value) for value in column.to_pylist()]
            ids = values if self.key == "alcli_id" else identity.alcli_ids(values)
            keys = identity.keys_of(pa.array(ids, pa.string()))
        except ValueError as error:
            raise InputRejected(f"{self.path}, column {self.key}: {error}") from error
        unknown = ~np.isin(keys, self.manifest.keys)
        if unknown.any():
            raise InputRejected(
                f"{self.path} names {int(unknown.sum())} images that the pool does not have",
                hint="paths are relative to the pool, with / between folders",
                details=[values[row] for row in np.flatnonzero(unknown)],
            )
        return keys

    def _array(self, name: str, column: pa.Array, keys: NDArray[np.uint64]) -> NDArray[Any]:
        given = self._numbers(name, column, keys)
        values = self._finite(name, given, keys)
        if name in _RANGES:
            return self._in_range(name, values, keys)
        if name.endswith("probabilities"):
            self._check_distribution(name, values, keys)
        if name == "prediction":
            self._check_classes(given, keys)
        if name == "mc_probabilities" and values.shape[1] < _FEWEST_PASSES:
            raise InputRejected(
                f"{self.path}: {name} of {values.shape[1]} pass show no disagreement; at least {_FEWEST_PASSES} do",
                hint="leave the column out",
            )
        return values

    def _numbers(self, name: str, column: pa.Array, keys: NDArray[np.uint64]) -> NDArray[np.float64]:
        axes, _ = _KNOWN[name]
        try:
            values: NDArray[Any] = np.array(column.to_pylist(), dtype=np.float64)
        except (ValueError, TypeError, OverflowError) as error:
            raise InputRejected(
                f"{self.path}, column {name}: rows differ in length or are not numbers"
            ) from error
        if values.ndim != axes + 1:
            raise InputRejected(
                f"{self.path}, column {name}: {axes} axes a row are expected, not {values.ndim - 1}"
            )
        if not values.size:
            raise InputRejected(
                f"{self.path}: {name} of {len(values)} rows are empty",
                hint="leave the column out",
                details=self._names(keys),
            )
        return values

    def _finite(self, name: str, values: NDArray[np.float64], keys: NDArray[np.uint64]) -> NDArray[Any]:
        """Return values in the type that they are kept in."""
        wrong = ~_by_row(np.isfinite(values)).all(axis=1)
        if wrong.any():
            raise InputRejected(
                f"{self.path}: {name} is not finite in {int(wrong.sum())} rows",
                details=self._names(keys[wrong]),
            )
        with np.errstate(over="ignore"):  # said below
            kept: NDArray[Any] = values.astype(_KNOWN[name][1])
        if kept.dtype.kind == "f":
            self._check_kept(name, values, kept, keys)
        return kept

    def _check_kept(
        self, name: str, values: NDArray[np.float64], kept: NDArray[Any], keys: NDArray[np.uint64]
    ) -> None:
        """Refuse rows that are fine in the file, and not in the type that they are kept in."""
        limits = np.finfo(kept.dtype)
        wrong = ~_by_row(np.isfinite(kept)).all(axis=1)
        why = f"are beyond {limits.max:g}, the largest number that {kept.dtype} keeps"
        if name.endswith("embeddings") and not wrong.any():
            wrong = _by_row(values).any(axis=1) & ~_by_row(kept).any(axis=1)
            why = f"become 0 in {kept.dtype}, which keeps nothing below {limits.smallest_subnormal:.2g}"
        if wrong.any():
            raise InputRejected(
                f"{self.path}: {name} of {int(wrong.sum())} rows {why}",
                hint="scale the column, for example divide it by its largest norm",
                details=self._names(keys[wrong]),
            )

    def _in_range(self, name: str, values: NDArray[Any], keys: NDArray[np.uint64]) -> NDArray[Any]:
        """Return values in their range: what is outside by no more than rounding is set to its end."""
        low, high = _RANGES[name]
        said, hint = f"is not from {low} to {high}" if np.isfinite(high) else f"is below {low}", None
        if name == "entropy" and self.classes:
            high = np.log(len(self.classes))
            said = f"is not from {low} to {high:.4g}, the logarithm of {len(self.classes)} classes"
            hint = (
                "entropies are natural logarithms; alcli score --from FILE --classes a,b,c names the classes in "
                "the model's order"
            )
        slack = uncertainty.SUM_TOLERANCE
        wrong = (values < low - slack) | (values > high + slack)
        if wrong.any():
            raise InputRejected(
                f"{self.path}: {name} of {int(wrong.sum())} rows {said}",
                hint=hint,
                details=self._names(keys[wrong]),
            )
        return values.clip(low, high)

    def _check_classes(self, values: NDArray[Any], keys: NDArray[np.uint64]) -> None:
        wrong = (values < 0) | (values >= len(self.classes)) | (values != np.floor(values))
        if wrong.any():
            raise InputRejected(
                f"{self.path}: prediction of {int(wrong.sum())} rows is no number of a class, 0 to "
                f"{len(self.classes) - 1}",
                hint="alcli score --from FILE --classes a,b,c names them in the model's order",
                details=self._names(keys[wrong]),
            )

    def _check_distribution(self, name: str, values: NDArray[Any], keys: NDArray[np.uint64]) -> None:
        width = values.shape[-1]
        if width != len(self.classes):
            raise InputRejected(
                f"{self.path}: {name} has {width} classes, the pool has {len(self.classes)}",
                hint="alcli score --from FILE --classes a,b,c names them in the model's order",
            )
        sums = _by_row(values.sum(axis=-1, dtype=np.float64))
        slack = uncertainty.SUM_TOLERANCE
        if values.dtype == np.float16:
            slack += width * uncertainty.SMALLEST_FLOAT16
        wrong = (np.abs(sums - 1) > slack).any(axis=1) | _by_row(values < 0).any(axis=1)
        if wrong.any():
            raise InputRejected(
                f"{self.path}: {name} of {int(wrong.sum())} rows are not in [0, 1] with sum 1",
                hint="logits are not probabilities; apply a softmax first",
                details=self._names(keys[wrong]),
            )

    def _refuse_twice(self, keys: NDArray[np.uint64], seen: set[int]) -> None:
        twice = []
        for key in keys.tolist():
            if key in seen:
                twice.append(key)
            seen.add(key)
        if twice:
            raise InputRejected(
                f"{self.path} has {len(twice)} images more than once",
                details=self._names(np.array(twice, np.uint64)),
            )

    def _names(self, keys: NDArray[np.uint64]) -> list[str]:
        rows = np.flatnonzero(np.isin(self.manifest.keys, keys))
        return [str(name) for name in self.manifest.strings("file_name", rows)]


def _by_row(values: NDArray[Any]) -> NDArray[Any]:
    """Return values with one axis after the rows."""
    return values.reshape(len(values), -1)


def _class_names(path: Path, said: bytes) -> list[str]:
    """Return what the metadata `alcli.classes` say.

    Raises:
        InputRejected: They are not a list of class names.
    """
    try:
        names = json.loads(said)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) and is_text(name) for name in names):
        raise InputRejected(
            f"{path}: its metadata alcli.classes are not a JSON list of class names",
            hint="alcli score --from FILE --classes a,b,c names them in the model's order",
        )
    return names
