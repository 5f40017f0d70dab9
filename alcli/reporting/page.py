"""What a report shows: plain values, ready for the template; how they are found is the other modules' business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Overview:
    """The pool in one look.

    Attributes:
        pool: Its path, as given.
        made: When the report was made, ISO 8601 in UTC.
        version: Of alcli.
        facts: Pairs of a name and a value, such as ("images", "60,000").
        advice: Stopping criteria in words, as `status` gives them.
    """

    pool: str
    made: str
    version: str
    facts: Sequence[tuple[str, str]]
    advice: Sequence[str] = ()


@dataclass(frozen=True)
class RoundLine:
    """One round, or the state before the first (number 0).

    Attributes:
        number: Of the round.
        strategy: That chose it; empty for round 0.
        selected: Images sent out.
        labels: Labels given by people in the train split when the next round was selected; of the newest, now.
        accuracy: Of the model that this round's selection was made with, on validation or test images; in [0, 1].
        measured_on: `val` or `test`; empty where accuracy is not known.
        audit: Accuracy by the audit with its interval: value, low, high; None where there is none.
        classes: These labels by class, in class order.
        model: Id of the model.
        withdrawn: Whether all of it was taken back before any label came.
    """

    number: int
    strategy: str
    selected: int
    labels: int
    accuracy: float | None
    measured_on: str
    audit: tuple[float, float, float] | None
    classes: Sequence[int]
    model: str | None
    withdrawn: bool = False


@dataclass(frozen=True)
class Histogram:
    """Scores of all images that a round could choose from.

    Attributes:
        edges: b + 1 bounds of bins, ascending.
        counts: b images in each bin.
        selected: b of these that were selected.
        cut: The lowest selected score; None where the strategy does not cut by score.
        about: What the scores are, in words: strategy and round.
    """

    edges: Sequence[float]
    counts: Sequence[int]
    selected: Sequence[int]
    cut: float | None
    about: str


@dataclass(frozen=True)
class Card:
    """An image on a contact sheet.

    Attributes:
        file_name: Relative to the pool; any characters at all, so never trusted as HTML.
        link: Relative or file URL of the image, percent-encoded, for opening it.
        thumbnail: `data:` URL; empty where the image cannot be decoded.
        rank: From 1; None where there is none.
        score: None where there is none.
        predicted: The class that the model takes it for; None where unknown or blind.
        confidence: In [0, 1]; None where unknown.
        reason: `rank`, `diverse`, `fill`, `audit`; empty elsewhere.
        label: Given by people meanwhile; None where there is none.
        nearest: File name of the nearest labelled image; None where unknown.
        duplicates: File names of the duplicates that it stands for.
    """

    file_name: str
    link: str
    thumbnail: str
    rank: int | None = None
    score: float | None = None
    predicted: str | None = None
    confidence: float | None = None
    reason: str = ""
    label: str | None = None
    nearest: str | None = None
    duplicates: Sequence[str] = ()


@dataclass(frozen=True)
class Sheet:
    """The contact sheet of the newest round.

    Attributes:
        round: Its number.
        about: In words: strategy, how many, of how many.
        cards: In rank order.
        neighbours: Cards of the labelled images that are some card's `nearest`, and of duplicates shown, by
            file name.
        omitted: Selected images without a card because the page would grow too large.
    """

    round: int
    about: str
    cards: Sequence[Card]
    neighbours: dict[str, Card] = field(default_factory=dict)
    omitted: int = 0


@dataclass(frozen=True)
class Map:
    """Embeddings in the plane.

    Attributes:
        about: In words: how it was made (t-SNE or PCA), of which images, what was left out.
        x: p coordinates in [0, 1].
        y: p coordinates in [0, 1].
        classes: p indices into `names`: the human label where there is one, else the prediction; -1 for neither.
        kinds: p letters: `l` labelled, `s` selected in the newest round, `p` rest of the pool.
        file_names: p names.
        names: Class names.
        thumbnails: By index of the point, a `data:` URL where the sheet has none for it.
    """

    about: str
    x: Sequence[float]
    y: Sequence[float]
    classes: Sequence[int]
    kinds: Sequence[str]
    file_names: Sequence[str]
    names: Sequence[str]
    thumbnails: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Confusion:
    """Right and wrong of the newest model on held-out images.

    Attributes:
        about: In words: which model, which images.
        names: c class names.
        counts: Images by true and predicted class, as far as there are any: of 20,000 classes no table is made.
    """

    about: str
    names: Sequence[str]
    counts: Mapping[tuple[int, int], int]


@dataclass(frozen=True)
class Finding:
    """Something to look at, such as an unreadable image.

    Attributes:
        file_name: Relative to the pool.
        what: In words.
    """

    file_name: str
    what: str


@dataclass(frozen=True)
class ErrorRate:
    """How many labels of a group are wrong, as estimated.

    Attributes:
        name: Of the group.
        labels: Of the group.
        wrong: How many of these count as wrong.
        rate: wrong / labels; None without labels.
        low: Lower end of the 95 % interval of the rate.
        high: Its upper end.
    """

    name: str
    labels: int
    wrong: int
    rate: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Suspect:
    """A label that looks wrong.

    Attributes:
        file_name: Relative to the pool; any characters at all, so never trusted as HTML.
        thumbnail: `data:` URL; empty where the image cannot be decoded.
        label: As it was given.
        suggested: What the judges take the image for; None where that may not be shown.
        decision: `ask`, `drop` or `relabel`.
        annotator: Who gave the label; None where nobody is named.
    """

    file_name: str
    thumbnail: str
    label: str
    suggested: str | None
    decision: str
    annotator: str | None = None


@dataclass(frozen=True)
class LabelQuality:
    """What the newest audit says of the labels.

    Attributes:
        about: In words: which audit, by which method.
        suspected: Labels that look wrong.
        labels: Labels that were judged.
        overall: How many are wrong.
        by_class: The same of each class, the largest rate first.
        by_annotator: The same of each annotator who is named.
        suspects: The most suspicious ones, in order.
    """

    about: str
    suspected: int
    labels: int
    overall: ErrorRate
    by_class: Sequence[ErrorRate] = ()
    by_annotator: Sequence[ErrorRate] = ()
    suspects: Sequence[Suspect] = ()


@dataclass(frozen=True)
class Page:
    """A whole report; a section that is None or empty is left out.

    Attributes:
        overview: Always there.
        class_names: In class order, for `RoundLine.classes`.
        rounds: Oldest first.
        histogram: Of the newest round.
        sheet: Of the newest round.
        map: Of the newest model.
        confusion: Of the newest model.
        problems: Unreadable, missing and declined images.
        quality: Of the labels, by the newest audit.
        omitted_problems: Further problems that are not listed.
        comparison: Inline SVG of the ranks of two strategies against each other; empty for none.
        comparison_about: What is compared, and how much both select, in words.
    """

    overview: Overview
    class_names: Sequence[str] = ()
    rounds: Sequence[RoundLine] = ()
    histogram: Histogram | None = None
    sheet: Sheet | None = None
    map: Map | None = None
    confusion: Confusion | None = None
    problems: Sequence[Finding] = ()
    quality: LabelQuality | None = None
    omitted_problems: int = 0
    comparison: str = ""
    comparison_about: str = ""
