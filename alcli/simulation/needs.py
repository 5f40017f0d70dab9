"""What methods ask of models, settled before anything runs: a method that cannot work is refused at once."""

from __future__ import annotations

import functools
from collections.abc import Collection

from alcli import networks, ranking
from alcli.choosing import AUTO
from alcli.errors import UsageError
from alcli.manifest import Manifest
from alcli.networks import Blueprint
from alcli.networks.mc_dropout import has_dropout
from alcli.simulation.experiment import Experiment, pool_rows
from alcli.simulation.lane import Needs
from alcli.simulation.methods import Method
from alcli.strategies._batch import Size
from alcli.strategies._inputs import PROBED

_ALWAYS = ("probabilities", "confidence", "margin", "entropy", "prediction", "embeddings")
_TRIPLET = "triplet_embeddings"
_OF_OBJECTIVE = {"ccl": "cluster_probabilities", "vaal": "discriminator_scores"}
_WHY = {
    _TRIPLET: "no triplet network is trained",
    "mc_probabilities": "the network has no dropout; --dropout 0.5 gives it some",
}


def settle(method: Method, experiment: Experiment, blueprint: Blueprint, ground: Manifest) -> Needs:
    """Return what a method needs.

    Args:
        method: Which.
        experiment: As the method's models are trained.
        blueprint: Of these.
        ground: All images with their labels.

    Raises:
        UsageError: It needs a signal that cannot exist, or is not made for this size.
    """
    possible, width = _possible(blueprint)
    embedding = given_embedding(experiment)
    if embedding != "none":
        possible = (*possible, _TRIPLET)
    known = method.strategy != AUTO
    signals = _signals(method, experiment, possible, width, ground) if known else set()
    rule = method.pseudo_rule()
    measured = rule is not None and rule.method == "triplet-margin"
    if measured and embedding == "none":
        raise UsageError(f"it needs triplet embeddings, which cannot be: {_WHY[_TRIPLET]}")
    triplet = _TRIPLET in signals or measured
    return Needs(
        embedding or ("triplet" if triplet else "none"),
        experiment.mc_samples if "mc_probabilities" in signals else 0,
        pool=bool(signals or method.guesses or method.requested or method.check) or not known,
    )


def given_embedding(experiment: Experiment) -> str | None:
    """Return the embedding of an experiment's models where methods do not decide on it."""
    return "none" if experiment.training.objective == "ccl" else experiment.embedding


def learns_of_rest(method: Method) -> bool:
    """Return whether a method's models learn to tell images without a label from the others."""
    return method.training.get("objective") == "vaal"


@functools.cache
def _possible(blueprint: Blueprint) -> tuple[tuple[str, ...], int]:
    """Return the signals that such models give, those of an embedding aside, and the width of their features."""
    model = networks.build(blueprint)
    found = [*_ALWAYS, *PROBED]
    if has_dropout(model.classifier):
        found.append("mc_probabilities")
    if blueprint.objective in _OF_OBJECTIVE:
        found.append(_OF_OBJECTIVE[blueprint.objective])
    return tuple(found), model.width


def union(needs: Collection[Needs]) -> Needs:
    """Return what satisfies all of them."""
    embeddings = [one.embedding for one in needs if one.embedding != "none"]
    return Needs(
        embeddings[0] if embeddings else "none",
        max((one.mc_samples for one in needs), default=0),
        any(one.pool for one in needs),
    )


def _signals(
    method: Method, experiment: Experiment, possible: Collection[str], width: int, ground: Manifest
) -> set[str]:
    """Return the signals that a method's strategy reads, of those that are possible."""
    request = method.request(experiment.batch, 0)
    if request.candidates is not None and request.candidates < experiment.batch:
        raise UsageError(
            f"{request.candidates} candidates are fewer than the {experiment.batch} images of a batch"
        )
    plan = ranking.plan(
        method.strategy,
        possible,
        options={**request.options, **({"order": request.order} if request.order else {})},
        stochastic=request.stochastic,
        beta=request.beta,
    )
    if plan.missing:
        signal = plan.missing[0]
        why = _WHY.get(signal, f"{method.strategy} needs what alcli's models do not give")
        raise UsageError(f"it needs {signal.replace('_', ' ')}, which cannot be: {why}")
    read = {*plan.row_signals, *plan.labelled_signals}
    if not method.asks_people and read & set(PROBED):
        raise UsageError(
            f"{method.strategy} differentiates the network, which is done for batches that people label",
            hint=f"--method {method.strategy}",
        )
    rows = len(pool_rows(ground)) if experiment.pool_size is None else experiment.pool_size
    left = min(rows, request.candidates or rows)
    most = experiment.initial + experiment.batch * max(0, experiment.rounds - 1)
    plan.check(Size(left, min(experiment.batch, left), most, len(ground.classes), width))
    return read
