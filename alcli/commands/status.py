"""`alcli status`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from alcli import stopping
from alcli.commands._call import Call
from alcli.stopping import Advice

Counts = dict[str, Any]


def status(call: Call) -> None:
    """Show counts, classes, open rounds, the newest model and problems."""
    from alcli import models, summary

    counts = summary.read(call.project)
    trained = models.all_models(call.project)
    newest = trained[-1].about if trained else None
    rules = stopping.advice(call.project, counts)
    if call.json:
        call.result(**counts, model=newest, stopping=_told(rules))
        return
    sections = (_overview(counts), _model(newest), _rounds(counts), _stopping(rules))
    for section in (*sections, _classes(counts), _problems(counts)):
        for line in section:
            typer.echo(line)


def _overview(counts: Counts) -> Iterator[str]:
    yield _line("images", counts["images"], _listed(counts["statuses"]))
    yield _line("splits", _listed(counts["splits"]))
    yield _line("labelled", counts["labelled"], f"{counts['labelled_train']} of them to train on")
    yield _line("pseudo-labelled", counts["pseudo_labelled"])
    yield _line("queryable", counts["queryable"])
    yield _line("out", counts["out"])


def _model(about: dict[str, Any] | None) -> Iterator[str]:
    if about is None:
        yield _line("model", "none yet")
        return
    accuracy = about.get("metrics", {}).get("val_accuracy")
    said = "" if accuracy is None else f"validation accuracy {accuracy:.1%}"
    yield _line("model", about["id"], about.get("architecture", about["kind"]), said)
    yield from _clusters(about.get("metrics", {}))


def _clusters(metrics: dict[str, Any]) -> Iterator[str]:
    """Say how well the clusters of `train --objective ccl` agree with classes; by labels not learned from if known."""
    split = next((name for name in ("val", "train") if f"{name}_cluster_nmi" in metrics), None)
    if split is not None:
        accuracy, nmi, ari = (metrics[f"{split}_cluster_{name}"] for name in ("accuracy", "nmi", "ari"))
        source = {"val": "by validation labels", "train": "by the labels learned from"}[split]
        yield _line("clusters", f"ACC {accuracy:.1%}", f"NMI {nmi:.3f}", f"ARI {ari:.3f}", source)


def _rounds(counts: Counts) -> Iterator[str]:
    for number, out in counts["rounds_out"].items():
        back = counts["rounds_back"].get(number)
        yield _line(f"round {number}", f"open: {out} out", "" if back is None else f"{back} back")
    for audit in counts.get("audits", []):
        interval = f"95 % interval {audit['low']:.1%} to {audit['high']:.1%}"
        told = f"{audit['correct']} of {audit['n']} right: {audit['accuracy']:.1%}"
        yield _line(f"audit {audit['round']}", told, interval)


def _stopping(rules: Sequence[Advice]) -> Iterator[str]:
    """Say what the rules say, once there is a round to say it of."""
    if not any(rule.rounds for rule in rules):
        return
    says, sentence = stopping.summed_up(rules)
    yield _line("stopping", says, sentence)
    for rule in rules:
        yield f"  {rule.name:<22}{rule.says:<11}{rule.sentence}"


def _told(rules: Sequence[Advice]) -> dict[str, Any]:
    says, sentence = stopping.summed_up(rules)
    return {"says": says, "sentence": sentence, "rules": [dataclasses.asdict(rule) for rule in rules]}


def _classes(counts: Counts) -> Iterator[str]:
    if not counts["classes"]:
        return
    width = max(len("class"), *map(len, counts["classes"]))
    yield ""
    yield f"{'class':<{width}}  labelled  pseudo-labelled"
    for name, of_class in counts["classes"].items():
        yield f"{name:<{width}}  {of_class['labelled']:>8}  {of_class['pseudo_labelled']:>15}"


def _problems(counts: Counts) -> Iterator[str]:
    total = counts["images"] - counts["statuses"]["ok"]
    if total:
        yield ""
        yield f"problems: {total}" + (f", the first {len(counts['problems'])}" if total > 10 else "")
    for problem in counts["problems"]:
        why = f": {problem['problem']}" if problem["problem"] else ""
        yield f"  {problem['status']}  {problem['file_name']}{why}"


def _line(name: str, *said: Any) -> str:
    return f"{name:<16}" + ", ".join(str(part) for part in said if part != "")


def _listed(counts: dict[str, int]) -> str:
    """Return the counts that are not zero, in words."""
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)
