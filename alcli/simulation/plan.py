"""What a simulation will run: an experiment settled once, and a lane for each method and seed."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alcli import files, training
from alcli.errors import InputRejected, UsageError
from alcli.images.album import Album
from alcli.images.transform import Transform
from alcli.manifest import Manifest
from alcli.networks import Blueprint
from alcli.project import Project
from alcli.simulation import budget, needs
from alcli.simulation.experiment import Experiment
from alcli.simulation.lane import Lane, Needs
from alcli.simulation.methods import Method
from alcli.verdict import REFERENCE

logger = logging.getLogger("alcli")

_STEM = "first labels"
_LATER = ("refine_pseudo", "warm_start")  # of the training options those that first labels give nothing to


@dataclass(frozen=True)
class Plan:
    """An experiment with all settled that the images decide.

    Attributes:
        experiment: With model, image size and channels filled in.
        ground: A manifest with all labels.
        transform: How images become inputs.
        needs: Of each method, by name.
        learns_of_rest: A method that learns of images without a label, so that one must be left; None for none.
    """

    experiment: Experiment
    ground: Manifest
    transform: Transform
    needs: dict[str, Needs]
    learns_of_rest: str | None = None

    @classmethod
    def make(
        cls, project: Project, experiment: Experiment, known: Manifest, methods: Sequence[Method]
    ) -> Plan:
        """Settle what depends on the images alone.

        Raises:
            UsageError: A method cannot work here, or an option of training is out of range.
            InputRejected: The confusion matrix of the noise is not one of the pool's classes.
        """
        options, blueprint, transform = training.settle(experiment.training, project, known)
        noise = experiment.noise and experiment.noise.settled(known.classes)
        experiment = dataclasses.replace(experiment, training=options, noise=noise)
        rest = next((method.name for method in methods if needs.learns_of_rest(method)), None)
        plan = cls(experiment, known, transform, {}, rest)
        for method in methods:
            try:
                its = plan._blueprint(project, method) if method.training else blueprint
                own = experiment.trained(**method.training)
                plan.needs[method.name] = needs.settle(method, own, its, known)
            except UsageError as error:
                raise UsageError(f"--method {method.name}: {error.message}", hint=error.hint) from error
        return plan

    def on(self, ground: Manifest) -> Plan:
        """Return the same plan for the same images with more said of them."""
        return dataclasses.replace(self, ground=ground)

    def check(self, seeds: Sequence[int]) -> None:
        """Check that the images suffice for what these seeds take out of them.

        Raises:
            InputRejected: There are too few, or the first labels of a seed are of one class.
        """
        budget.check_budget(self.ground, self.experiment, learns_of_rest=self.learns_of_rest)
        budget.check_first_labels(self.ground, self.experiment, seeds)

    def _blueprint(self, project: Project, method: Method) -> Blueprint:
        """Return the networks of a method with training parts, which are checked by this."""
        fields = {**method.training, "use_pseudo_labels": method.guesses}
        own = self.experiment.trained(**fields)
        options = own.training.with_embedding(needs.given_embedding(own) or "none")
        _, blueprint, transform = training.settle(options, project, self.ground)
        if transform != self.transform:
            raise UsageError("it looks at images in another form than random does")
        return blueprint

    def informed(self, album: Album, project: Project) -> Plan:
        """Leave out what cannot be decoded.

        Args:
            album: Of all images, in their order.
            project: The pool.

        Raises:
            InputRejected: A file is no longer what the manifest says.
        """
        self._require_unchanged(album, project)
        good = [row for row, problem in enumerate(album.problems) if problem is None]
        if len(good) < len(self.ground):
            logger.warning("%d images cannot be decoded and are left out", len(self.ground) - len(good))
        told = self.ground.replace(size=album.sizes, mtime_ns=album.mtimes_ns)
        return self.on(Manifest(told.table.take(good), told.classes))

    def _require_unchanged(self, album: Album, project: Project) -> None:
        changed = album.differing(self.ground.strings("sha256"))
        if changed:
            raise InputRejected(
                f"{len(changed)} images have changed since `alcli init`, or can no longer be read: without them as "
                "they were it is another experiment",
                hint=project.command("init"),
                details=[str(name) for name in self.ground.strings("file_name", np.array(changed))],
            )

    def lanes(
        self,
        project: Project,
        folder: Path,
        methods: Sequence[Method],
        seeds: Sequence[int],
        *,
        reference: bool,
    ) -> list[Lane]:
        """Return a lane for each method and seed, method by method.

        Methods whose models are trained alike share, seed by seed, the lane of their first labels.
        """
        stems = self._stems(project, folder, methods, seeds)
        lanes = [
            self._lane(
                project,
                folder,
                method.name,
                seed,
                method.training,
                method=method,
                needs=self.needs[method.name],
                stem=stems[_words(method), seed],
            )
            for method in methods
            for seed in seeds
        ]
        if reference:
            all_ = {"method": None, "needs": Needs(), "everything": True}
            lanes += [self._lane(project, folder, REFERENCE, seed, {}, **all_) for seed in seeds]
        return lanes

    def _stems(
        self, project: Project, folder: Path, methods: Sequence[Method], seeds: Sequence[int]
    ) -> dict[tuple[str, int], Lane]:
        """Return the lanes of the first labels, by how their models are trained and by seed."""
        alike: dict[str, list[Method]] = {}
        for method in methods:
            alike.setdefault(_words(method), []).append(method)
        stems = {}
        for words, those in alike.items():
            shared = needs.union([self.needs[method.name] for method in those])
            title, fields = f"{_STEM} {shared}{words}", _at_first(those[0])
            for seed in seeds:
                stems[words, seed] = self._lane(
                    project, folder, title, seed, fields, method=None, needs=shared
                )
        return stems

    def _lane(
        self, project: Project, folder: Path, title: str, seed: int, fields: dict[str, Any], **more: Any
    ) -> Lane:
        """Return a lane whose models are trained with `fields` of the options replaced."""
        slug = re.sub(r"[^a-z0-9]+", "-", title.lower())[:40]
        place = folder / "lanes" / f"{slug}-{files.digest(title)[:6]}-{seed}"
        own = self.experiment.trained(**fields)
        return Lane(project.pool, place, title, seed=seed, experiment=own, ground=self.ground, **more)


def _at_first(method: Method) -> dict[str, Any]:
    """Return the options by which a method's models are trained before anything is guessed."""
    return {name: value for name, value in method.training.items() if name not in _LATER}


def _words(method: Method) -> str:
    """Return these options in words that begin with a blank; nothing where there are none."""
    fields = _at_first(method)
    return f" {json.dumps(fields, sort_keys=True)}" if fields else ""
