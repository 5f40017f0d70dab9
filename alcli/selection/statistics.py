"""What a round's record keeps of the pool as it was: scores, uncertainty, and predictions on a fixed stop set.

The report draws it, and `alcli.stopping` compares rounds by it. Everything comes from saved signals: no network
runs, and no number depends on the parts that the signals lie in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alcli import files, identity, randomness, ranking, rounds, stopping
from alcli.choosing import Choice, Chooser
from alcli.choosing.source import Source
from alcli.manifest import Manifest
from alcli.models import ModelRecord

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]

BINS = 64
STOP_SET_SIZE = 2_000  # as in Bloodgood and Vijay-Shanker (2009)
_SEED = 0  # every round of a pool draws the same stop set, whatever its --seed


def of_round(chooser: Chooser, choice: Choice, number: int) -> tuple[dict[str, Any], pa.Table | None]:
    """Return the object `statistics` of a round's record, and its stop set.

    Args:
        chooser: Who chose, and out of what.
        choice: What was chosen.
        number: The round's number.

    Returns:
        `model`, the newest one's id; `labels`, how many images to train on people have labelled, and of which
        `classes`; `held_out`, its accuracy on the validation split; `uncertainty`, the
        mean normalised entropy of the queryable images, and `batch_uncertainty`, the greatest of those that
        the strategy chose, both in [0, 1]; `stop_set`, its size and digest; `compared_with`, the round whose
        stop set it is compared with, `compared`, how many images both have, `kappa` and `changed`; and
        `histogram`. What is not known is None. The table has the columns of `rounds.STOP_SET_COLUMNS`.
    """
    source, project = chooser.source, chooser.source.project
    known = _Known.of(source)
    pool = known.entropies(source.manifest.queryable)
    batch = known.entropies(choice.rows[~choice.audit])
    stop_set = _stop_set(source, known)
    model = source.record.id if source.record else None
    earlier = _earlier(stopping.recorded(project, number - 1), number - 1, model)
    before = None if earlier is None else rounds.stop_set(project, earlier)
    classes = _labels_by_class(source.manifest)
    about = {
        "model": model,
        "labels": sum(classes.values()),
        "classes": classes,
        "held_out": _held_out(source.record),
        "uncertainty": _digits(pool.mean()) if len(pool) else None,
        "batch_uncertainty": _digits(batch.max()) if len(batch) else None,
        "stop_set": None if stop_set is None else _described(stop_set),
        "compared_with": earlier,
        **_compared(before, stop_set),
        "histogram": histogram(choice.ranked, choice.scores[~choice.audit]),
    }
    return about, stop_set


def histogram(scores: Floats | None, selected: Floats) -> dict[str, Any] | None:
    """Count scores in 64 bins of equal width from the lowest to the highest.

    Args:
        scores: (n,) of everything that was ranked; None where a strategy picks its batch as a whole.
        selected: (k,) of those that were chosen.

    Returns:
        `edges` (65 numbers), `counts` and `selected` (64 each), and `cut`, the lowest score chosen or None;
        None where nothing was ranked.
    """
    if scores is None or not len(scores):
        return None
    low, high = float(scores.min()), float(scores.max())
    if high - low <= BINS * np.spacing(max(abs(low), abs(high))):  # too narrow to be cut, or all are equal
        around = max(0.5, abs(high) * 1e-6)
        low, high = low - around, high + around
    counts, edges = np.histogram(scores, BINS, (low, high))
    return {
        "edges": edges.tolist(),
        "counts": counts.tolist(),
        "selected": np.histogram(selected, edges)[0].tolist(),
        "cut": float(selected.min()) if len(selected) else None,
    }


def kappa(one: NDArray[Any], other: NDArray[Any]) -> float | None:
    """Return Cohen's (1960) kappa of two predictions of the same images; None where there are none.

    Predictions that agree throughout have 1, also where both know one class only and the formula says 0/0.

    Args:
        one: (n,) classes.
        other: (n,) classes.
    """
    n = len(one)
    if not n:
        return None
    _, codes = np.unique(np.concatenate([one, other]), return_inverse=True)
    width = int(codes.max()) + 1
    shares = [np.bincount(half, minlength=width).tolist() for half in (codes[:n], codes[n:])]
    # In whole numbers n² times the agreement and n² times the agreement by chance; no rounding before the end.
    agreed = n * int((codes[:n] == codes[n:]).sum())
    by_chance = sum(a * b for a, b in zip(*shares, strict=True))
    return 1.0 if agreed == n * n else (agreed - by_chance) / (n * n - by_chance)


@dataclass(frozen=True)
class _Known:
    """What the newest model says of the images to train on, read in one pass.

    Attributes:
        rows: (r,) rows of the manifest, ascending: those of the train split that are labelled or could be, as
            far as they have been scored.
        arrays: Signals of these rows, as far as they are stored: `entropy` and `prediction`.
        classes: How many classes the model knows.
    """

    rows: Positions
    arrays: dict[str, NDArray[Any]]
    classes: int

    @classmethod
    def of(cls, source: Source) -> _Known:
        names = [name for name in ("entropy", "prediction") if name in source.shapes]
        if not names or not source.record:
            return cls(np.empty(0, np.int64), {}, 0)
        manifest = source.manifest
        wanted = manifest.pool.copy()
        wanted[source.teachers] = True
        rows = np.flatnonzero(wanted)
        scored = source.store.locate_rows(manifest.keys, rows) >= 0
        rows = rows if scored.all() else rows[scored]
        return cls(rows, source.store.read(names, manifest.keys[rows]), len(source.record.classes))

    def entropies(self, rows: NDArray[Any]) -> Floats:
        """Return H / ln c, 0 for one class, of those of `rows`, numbers or a mask, that are known."""
        if "entropy" not in self.arrays or not self.classes:
            return np.empty(0)
        at = rows[self.rows] if rows.dtype == np.bool_ else np.isin(self.rows, rows)
        entropies = self.arrays["entropy"][at].astype(np.float64)
        return entropies / math.log(self.classes) if self.classes > 1 else entropies * 0


def _labels_by_class(manifest: Manifest) -> dict[str, int]:
    codes = manifest.label_codes[manifest.equals("split", "train")]
    counts = np.bincount(codes[codes >= 0], minlength=len(manifest.classes))
    return dict(zip(manifest.classes, counts.tolist(), strict=True))


def _digits(value: float) -> float:
    """Round to the digits that float32 signals have, so that the order of a sum does not show."""
    return float(f"{value:.7g}")


def _stop_set(source: Source, known: _Known) -> pa.Table | None:
    """Return the newest model's predictions on the stop set; None where it has made none.

    The stop set is drawn by the images' keys from the train split, labelled or not, so it stays the same from
    round to round as far as its images exist.
    """
    if "prediction" not in known.arrays or not source.record:
        return None
    keys = source.manifest.keys[known.rows]
    drawn = ranking.top(randomness.uniform(_SEED, "stop-set", keys), keys, STOP_SET_SIZE)
    drawn = drawn[np.argsort(keys[drawn])]
    codes = known.arrays["prediction"][drawn]
    named = (codes >= 0) & (codes < known.classes)  # a user's own model may say anything
    names = pa.array(source.record.classes, pa.string()).take(pa.array(codes[named]))
    return pa.table([identity.ids_of(keys[drawn[named]]), names], schema=rounds.STOP_SET_COLUMNS)


def _described(stop_set: pa.Table) -> dict[str, Any]:
    texts = [text for name in stop_set.column_names for text in stop_set[name].to_pylist()]
    return {"images": len(stop_set), "digest": files.digest(*texts)}


def _earlier(before: dict[str, Any], number: int, model: str | None) -> int | None:
    """Return the newest earlier round in which another model made predictions; the round before knows of older."""
    if before.get("stop_set") and before.get("model") != model:
        return number
    return before.get("compared_with")


def _compared(before: pa.Table | None, now: pa.Table | None) -> dict[str, Any]:
    """Compare the predictions of two stop sets on the images that both have."""
    earlier, later = (
        {} if table is None else dict(zip(*table.to_pydict().values(), strict=True))
        for table in (before, now)
    )
    pairs = [(earlier[image], label) for image, label in later.items() if image in earlier]
    if not pairs:
        return {"compared": 0, "kappa": None, "changed": None}
    one, other = np.array(pairs, np.str_).T
    return {"compared": len(pairs), "kappa": kappa(one, other), "changed": int((one != other).sum())}


def _held_out(record: ModelRecord | None) -> dict[str, Any] | None:
    """Return what a trained model knows of its accuracy on the validation split, never on the test split."""
    about = record.about if record else {}
    accuracy, n = about.get("metrics", {}).get("val_accuracy"), about.get("labelled", {}).get("val")
    return {"split": "val", "accuracy": accuracy, "n": n} if n and accuracy is not None else None
