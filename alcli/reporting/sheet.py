"""The contact sheet: the newest round's images with all that is known of each, and the images beside them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alcli import identity, rounds
from alcli.choosing.source import Source
from alcli.manifest import Manifest
from alcli.reporting.links import Links
from alcli.reporting.newest import Newest, Withheld
from alcli.reporting.page import Card, Sheet

_PER_CARD = 10  # duplicates of one image that are shown
_DUPLICATES = 2_000  # that are shown altogether, where enough cards have fewer


def lay_out(source: Source, newest: Newest, withheld: Withheld, links: Links, *, limit: int) -> Sheet:
    """Make the cards of the newest round, as yet without thumbnails.

    Args:
        source: The pool and the newest model.
        newest: The round.
        withheld: What must not be shown.
        links: Gives the address of an image.
        limit: Cards at most.
    """
    records = newest.table.slice(0, limit).to_pylist()
    rows = newest.rows[:limit]
    _fill_nearest(source, newest, records, rows, withheld)
    labels = _labels(source.manifest, rows, withheld)
    guesses = _guesses(newest, records, rows, withheld)
    groups: list[list[str]] = [json.loads(record["duplicates"] or "[]") for record in records]
    shown, longest = _duplicates_shown(groups), max(map(len, groups), default=0)
    cards = [
        Card(
            file_name=record["file_name"],
            link=links(record["file_name"]),
            thumbnail="",
            rank=record["rank"] if newest.about else None,
            score=record["score"],
            predicted=guess,
            confidence=None if guess is None else record["confidence"],
            reason=record["reason"] or "",
            label=label,
            nearest=record["nearest_labelled"],
            duplicates=group[:shown],
        )
        for record, label, guess, group in zip(records, labels, guesses, groups, strict=True)
    ]
    return Sheet(
        round=newest.number,
        about=_told(newest, f"at most {shown} duplicates of an image are shown" if shown < longest else ""),
        cards=cards,
        neighbours=_neighbours(source.manifest, cards, withheld, links),
        omitted=len(newest.table) - len(cards),
    )


def with_thumbnails(sheet: Sheet, urls: Mapping[str, str]) -> Sheet:
    """Return the sheet with thumbnails by file name."""

    def pictured(card: Card) -> Card:
        return dataclasses.replace(card, thumbnail=urls.get(card.file_name, ""))

    return dataclasses.replace(
        sheet,
        cards=[pictured(card) for card in sheet.cards],
        neighbours={name: pictured(card) for name, card in sheet.neighbours.items()},
    )


def _fill_nearest(
    source: Source,
    newest: Newest,
    records: list[dict[str, Any]],
    rows: NDArray[np.int64],
    withheld: Withheld,
) -> None:
    """Look for the nearest labelled image where the selection, made without embeddings, does not name it.

    Its label is a guess: where that must not be shown, there is no neighbour. Nor is one whose own label must
    not be shown.
    """
    hidden = withheld.guesses | newest.blind
    secret = {*source.manifest.strings("file_name", np.flatnonzero(withheld.labels))}
    for record, row in zip(records, rows, strict=True):
        if (row >= 0 and hidden[row]) or record["nearest_labelled"] in secret:
            record["nearest_labelled"] = None
    empty = [
        at
        for at, record in enumerate(records)
        if not record["nearest_labelled"] and rows[at] >= 0 and not hidden[rows[at]]
    ]
    if not empty or "embeddings" not in source.shapes:
        return
    before = source.manifest.table["label_round"].fill_null(0).to_numpy()[source.examples] < newest.number
    found = source.nearest_names(rows[empty], np.setdiff1d(source.examples[before], newest.rows))
    for at, name in zip(empty, found, strict=True):
        records[at]["nearest_labelled"] = name


def _labels(manifest: Manifest, rows: NDArray[np.int64], withheld: Withheld) -> list[str | None]:
    """Return the label of each image, where it has one that may be shown."""
    there = manifest.strings("label", np.maximum(rows, 0)) if len(manifest) else [None] * len(rows)
    told = (rows >= 0) & ~withheld.labels[rows]
    return [label if tell else None for tell, label in zip(told, there, strict=True)]


def _guesses(
    newest: Newest, records: Sequence[dict[str, Any]], rows: NDArray[np.int64], withheld: Withheld
) -> list[str | None]:
    """Return what the model took each image for, where that may be seen: an audit's once the answer is in."""
    if newest.blind:
        return [None] * len(records)
    audited = newest.audited
    return [
        None
        if row < 0 or withheld.guesses[row]
        else audited.get(record["alcli_id"], record["predicted_label"])
        for row, record in zip(rows, records, strict=True)
    ]


def _duplicates_shown(groups: Sequence[Sequence[str]]) -> int:
    """Return how many duplicates of an image are shown at most, so that a page does not fill up with them."""
    several = sum(1 for group in groups if group)
    return max(1, min(_PER_CARD, _DUPLICATES // max(several, 1)))


def _neighbours(
    manifest: Manifest, cards: Sequence[Card], withheld: Withheld, links: Links
) -> dict[str, Card]:
    """Return cards of the images that others refer to, by file name."""
    wanted = [name for card in cards for name in (card.nearest, *card.duplicates) if name is not None]
    names = list(dict.fromkeys(wanted))
    labels = _labels(manifest, rounds.rows_of(manifest, identity.alcli_ids(names)), withheld)
    return {
        name: Card(name, links(name), thumbnail="", label=label)
        for name, label in zip(names, labels, strict=True)
    }


def _told(newest: Newest, note: str) -> str:
    """Say in a line what the round is."""
    about = newest.about
    if not about:
        return f"{len(newest.table):,} images; the record of the round was deleted"
    counts = about["counts"]
    if newest.concealed:  # as its list has it
        return f"{len(newest.table):,} images by {about['strategy']}, gold rows at random ranks among them"
    parts = [f"{counts['images']:,} of {counts['queryable']:,} queryable images by {about['strategy']}"]
    if counts.get("gold"):
        parts.append(f"and {counts['gold']:,} gold rows at random ranks")
    if about.get("order"):
        parts.append(f"most {about['order']} first")
    if counts["audit"]:
        parts.append(f"{counts['audit']:,} of them drawn at random for the audit")
    if counts.get("duplicates"):
        parts.append(f"{counts['duplicates']:,} passed over as duplicates of others")
    if newest.blind:
        parts.append("without the model's guesses")
    return "; ".join(part for part in [", ".join(parts), *about.get("approximations", []), note] if part)
