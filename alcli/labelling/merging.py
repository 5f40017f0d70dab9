"""What the answers of a labels file change in the manifest."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alcli.labelling.answers import Answers, normalised
from alcli.labelling.problems import Problem
from alcli.labelling.votes import Verdicts
from alcli.manifest import Manifest
from alcli.schema import GUESSED

logger = logging.getLogger("alcli")

OnConflict = Literal["error", "keep", "replace"]
_NEAR_MATCHES = 50  # distinct unknown classes for which near ones are looked up; a wrong column has millions
_FLOAT = re.compile(r"(-?\d+)\.0")


def in_whole_numbers(answers: Answers, classes: Sequence[str], *, quiet: bool = False) -> Answers:
    """Read an answer `3.0`, if that is no class, as `3` where this is one or all classes are whole numbers.

    Many tools, pandas among them, write whole numbers so where some cells of their column are empty.

    Args:
        answers: Rows of a labels file.
        classes: The pool's classes.
        quiet: Do not say so.
    """
    known = {normalised(name) for name in classes}
    numbered = bool(known) and all(_FLOAT.fullmatch(f"{name}.0") for name in known)
    read = {
        name: found[1]
        for name in answers.label_names
        if name not in known and (found := _FLOAT.fullmatch(name)) and (numbered or found[1] in known)
    }
    if not read:
        return answers
    if not quiet:
        one = next(iter(read.items()))
        logger.warning("labels such as '%s' are read as '%s', like the pool's classes", *one)
    names: dict[str, int] = {}
    codes = [names.setdefault(read.get(name, name), len(names)) for name in answers.label_names]
    labels = np.where(answers.labels < 0, -1, np.array(codes, np.int32)[answers.labels])
    return replace(answers, labels=labels, label_names=list(names))


def classify(
    answers: Answers, classes: Sequence[str], *, new_classes: bool, gold: NDArray[np.int64]
) -> tuple[Answers, tuple[str, ...], list[Problem]]:
    """Find the class of every answer.

    Args:
        answers: r rows of a labels file.
        classes: The pool's classes, in model order.
        new_classes: Whether other names become classes, after those there are, in alphabetical order.
        gold: Rows that answer gold rows: these make no new class. A name that only they have is wrong, and no more.

    Returns:
        The rows, with labels that are codes of the classes, after these of names that only gold rows have, and -1
        where the name is unknown; all classes; and a problem for every answer whose name is unknown.
    """
    known = {normalised(name): code for code, name in enumerate(classes)}
    given = answers.label_names
    used = set(answers.labels[~answers.skipped].tolist())
    unknown = [name for code, name in enumerate(given) if code in used and name not in known]
    wrong: list[str] = []
    if new_classes:
        kept = np.delete(answers.labels, gold)[~np.delete(answers.skipped, gold)]
        added = sorted({given[code] for code in kept.tolist() if code >= 0} - set(known))
        wrong, unknown = [name for name in unknown if name not in added], []
        known.update({name: len(classes) + at for at, name in enumerate([*added, *wrong])})
        classes = [*classes, *added]
    codes = np.array([known.get(name, -1) for name in given] or [-1], np.int32)
    messages = {name: _unknown(name, list(known), look=at < _NEAR_MATCHES) for at, name in enumerate(unknown)}
    bad = np.flatnonzero((answers.labels >= 0) & ~answers.skipped & (codes[answers.labels] < 0))
    problems = [
        Problem(
            int(answers.lines[at]), answers.name(at), "unknown class", messages[given[answers.labels[at]]]
        )
        for at in bad.tolist()
    ]
    labels = np.where(answers.labels < 0, -1, codes[answers.labels])
    return replace(answers, labels=labels, label_names=[*classes, *wrong]), tuple(classes), problems


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
        unsent: Those of them that no round asked about.
        replaced: Rows whose label was another.
        kept: Rows whose label is another and stayed.
        unchanged: Rows that had this label already.
        skipped: Rows that are now `skipped`.
        returned: Rows that were out and are back, whatever the answer; gold rows among them.
    """

    manifest: Manifest
    fresh: NDArray[np.int64]
    unsent: NDArray[np.int64]
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
    manifest: Manifest,
    verdicts: Verdicts,
    gold: NDArray[np.int64],
    *,
    asked: NDArray[np.int64],
    on_conflict: OnConflict,
    source: str,
) -> tuple[Merge, list[tuple[int, str]]]:
    """Put answers into the manifest.

    Args:
        manifest: It already has every class that the verdicts speak of.
        verdicts: One answer per image; labels are class codes.
        gold: Rows of the manifest that were answered as gold rows: they are back, and nothing else.
        asked: The round that asked for each verdict's label; -1 where none did.
        on_conflict: What to do where a person gave another label before. Images that were sent out to be labelled
            again take what their votes came to, whatever this says.
        source: For `label_source`.

    Returns:
        The outcome, and for each conflict, if these are errors, its position in `verdicts` and a description.
    """
    rows, codes = verdicts.rows, verdicts.labels
    labelled = manifest.labelled[rows]
    differs = labelled & (manifest.label_codes[rows] != codes)
    again = verdicts.voted & manifest.out[rows]
    clashes = np.flatnonzero(differs & ~again)
    conflicts = _conflicts(manifest, rows, clashes, codes) if on_conflict == "error" else []
    writes = ~labelled | (differs & (again | (on_conflict == "replace")))
    touched = np.concatenate([rows, verdicts.declined, gold])
    returned = touched[manifest.out[touched]]
    declined = verdicts.declined[
        manifest.equals("status", "ok")[verdicts.declined] & ~manifest.labelled[verdicts.declined]
    ]
    merged = _labelled(manifest, verdicts, np.flatnonzero(writes), asked, source)
    confirmed = labelled & ~differs & verdicts.voted
    merged = merged.assign(
        rows[confirmed], annotator=verdicts.annotators[confirmed], agreement=verdicts.agreement[confirmed]
    )
    merged = merged.assign(
        declined, status="skipped", problem="a person declined to label it", **dict.fromkeys(GUESSED)
    )
    merged = merged.assign(returned, queried_round=None)
    outcome = Merge(
        merged,
        fresh=rows[~labelled],
        unsent=rows[~labelled & (asked < 0)],
        replaced=rows[writes & labelled],
        kept=rows[differs & ~writes],
        unchanged=rows[labelled & ~differs],
        skipped=declined,
        returned=returned,
    )
    return outcome, conflicts


def _labelled(
    manifest: Manifest, verdicts: Verdicts, at: NDArray[np.int64], asked: NDArray[np.int64], source: str
) -> Manifest:
    """Return the manifest with the labels of the verdicts `at`; what a model had said there goes."""
    rows = verdicts.rows[at]
    declined_before = rows[manifest.equals("status", "skipped")[rows]]
    return manifest.assign(
        rows,
        label=np.array([*manifest.classes, None], object)[verdicts.labels[at]],
        label_source=source,
        label_round=np.where(asked[at] < 0, manifest.round, asked[at]),
        annotator=verdicts.annotators[at],
        labelled_at=verdicts.times[at],
        agreement=verdicts.agreement[at],
        **dict.fromkeys(GUESSED),
    ).assign(declined_before, status="ok", problem=None)


def _conflicts(
    manifest: Manifest, rows: NDArray[np.int64], at: NDArray[np.int64], codes: NDArray[np.int32]
) -> list[tuple[int, str]]:
    labels = manifest.strings("label", rows[at])
    return [
        (position, f"already labelled '{label}', here '{manifest.classes[codes[position]]}'")
        for position, label in zip(at.tolist(), labels, strict=True)
    ]
