"""What a simulation will run: an experiment settled once, and a lane for each method and seed."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alcli import files, training
from alcli.images.album import Album
from alcli.images.transform import Transform
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.simulation import needs
from alcli.simulation.experiment import Experiment
from alcli.simulation.lane import Lane, Needs
from alcli.simulation.methods import Method
from alcli.verdict import REFERENCE

logger = logging.getLogger("alcli")

_STEM = "first labels"


@dataclass(frozen=True)
class Plan:
    """An experiment with all settled that the images decide.

    Attributes:
        experiment: With model, image size and channels filled in.
        ground: A manifest with all labels.
        transform: How images become inputs.
        needs: Of each method, by name.
    """

    experiment: Experiment
    ground: Manifest
    transform: Transform
    needs: dict[str, Needs]

    @classmethod
    def make(
        cls, project: Project, experiment: Experiment, known: Manifest, methods: Sequence[Method]
    ) -> Plan:
        """Settle what depends on the images alone.

        Raises:
            UsageError: A method cannot work here, or an option of training is out of range.
        """
        options, blueprint, transform = training.settle(experiment.training, project, known)
        experiment = dataclasses.replace(experiment, training=options)
        return cls(experiment, known, transform, needs.settle(methods, experiment, blueprint, known))

    def informed(self, album: Album, project: Project) -> Plan:
        """Leave out what cannot be decoded, and know every file's digest: scoring need not find them out."""
        start = len(f"{project.pool}/")
        place = {path[start:]: row for row, path in enumerate(album.paths)}
        rows = [place[str(name)] for name in self.ground.strings("file_name")]
        good = [number for number, row in enumerate(rows) if album.problems[row] is None]
        if len(good) < len(rows):
            logger.warning("%d images cannot be decoded and are left out", len(rows) - len(good))
        told = self.ground.replace(
            sha256=[album.sha256[row] for row in rows],
            size=album.sizes[rows],
            mtime_ns=album.mtimes_ns[rows],
        )
        return dataclasses.replace(self, ground=Manifest(told.table.take(good), told.classes))

    def lanes(
        self,
        project: Project,
        folder: Path,
        methods: Sequence[Method],
        seeds: Sequence[int],
        *,
        reference: bool,
    ) -> list[Lane]:
        """Return a lane for each method and seed, method by method; seeds share the lane of their first labels."""

        def lane(title: str, seed: int, **more: Any) -> Lane:
            slug = re.sub(r"[^a-z0-9]+", "-", title.lower())[:40]
            place = folder / "lanes" / f"{slug}-{files.digest(title)[:6]}-{seed}"
            return Lane(
                project.pool, place, title, seed=seed, experiment=self.experiment, ground=self.ground, **more
            )

        shared = needs.union(self.needs.values())
        stems = {seed: lane(f"{_STEM} {shared}", seed, method=None, needs=shared) for seed in seeds}
        lanes = [
            lane(method.name, seed, method=method, needs=self.needs[method.name], stem=stems[seed])
            for method in methods
            for seed in seeds
        ]
        if reference:
            lanes += [lane(REFERENCE, seed, method=None, needs=Needs(), everything=True) for seed in seeds]
        return lanes
