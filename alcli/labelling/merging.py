"""What the answers of a labels file change in the manifest."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alcli.labelling.answers import Answers, normalised
from alcli.labelling.problems import Problem
from alcli.labelling.votes import Verdicts
from alcli.manifest import Manifest

OnConflict = Literal["error", "keep", "replace"]
_NEAR_MATCHES = 50  # distinct unknown classes for which near ones are looked up; a wrong column has millions


def classify(
    answers: Answers, classes: Sequence[str], *, new_classes: bool
) -> tuple[NDArray[np.int32], tuple[str, ...], list[Problem]]:
    """Find the class of every label name.

    Args:
        answers: r rows of a labels file.
        classes: The pool's classes, in model order.
        new_classes: Whether other names become classes, after those there are, in alphabetical order.

    Returns:
        For each of the file's label names the code of its class, -1 if unknown; all classes; and a problem
        for every row whose label is unknown.
    """
    known = {normalised(name): code for code, name in enumerate(classes)}
    given = answers.label_names
    used = set(answers.labels[~answers.skipped].tolist())
    unknown = [name for code, name in enumerate(given) if code in used and name not in known]
    if new_classes:
        known.update({name: len(classes) + at for at, name in enumerate(sorted(unknown))})
        classes, unknown = [*classes, *sorted(unknown)], []
    codes = np.array([known.get(name, -1) for name in given] or [-1], np.int32)
    messages = {name: _unknown(name, list(known), look=at < _NEAR_MATCHES) for at, name in enumerate(unknown)}
    bad = np.flatnonzero((answers.labels >= 0) & ~answers.skipped & (codes[answers.labels] < 0))
    problems = [
        Problem(
            int(answers.lines[at]), answers.name(at), "unknown class", messages[given[answers.labels[at]]]
        )
        for at in bad.tolist()
    ]
    return codes, tuple(classes), problems


def _unknown(name: str, known: Sequence[str], *, look: bool) -> str:
    folded = {text.casefold(): text for text in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.5) if look else []
    meant = f" (did you mean {' or '.join(folded[text] for text in near)}?)" if near else ""
    return f"unknown class '{name}'{meant}"


@dataclass(frozen=True)
class Merge:
    """A manifest with a file's answers in it, and what became of each answer.

    Attributes:
        manifest: The manifest as it is to be.
        fresh: Rows that got their first label.
        replaced: Rows whose label was another.
        kept: Rows whose label is another and stayed.
        unchanged: Rows that had this label already.
        skipped: Rows that are now `skipped`.
        returned: Rows that were out and are back, whatever the answer.
    """

    manifest: Manifest
    fresh: NDArray[np.int64]
    replaced: NDArray[np.int64]
    kept: NDArray[np.int64]
    unchanged: NDArray[np.int64]
    skipped: NDArray[np.int64]
    returned: NDArray[np.int64]

    @property
    def changes(self) -> bool:
        """Whether the manifest differs from what it was."""
        return any(map(len, (self.fresh, self.replaced, self.skipped, self.returned)))


def merge(
    manifest: Manifest, verdicts: Verdicts, codes: NDArray[np.int32], *, on_conflict: OnConflict, source: str
) -> tuple[Merge, list[tuple[int, str]]]:
    """Put answers into the manifest.

    Args:
        manifest: It already has every class that `codes` speaks of.
        verdicts: One answer per image.
        codes: (i,) the class of each answer.
        on_conflict: What to do where a person gave another label before.
        source: For `label_source`.

    Returns:
        The outcome, and for each conflict, if these are errors, its position in `verdicts` and a description.
    """
    rows, before = verdicts.rows, manifest.label_codes[verdicts.rows]
    labelled = manifest.labelled[rows]
    differs = labelled & (before != codes)
    conflicts = _conflicts(manifest, rows, np.flatnonzero(differs), codes) if on_conflict == "error" else []
    writes = ~labelled | (differs & (on_conflict == "replace"))
    touched = np.concatenate([rows, verdicts.declined])
    returned = touched[manifest.out[touched]]
    declined = verdicts.declined[
        manifest.equals("status", "ok")[verdicts.declined] & ~manifest.labelled[verdicts.declined]
    ]
    merged = _labelled(manifest, verdicts, codes, np.flatnonzero(writes), source)
    merged = merged.assign(declined, status="skipped", problem="a person declined to label it")
    merged = merged.assign(returned, queried_round=None)
    outcome = Merge(
        merged,
        fresh=rows[~labelled],
        replaced=rows[writes & labelled],
        kept=rows[differs & ~writes],
        unchanged=rows[labelled & ~differs],
        skipped=declined,
        returned=returned,
    )
    return outcome, conflicts


def _labelled(
    manifest: Manifest, verdicts: Verdicts, codes: NDArray[np.int32], at: NDArray[np.int64], source: str
) -> Manifest:
    """Return the manifest with the labels of the verdicts `at`; what a model had said there goes."""
    rows = verdicts.rows[at]
    sent = manifest.table["queried_round"].fill_null(-1).to_numpy()[rows]
    declined_before = rows[manifest.equals("status", "skipped")[rows]]
    return manifest.assign(
        rows,
        label=np.array([*manifest.classes, None], object)[codes[at]],
        label_source=source,
        label_round=np.where(sent < 0, manifest.round, sent),
        annotator=verdicts.annotators[at],
        labelled_at=verdicts.times[at],
        agreement=verdicts.agreement[at],
        pseudo_label=None,
        pseudo_confidence=None,
        pseudo_method=None,
        pseudo_round=None,
    ).assign(declined_before, status="ok", problem=None)


def _conflicts(
    manifest: Manifest, rows: NDArray[np.int64], at: NDArray[np.int64], codes: NDArray[np.int32]
) -> list[tuple[int, str]]:
    labels = manifest.strings("label", rows[at])
    return [
        (position, f"already labelled '{label}', here '{manifest.classes[codes[position]]}'")
        for position, label in zip(at.tolist(), labels, strict=True)
    ]
