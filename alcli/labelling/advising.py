"""What would let a rejected labels file in: every option is tried, so that none is named in vain."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, NamedTuple

from alcli.errors import AlcliError, Remedy
from alcli.labelling.deciding import Found, Rules
from alcli.labelling.problems import Advice


class _Way(NamedTuple):
    """An option, and what it changes of the rules."""

    remedy: Remedy
    rules: dict[str, Any]


# By kind of problem, the likeliest first. A conflict is for the user to settle: there every way is named.
_WAYS = {
    "unknown class": [_Way(Remedy(("--new-classes",)), {"new_classes": True})],
    "conflict": [
        _Way(Remedy(("--on-conflict=keep",), "the earlier labels stay"), {"on_conflict": "keep"}),
        _Way(
            Remedy(("--on-conflict=replace",), "the labels of this file take their place"),
            {"on_conflict": "replace"},
        ),
    ],
    "disagreement": [
        _Way(Remedy((f"--resolve={name}",)), {"resolve": name}) for name in ("majority", "crowdlab", "latest")
    ],
    "unknown annotator": [_Way(Remedy(("--annotator=NAME",)), {"annotator": "NAME"})],
}
_OF_ANNOTATORS = frozenset(["disagreement", "unknown annotator"])  # one must not be cured by the other
_WORDS = {
    "unknown image": "paths are relative to the pool, with / between folders; --strip-prefix OLD=NEW rewrites others",
    "disagreement": "leave one answer for each of these images in the file",
    "unknown annotator": "name in the file who gave each answer",
}


def advise(found: Found, rules: Rules, decided: Callable[[Rules], Found]) -> Advice:
    """Return what helps against the commonest kind of problem.

    Args:
        found: What is wrong with a file.
        rules: The rules by which it is.
        decided: Reads the same file by other rules.
    """
    kind = collections.Counter(problem.kind for problem in found.problems).most_common(1)[0][0]
    gone = _OF_ANNOTATORS if kind in _OF_ANNOTATORS else {kind}
    helping = (
        way.remedy for way in _WAYS.get(kind, ()) if _without(gone, decided, replace(rules, **way.rules))
    )
    remedies = list(helping if kind == "conflict" else itertools.islice(helping, 1))
    return Advice(None if remedies else _WORDS.get(kind), remedies)


def _without(kinds: AbstractSet[str], decided: Callable[[Rules], Found], rules: Rules) -> bool:
    """Return whether a file has no problem of these kinds by other rules."""
    try:
        return kinds.isdisjoint(problem.kind for problem in decided(rules).problems)
    except AlcliError:  # such as no model, which CROWDLAB needs
        return False
