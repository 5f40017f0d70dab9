"""Whether an experiment can take place on a pool: enough labels, and two classes to begin with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from alcli.errors import InputRejected
from alcli.manifest import Manifest
from alcli.simulation.experiment import Experiment, drawn_pool, first_labels, given, pool_rows

_REST = 2  # images that are told from those with a label take two to be a batch


def check_budget(ground_: Manifest, experiment: Experiment, *, learns_of_rest: str | None = None) -> None:
    """Check that the pool holds what the rounds take out of it.

    Args:
        ground_: As `ground` returns it.
        experiment: Says how much that is.
        learns_of_rest: A method that cannot be trained once every image has its label.

    Raises:
        InputRejected: It does not.
    """
    pool = pool_rows(ground_)
    have = len(pool) if experiment.pool_size is None else min(experiment.pool_size, len(pool))
    first = experiment.initial
    if experiment.initial_per_class is not None:
        counts = np.bincount(ground_.label_codes[pool], minlength=len(ground_.classes))
        first = int(np.minimum(counts, experiment.initial_per_class).sum())
    wanted = first + experiment.batch * experiment.rounds
    left = have - (_REST if learns_of_rest else 0)
    if wanted > left:
        but = f", and {learns_of_rest} needs {_REST} that stay without a label" if learns_of_rest else ""
        raise InputRejected(
            f"{first} first labels and {experiment.rounds} rounds of {experiment.batch} are {wanted} labels; "
            f"the pool has {have}{but}",
            hint=f"--rounds {(left - first) // experiment.batch}, or a smaller --batch"
            if left >= first
            else f"--initial {max(1, left // 2)}, and fewer --rounds or a smaller --batch",
        )
    if experiment.pool_size is not None and experiment.pool_size > len(pool):
        raise InputRejected(f"--pool-size {experiment.pool_size}: the pool has {len(pool)} labelled images")


def check_first_labels(ground_: Manifest, experiment: Experiment, seeds: Iterable[int]) -> None:
    """Check that every seed begins with labels of two classes, for else none of its methods can be trained.

    Args:
        ground_: As `ground` returns it.
        experiment: With its noise settled.
        seeds: Of the lanes.

    Raises:
        InputRejected: They are of one class.
    """
    for seed in seeds:
        pool = drawn_pool(ground_, experiment, seed)
        first = first_labels(ground_, pool, experiment, seed)
        names = set(given(ground_, first, experiment, seed, batch=0))
        if len(names) == 1:
            raise InputRejected(
                f"all {len(first)} first labels of seed {seed} are of one class, '{names.pop()}'; training needs "
                "two classes",
                hint=_more_first_labels(experiment, len(np.unique(ground_.label_codes[pool]))),
            )


def _more_first_labels(experiment: Experiment, classes: int) -> str:
    """Say what makes labels of two classes likely, or sure where people make no mistakes."""
    if classes == 1:
        return "a larger --pool-size"
    if experiment.initial_per_class is None:
        more = f"--initial-per-class {max(1, experiment.initial // classes)}"
    else:
        more = f"--initial-per-class {2 * experiment.initial_per_class}"
    return f"{more}, or less --label-noise" if experiment.noise else more
