"""An experiment: what all its methods have in common, and the pool with its answers known."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from alcli import __version__, files, randomness, ranking
from alcli.errors import InputRejected, StepMissing, UsageError
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.schema import GIVEN, GUESSED
from alcli.simulation.noise import Noise
from alcli.training import Options
from alcli.training.options import check_embedding

_TEST_SEED = 0  # every seed is measured on the same images
# Of people and models at work, which a simulation begins without; labels stay, they are the truth.
_TRACES = dict.fromkeys(name for name in (*GIVEN, *GUESSED, "queried_round") if name != "label")


@dataclass(frozen=True)
class Experiment:
    """What is the same for all methods.

    Attributes:
        initial: Images with a label at the start, drawn at random.
        initial_per_class: So many of each class instead.
        batch: Images that each round adds.
        rounds: How many times.
        training: How models are trained; its seed, embedding and use of pseudo-labels are settled by each lane.
        embedding: `joint` to train one network for everybody; None trains an embedding where a method needs it.
        test_fraction: Share of the labelled images to measure on, where the manifest has no test split.
        pool_size: Draw a pool of so many images for each seed; None takes all.
        mc_samples: Dropout passes for methods that need them.
        noise: How often people are wrong, the first labels included; test images keep their true label.
    """

    initial: int = 100
    initial_per_class: int | None = None
    batch: int = 100
    rounds: int = 10
    training: Options = field(default_factory=Options)
    embedding: str | None = None
    test_fraction: float | None = None
    pool_size: int | None = None
    mc_samples: int = 10
    noise: Noise | None = None

    def __post_init__(self) -> None:
        """Check what depends on no data.

        Raises:
            UsageError: A number is out of its range.
        """
        least = {
            "initial": 1,
            "batch": 1,
            "rounds": 0,
            "initial_per_class": 1,
            "pool_size": 2,
            "mc_samples": 2,
        }
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and value < bound:
                raise UsageError(f"--{name.replace('_', '-')} {value}: at least {bound} is needed")
        if self.test_fraction is not None and not 0 < self.test_fraction < 1:
            raise UsageError(f"--test-fraction {self.test_fraction} is not a share above 0, below 1")
        check_embedding(self.embedding or "triplet", self.training.embedding_epochs)

    def trained(self, **fields: Any) -> Self:
        """Return the experiment with some fields of its training options replaced."""
        return dataclasses.replace(self, training=dataclasses.replace(self.training, **fields))

    def record(self, ground: Manifest) -> dict[str, Any]:
        """Return what identifies the experiment; methods and seeds are none of it, they may be added.

        Another version of alcli may train or choose otherwise, so its rounds belong to another table.

        Args:
            ground: With the digests of the files.
        """
        about = dataclasses.asdict(self)
        del about["noise"]
        training = {
            name: value for name, value in about.pop("training").items() if name not in _SETTLED_BY_LANES
        }
        weights = self.training.weights
        training["weights"] = None if weights is None else files.file_digest(weights)
        return {
            **about,
            **{f"train_{name}": value for name, value in training.items()},
            "pool": _digest(ground),
            "alcli_version": __version__,
            **({"noise": self.noise.record()} if self.noise else {}),
        }


_SETTLED_BY_LANES = ("seed", "embedding", "use_pseudo_labels")


def ground(project: Project, manifest: Manifest, experiment: Experiment) -> Manifest:
    """Return the images whose label is known, all labels shown, with a test split.

    Validation images join the pool: their labels cost as much as any.

    Raises:
        InputRejected: No label is known, or all are of one class.
        StepMissing: There is no test split, and no share to draw one of.
    """
    known = manifest.labelled & manifest.readable
    test = known & manifest.equals("split", "test")
    if not known.any():
        raise InputRejected(
            f"no image of {project.pool} has a label: a simulation answers with labels that are known",
            hint=project.command("init", "--labels", "LABELS.csv"),
        )
    if experiment.test_fraction is not None:
        if test.any():
            raise UsageError(
                f"--test-fraction draws a test split, and the pool has one of {int(test.sum())} images",
                hint="leave --test-fraction out",
            )
        rows = np.flatnonzero(known)
        drawn = _draw(
            manifest.keys[rows], max(1, round(experiment.test_fraction * len(rows))), _TEST_SEED, "test"
        )
        test[rows[drawn]] = True
    if not test.any():
        raise StepMissing(
            "there are no labelled test images to measure accuracy on",
            hint=f"--test-fraction 0.2, or {project.command('init', '--test', 'DIR')}",
        )
    _require_two_classes(project, manifest, known & ~test)
    kept = np.flatnonzero(known)
    split = np.where(test[kept], "test", "train")
    bare = Manifest(manifest.table.take(kept), manifest.classes).replace(split=split.tolist())
    return bare.assign(np.ones(len(kept), np.bool_), **_TRACES, status="ok")


def _require_two_classes(project: Project, manifest: Manifest, mine: NDArray[np.bool_]) -> None:
    """Check that `mine`, (n,) the images of the pool, are not of one class."""
    present = np.unique(manifest.label_codes[mine])
    if len(present) == 1:
        raise InputRejected(
            f"all {int(mine.sum())} labelled images of the pool are of one class, "
            f"'{manifest.classes[present[0]]}'; training needs two classes",
            hint=f"{project.command('init', '--labels', 'FILE')}, or a folder of another class",
        )


def pool_rows(ground_: Manifest) -> NDArray[np.int64]:
    """Return the rows that a simulation may ask for."""
    return np.flatnonzero(~ground_.equals("split", "test"))


def drawn_pool(ground_: Manifest, experiment: Experiment, seed: int) -> NDArray[np.int64]:
    """Return the rows that a lane of one seed may ask for."""
    rows = pool_rows(ground_)
    if experiment.pool_size is None or experiment.pool_size >= len(rows):
        return rows
    return np.sort(rows[_draw(ground_.keys[rows], experiment.pool_size, seed, "pool")])


def first_labels(
    ground_: Manifest, rows: NDArray[np.int64], experiment: Experiment, seed: int
) -> NDArray[np.int64]:
    """Return those of `rows`, the pool of a seed, that are labelled at the start."""
    order = rows[_draw(ground_.keys[rows], len(rows), seed, "initial")]
    if experiment.initial_per_class is None:
        return order[: experiment.initial]
    codes = ground_.label_codes[order]
    return np.concatenate([order[codes == code][: experiment.initial_per_class] for code in np.unique(codes)])


def begin(ground_: Manifest, experiment: Experiment, seed: int, *, everything: bool = False) -> Manifest:
    """Return the pool of one seed: the first labels shown, the others hidden.

    Args:
        ground_: As `ground` returns it.
        experiment: Says how many.
        seed: Draws the pool and the first labels, the same for every method.
        everything: Show all labels instead.
    """
    rows = drawn_pool(ground_, experiment, seed)
    shown = rows if everything else first_labels(ground_, rows, experiment, seed)
    kept = np.sort(np.concatenate([rows, np.flatnonzero(ground_.equals("split", "test"))]))
    hidden = np.ones(len(ground_), np.bool_)
    hidden[shown] = False
    hidden[ground_.equals("split", "test")] = False
    start = ground_.assign(hidden, label=None).assign(~hidden, label_source="simulation", label_round=0)
    if experiment.noise:
        start = start.assign(shown, label=given(ground_, shown, experiment, seed, batch=0))
    return Manifest(start.table.take(kept), ground_.classes)


def given(
    ground_: Manifest, rows: NDArray[np.int64], experiment: Experiment, seed: int, *, batch: int
) -> NDArray[np.object_]:
    """Return the class names that people give to some rows.

    Args:
        ground_: As `ground` returns it.
        rows: (r,) of it.
        experiment: Says how often people are wrong.
        seed: Of the lane.
        batch: 0 for the first labels, then the round.
    """
    codes, classes = ground_.label_codes[rows], ground_.classes
    if experiment.noise:
        codes = experiment.noise.answers(
            codes, ground_.keys[rows], classes=len(classes), seed=seed, batch=batch
        )
    return np.array(classes, object)[codes]


def _draw(keys: NDArray[np.uint64], count: int, seed: int, purpose: str) -> NDArray[np.int64]:
    """Return the positions of `count` images drawn without replacement, in order of the draw."""
    return ranking.top(randomness.uniform(seed, f"simulate-{purpose}", keys), keys, count)


def _digest(ground_: Manifest) -> str:
    """Return a digest of the images, what their files hold, their labels and splits."""
    parts = [ground_.keys.tobytes(), ground_.label_codes.tobytes(), ground_.equals("split", "test").tobytes()]
    held = " ".join(sha256 or "-" for sha256 in ground_.strings("sha256"))
    return files.digest(*parts, held, *ground_.classes)
