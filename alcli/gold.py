"""Gold rows: images whose label was known when they were sent out, planted to measure the annotators.

`select --gold` writes which they are to `rounds/<number>/gold.parquet`, with the label known at that time;
`import-labels` writes what was answered to `rounds/<number>/gold_answers.parquet`, and never to the manifest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from alcli import identity, rounds, votebook
from alcli.manifest import Manifest
from alcli.project import Project


@dataclass(frozen=True)
class Agreement:
    """How often one annotator agreed with the labels of gold rows.

    Attributes:
        annotator: Who; None where nobody is named.
        n: Gold rows answered.
        right: Of these, how many as known.
        share: right / n.
        low: Lower end of the 95 % Clopper-Pearson interval of the share.
        high: Its upper end.
    """

    annotator: str | None
    n: int
    right: int
    share: float
    low: float
    high: float


def standing(project: Project, manifest: Manifest) -> dict[int, tuple[int, str]]:
    """Return, by key, the round in which an image was gold last and its label known then.

    Images that were sent out again since to be labelled anew, by `select --relabel`, are gold no longer.
    """
    found: dict[str, tuple[int, str]] = {}
    for number in range(1, manifest.round + 1):
        for again in rounds.sent_again(project, number) if found else ():
            found.pop(again, None)
        found |= {image: (number, label) for image, label in _planted(project, number).items()}
    keys = identity.keys_of(pa.array(found, pa.string()))
    return dict(zip(keys.tolist(), found.values(), strict=True))


def answers(project: Project, manifest: Manifest) -> pa.Table:
    """Return every answer to a gold row that counts, oldest first, with the columns of `alcli.votebook`."""
    return votebook.read(project, manifest, votebook.GOLD_ANSWERS)


def agreement(annotators: Sequence[str | None], right: Sequence[bool]) -> list[Agreement]:
    """Count how often each annotator gave the known label; the most answers first.

    Args:
        annotators: r names, one per answer.
        right: r, whether the answer is the label that was known.
    """
    counts: dict[str | None, list[int]] = {}
    for name, agrees in zip(annotators, right, strict=True):
        of_one = counts.setdefault(name, [0, 0])
        of_one[0] += 1
        of_one[1] += bool(agrees)
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1][0], entry[0] or ""))
    return [Agreement(name, n, hits, hits / n, *rounds.interval(hits, n)) for name, (n, hits) in ordered]


def _planted(project: Project, number: int) -> dict[str, str]:
    """Return the gold rows of one round, label by id; nothing where it has none or the file is lost."""
    try:
        table = pq.read_table(project.round_folder(number) / rounds.GOLD, schema=rounds.GOLD_COLUMNS)
    except (OSError, pa.ArrowException):
        return {}
    return dict(zip(*(table[name].to_pylist() for name in rounds.GOLD_COLUMNS.names), strict=True))
