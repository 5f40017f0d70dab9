"""The verdict in plain English, which never claims more than the test of the area under the curve."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

from alcli.verdict import figures, permutation
from alcli.verdict.comparing import BASELINE, Comparison, with_baseline
from alcli.verdict.curves import Point
from alcli.verdict.runs import Runs

Finding = Literal["baseline", "better", "worse", "not shown", "undecidable", "not compared"]


def finding(found: Comparison | str | None, alpha: float) -> Finding:
    """Return what the test says of a method.

    Args:
        found: The comparison, or why there is none; None for a baseline.
        alpha: A corrected p of at most this makes a difference real.

    Returns:
        `undecidable` where so few seeds could not have shown any difference, however large.
    """
    if found is None:
        return "baseline"
    if isinstance(found, str):
        return "not compared"
    if found.area.p_corrected <= alpha:
        return "better" if found.area.mean > 0 else "worse"
    return "undecidable" if found.area.least_p_corrected > alpha else "not shown"


def sentence(
    name: str, found: Comparison | str | None, curve: Sequence[Point], *, comparisons: int, alpha: float
) -> str:
    """Return one sentence on one method.

    Args:
        name: The method.
        found: The comparison, or why there is none; None for a baseline.
        curve: Its learning curve.
        comparisons: How many methods were tested.
        alpha: A corrected p of at most this makes a difference real.
    """
    if found is None:
        last = curve[-1]
        seeds = figures.counted(last.seeds, "seed")
        reached = f"{figures.percent(last.value)} % with {figures.counted(last.labels, 'label')}"
        return f"{name} is what others are compared with: it reaches {reached} ({seeds})."
    if isinstance(found, str):
        return f"{name} is not compared: {found}."
    return f"{_difference(name, found, comparisons, alpha)}{_saved(found, alpha)}{_unequal(name, found)}."


def _difference(name: str, found: Comparison, comparisons: int, alpha: float) -> str:
    area, result = found.area, finding(found, alpha)
    where = f"{_over(found)}, {figures.counted(len(found.seeds), 'seed')}"
    correction = f" after correction for {comparisons} methods" if comparisons > 1 else ""
    tested = f"{where}, {figures.p_value(area.p_corrected)}{correction}"
    if result in ("better", "worse"):
        size = figures.points(area, signed=False)
        return f"{name} is {result} than {found.baseline} by {size} points ({tested}): real"
    differs = f"{name} differs from {found.baseline} by {figures.points(area, signed=True)} points"
    if result == "undecidable":
        seeds = figures.counted(len(found.seeds), "seed")
        return (
            f"{differs} ({where}): undecidable, {seeds} cannot give a p below {area.least_p_corrected:.2g}"
            f"{correction}; {_enough(comparisons, alpha)}"
        )
    return f"{differs} ({tested}): not shown, the difference may be chance"


def _over(found: Comparison) -> str:
    if len(found.rounds) == 1:
        return "trained on the initial labels"
    return "area under the curve" if found.axis == "labels" else "area under the curve over rounds"


def _enough(comparisons: int, alpha: float) -> str:
    seeds = permutation.seeds_needed(comparisons, alpha)
    methods = figures.counted(comparisons, "method")
    return f"at least {seeds} are needed for {methods} (--seeds {seeds})"


def too_few_seeds(methods: Collection[str], seeds: int, alpha: float) -> str | None:
    """Return a sentence where that many seeds could show no difference, however large; None where they could.

    Args:
        methods: Names of all methods, baselines among them.
        seeds: Of each.
        alpha: A corrected p of at most this makes a difference real.
    """
    compared = with_baseline(methods)
    needed = permutation.seeds_needed(compared, alpha) if compared else 0
    if seeds >= needed:
        return None
    return (
        f"with {figures.counted(seeds, 'seed')} no difference can be shown real between {len(methods)} methods; "
        f"{needed} can (--seeds {needed})"
    )


def _saved(found: Comparison, alpha: float) -> str:
    """Return what a better method saves; of no other is a saving claimed."""
    saving = found.saving
    if saving is None or not saving.reached or finding(found, alpha) != "better":
        return ""
    return (
        f"; it reaches the final value of {found.baseline} in {saving.reached} of "
        f"{figures.counted(len(found.seeds), 'seed')} and saves {figures.share(saving.share)} of the "
        f"{figures.counted(found.baseline_labels, 'label')} (ups and downs alone save {found.baseline} "
        f"{100 * saving.baseline_share.mean:.0f} %)"
    )


def _unequal(name: str, found: Comparison) -> str:
    if found.labels == found.baseline_labels:
        return ""
    ours, theirs = (figures.counted(count, "label") for count in (found.labels, found.baseline_labels))
    return f"; mind that {name} has {ours} at the end and {found.baseline} {theirs}"


def overall(findings: Mapping[str, Finding], compared: Mapping[str, Comparison], alpha: float) -> str:
    """Return the verdict on all methods in one sentence.

    Args:
        findings: By method.
        compared: The comparisons there are, by method.
        alpha: A corrected p of at most this makes a difference real.
    """
    if not compared:
        if list(findings.values()) == ["baseline"]:
            return f"Nothing is compared: {BASELINE} is the only method."
        if "baseline" in findings.values():
            return "Nothing is compared: no method has a baseline with which it shares seeds and rounds."
        hint = "" if BASELINE in findings else f"; add --method {BASELINE}"
        return f"Nothing is compared: `{BASELINE}` has no complete seed here{hint}."
    if all(findings[name] == "undecidable" for name in compared):
        counts = sorted({len(one.seeds) for one in compared.values()})
        seeds = (
            figures.counted(counts[0], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
        )
        return f"With {seeds} no difference can be shown: {_enough(len(compared), alpha)}."
    baselines = {one.baseline for one in compared.values()}
    baseline = baselines.pop() if len(baselines) == 1 else "its baseline"
    return _grouped(findings, baseline)


def _grouped(findings: Mapping[str, Finding], baseline: str) -> str:
    names = {
        result: ", ".join(name for name, its in findings.items() if its == result)
        for result in get_args(Finding)
    }
    several = list(findings.values()).count("better") > 1
    better = f"Better than {baseline}: {names['better']}" if names["better"] else ""
    parts = [
        better or f"No method is shown to be better than {baseline}",
        "which of them is best was not tested" if several else "",
        f"worse: {names['worse']}" if names["worse"] else "",
        f"no difference shown: {names['not shown']}" if names["not shown"] else "",
        f"undecidable with so few seeds: {names['undecidable']}" if names["undecidable"] else "",
        f"not compared: {names['not compared']}" if names["not compared"] else "",
    ]
    return "; ".join(part for part in parts if part) + "."


def notes(runs: Mapping[str, Runs], found: Mapping[str, Comparison | str]) -> Iterator[str]:
    """Yield which seeds are left out and why, and where a comparison is over a part of what a method has."""
    for name, own in runs.items():
        if own.left_out:
            total = len(own.seeds) + len(own.left_out)
            reasons = "; ".join(f"seed {one.seed}: {one.reason}" for one in own.left_out)
            yield f"{name}: {len(own.left_out)} of {figures.counted(total, 'seed')} left out ({reasons})"
    for name, one in found.items():
        if isinstance(one, str):
            continue
        theirs = runs[one.baseline]
        rounds = max(len(runs[name].rounds), len(theirs.rounds))
        seeds = max(len(runs[name].seeds), len(theirs.seeds))
        if len(one.rounds) < rounds or len(one.seeds) < seeds:
            yield (
                f"{name} and {one.baseline} are compared over what both have: "
                f"{len(one.rounds)} of {rounds} rounds, {len(one.seeds)} of {figures.counted(seeds, 'seed')}"
            )


def wrong_on_purpose(columns: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    """Yield what share of the labels that people gave is wrong, if any is, and what checks left out of them.

    Args:
        columns: As for `judge`; `label_noise` and `withheld`, the share and the number so far, may lack.
    """
    last: dict[tuple[str, int], tuple[int, int, int, float]] = {}
    names = ("method", "seed", "round", "labels", "label_noise")
    left_out = columns.get("withheld") or [None] * len(columns["method"])
    for (method, seed, round_, labels, share), out in zip(
        zip(*(columns.get(name, ()) for name in names), strict=False), left_out, strict=False
    ):
        if share is not None and round_ >= last.get((method, seed), (0,))[0]:
            last[method, seed] = (round_, labels, out or 0, share)
    checked = {method for (method, _), (_, _, out, _) in last.items() if out}
    given, _, wrong = _added(one for (method, _), one in last.items() if method not in checked)
    if wrong:
        yield (
            f"Labels are wrong on purpose: {100 * wrong / given:.1f} % of those that people gave; "
            "the metric is measured on true ones"
        )
    for name in sorted(checked):
        given, out, wrong = _added(one for (method, _), one in last.items() if method == name)
        yield (
            f"{name}: the check left out {100 * out / given:.1f} % of the labels bought; of the others "
            f"{100 * wrong / max(given - out, 1):.1f} % are wrong"
        )


def _added(lines: Iterable[tuple[int, int, int, float]]) -> tuple[int, int, float]:
    """Return how many labels were bought, how many of them left out, and how many of the others are wrong."""
    given, out, wrong = 0, 0, 0.0
    for _, labels, withheld, share in lines:
        given, out, wrong = given + labels, out + withheld, wrong + (labels - withheld) * share
    return given, out, wrong
