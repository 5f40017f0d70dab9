"""How right the model was on what it chose, now that people have answered: audits and the newest batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from alcli import rounds, votebook
from alcli.errors import InputRejected
from alcli.manifest import Manifest
from alcli.project import Project


def audits(project: Project, manifest: Manifest) -> list[dict[str, Any]]:
    """Estimate the model's accuracy from each round whose audit rows have labels.

    Audit rows were drawn uniformly from the pool, so the share of them that the model had guessed right is
    an unbiased estimate of its accuracy there. The interval is Clopper and Pearson's (1934), which covers the
    true accuracy with at least the stated probability. Declined and unanswered rows are left out; a label that
    was corrected since counts as it is now.

    Returns:
        For each such round, oldest first: `round`, `model`, `drawn` (audit rows), `n` (answered), `correct`,
        `accuracy`, and the 95 % interval `low` to `high`; the last three in [0, 1].
    """
    found = [_estimate(project, record, manifest) for record in _audited(project, manifest)]
    return [estimate for estimate in found if estimate["n"]]


def answers_to_audits(project: Project, manifest: Manifest) -> NDArray[np.bool_]:
    """Return (n,) which images have a label that an audit asked for."""
    asked = np.zeros(len(manifest), np.bool_)
    for record in _audited(project, manifest):
        drawn = [entry["alcli_id"] for entry in record["audit"]]
        answered = [label is not None for label in _answers(project, manifest, record["round"], drawn)]
        asked[rounds.rows_of(manifest, drawn)[answered]] = True
    return asked


def newest_batch(project: Project, manifest: Manifest) -> dict[str, Any] | None:
    """Count how often the model was right on the newest batch that is back, which it had not learned yet.

    These are the images that a strategy picked, often the hardest: their accuracy is no estimate of the pool's.
    Answers that a check withheld count as people gave them: it withholds those that the model contradicts.

    Returns:
        `round`, `n` (images with a guess that were answered) and `correct`; None where there is no such image, as
        after `--blind`.
    """
    try:
        for number in sorted({*range(1, manifest.round + 1)} - {*manifest.open_rounds}, reverse=True):
            path = project.round_folder(number) / rounds.TABLE
            table = pq.read_table(path, columns=["alcli_id", "predicted_label"])
            asked, guesses = table["alcli_id"].to_pylist(), table["predicted_label"].to_pylist()
            withheld = votebook.read(project, manifest, votebook.WITHHELD, of=number)
            said = dict(zip(withheld["alcli_id"].to_pylist(), withheld["label"].to_pylist(), strict=True))
            labels = zip(asked, _answers(project, manifest, number, asked), strict=True)
            answers = [said.get(name) if label is None else label for name, label in labels]
            if any(answer is not None for answer in answers):
                right = _right(guesses, answers)
                return {"round": number, "n": len(right), "correct": sum(right)} if right else None
    except (OSError, pa.ArrowException, InputRejected):  # what only looks back must not stop for it
        pass
    return None


def back(project: Project, manifest: Manifest) -> dict[str, int]:
    """Count what is back of each open round: answered, be it as a gold row, or declined.

    What cannot be read any more is no longer out either, but nobody answered it. A round whose list was deleted or
    damaged is left out: nobody knows what was sent.
    """
    sent = {number: rounds.rows_of(manifest, rounds.sent(project, number)) for number in manifest.open_rounds}
    answered = manifest.readable | manifest.labelled
    return {
        str(number): int((answered & ~manifest.equals("queried_round", number))[rows[rows >= 0]].sum())
        for number, rows in sent.items()
        if len(rows)
    }


def _audited(project: Project, manifest: Manifest) -> list[dict[str, Any]]:
    """Return the records of the rounds that have an audit, oldest first."""
    records = [rounds.about(project, number) for number in range(1, manifest.round + 1)]
    return [record for record in records if record.get("audit")]


def _estimate(project: Project, about: dict[str, Any], manifest: Manifest) -> dict[str, Any]:
    guesses = [entry["predicted_label"] for entry in about["audit"]]
    drawn = [entry["alcli_id"] for entry in about["audit"]]
    right = _right(guesses, _answers(project, manifest, about["round"], drawn))
    low, high = rounds.interval(sum(right), len(right))
    return {
        "round": about["round"],
        "model": about["model"],
        "drawn": len(guesses),
        "n": len(right),
        "correct": sum(right),
        "accuracy": sum(right) / len(right) if right else None,
        "low": low,
        "high": high,
    }


def _right(guesses: Sequence[str | None], answers: Sequence[str | None]) -> list[bool]:
    """Return of each image with a guess and an answer whether these are the same."""
    pairs = zip(guesses, answers, strict=True)
    return [guess == answer for guess, answer in pairs if guess is not None and answer is not None]


def _answers(project: Project, manifest: Manifest, number: int, ids: Sequence[str]) -> list[str | None]:
    """Return the label that each image has because round `number` asked for it; None where it has none.

    A label that was corrected since is returned as it is now: it is still an answer to that question. An image that
    was withdrawn from the round and labelled otherwise has no answer to it: whatever chose it then was no chance.
    """
    rows = rounds.rows_of(manifest, list(ids))
    there = np.maximum(rows, 0)
    given = manifest.table["label_round"].fill_null(0).to_numpy()[there].tolist()
    mended = _mended(project, number, dict(zip(ids, given, strict=True)))
    return [
        label if row >= 0 and (since == number or name in mended) else None
        for name, row, since, label in zip(
            ids, rows.tolist(), given, manifest.strings("label", there), strict=True
        )
    ]


def _mended(project: Project, number: int, given: Mapping[str, int]) -> set[str]:
    """Return which images of round `number` had its answer when a later round sent them out for another.

    Args:
        project: The pool.
        number: The round.
        given: The round of which each image has its label now.
    """
    later = {name: since for name, since in given.items() if since > number}
    again = {since: set(rounds.sent_again(project, since)) for since in set(later.values())}
    found = {name for name, since in later.items() if name in again[since]}
    for since in range(number + 1, max(again)) if found else ():
        found.difference_update(rounds.sent_first(project, since))
    return found
