"""A lane from its first line to its last, round after round, on a state of its own; it goes on where it was killed.

The state is what the commands would leave: the same functions train, score, select and take labels in. A line
is written when a round has been measured, so whatever came before it on the disk is either used or done again.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import numpy as np
from numpy.typing import NDArray

from alcli import (
    auditing,
    files,
    labelling,
    ledger,
    models,
    pseudolabelling,
    rounds,
    scoring,
    selection,
    training,
)
from alcli.choosing import Chooser
from alcli.errors import PoolExhausted
from alcli.images.album import Decoders
from alcli.manifest import SPLITS, Manifest
from alcli.models import ModelRecord
from alcli.project import Project
from alcli.request import Request
from alcli.signals import SignalStore
from alcli.simulation.experiment import begin, given
from alcli.simulation.lane import Lane, Needs
from alcli.simulation.results import Line
from alcli.tables import spreadsheet_safe

logger = logging.getLogger("alcli")

_LOCK_TIMEOUT_S = 60.0  # processes of a killed simulation end with it, but not in the same instant
_SHORTEST_GAME = {"vae_epochs": "1"}


def run(lane: Lane, *, decoders: Decoders, device: str, told: Callable[[], None]) -> None:
    """Take a lane to its end.

    Args:
        lane: Which.
        decoders: As for `training.train`.
        device: As on the command line.
        told: Called after every line.
    """
    with files.storage_errors(lane.folder):
        lane.folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(lane.folder / "lock", timeout=_LOCK_TIMEOUT_S), _unheard():
        lane.forget_failure()
        if lane.finished:
            return
        try:
            _Runner(lane, decoders, device).run(told)
            if lane.method or lane.everything:  # others begin with the state of the first labels
                lane.clear()
        except Exception as error:
            logger.debug("%s, seed %d failed", lane.title, lane.seed, exc_info=True)
            lane.append_failure(error)
            told()


class _Runner:
    """Takes one lane from line to line."""

    def __init__(self, lane: Lane, decoders: Decoders, device: str) -> None:
        self.lane = lane
        self.decoders = decoders
        self.device = device
        self.project = Project(lane.pool, lane.state)
        self.order = np.argsort(lane.ground.keys)
        self.known = lane.ground.keys[self.order]

    def run(self, told: Callable[[], None]) -> None:
        done = self._begin()
        for number in range(self.lane.rounds + 1):
            seconds = self._turn(number) if number else 0.0
            if number >= done:
                self.lane.append(self._measure(number, seconds))
                self._tidy()
                told()

    def _begin(self) -> int:
        """Make the state where there is none; return how many lines count."""
        if self.lane.begun:
            done, round_ = len(self.lane.lines()), ledger.read(self.project).round
            if round_ <= done:  # else lines were lost, and the state is past what they measured
                return done
        self.lane.lines_path.unlink(missing_ok=True)
        shutil.rmtree(self.lane.state, ignore_errors=True)
        if self.lane.stem is not None:
            _copy(self.lane.stem.state, self.lane.state)
            for line in self.lane.stem.lines():
                self.lane.append(line)
            return len(self.lane.lines())
        self.lane.state.mkdir(parents=True)
        start = begin(self.lane.ground, self.lane.experiment, self.lane.seed, everything=self.lane.everything)
        with ledger.writing(self.project, "simulate"):
            ledger.commit(self.project, start, command="simulate", seed=self.lane.seed)
        return 0

    def _turn(self, number: int) -> float | None:
        """Let round `number` happen unless it did; return how long selecting took, None where that is lost."""
        method, manifest = self.lane.method, ledger.read(self.project)
        past = manifest.round > number or (manifest.round == number and not manifest.open_rounds)
        if method is None or past:
            return None
        began = time.monotonic()
        request = method.request(self.lane.experiment.batch, self.lane.seed)
        if not method.asks_people:
            self._take_for_granted(manifest, request)
            return time.monotonic() - began
        settings = selection.Settings(device=self.device, workers=self.decoders)
        report = selection.select(self.project, request, settings=settings)
        seconds = time.monotonic() - began
        if rule := method.pseudo_rule():  # while the batch is out, so that it gets no pseudo-label
            with contextlib.suppress(PoolExhausted):  # the last batch may leave nothing to label
                pseudolabelling.pseudolabel(self.project, rule, clear=True)
        self._answer([str(name) for name in report.table["alcli_id"].to_pylist()], number)
        return seconds

    def _take_for_granted(self, manifest: Manifest, request: Request) -> None:
        """Give the strategy's picks the labels that it takes them for, as Triplet AL does: people say nothing."""
        with ledger.writing(self.project, "pseudolabel"):
            taken = manifest.filled("pseudo_label")
            left = manifest.assign(taken, status="excluded") if taken.any() else manifest
            chooser = Chooser.build(self.project, left, request, device=_plain(self.device))
            choice = chooser.choose(manifest.round + 1)
            marked = manifest.assign(
                choice.rows,
                pseudo_label=choice.guesses,
                pseudo_confidence=choice.confidence,
                pseudo_method=request.strategy,
                pseudo_round=manifest.round + 1,
            ).replace(round_=manifest.round + 1)
            ledger.commit(self.project, marked, command="pseudolabel", strategy=request.strategy)

    def _answer(self, ids: list[str], number: int) -> None:
        """Answer as people do who know the truth, or as often as the experiment has it, through a file as theirs."""
        keys = np.array([int(name[1:], 16) for name in ids], np.uint64)
        lane = self.lane
        labels = given(lane.ground, self._rows_of(keys), lane.experiment, lane.seed, batch=number)
        path = self.lane.folder / "answers.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["alcli_id", "label"])
            writer.writerows(zip(ids, map(spreadsheet_safe, labels), strict=True))  # as it is read back
        self._import(path)
        path.unlink()

    def _import(self, path: Path) -> None:
        """Take answers in, by way of the method's check if it has one."""
        check = self.lane.method.check if self.lane.method else None
        if check:
            check = dataclasses.replace(check, seed=self.lane.seed)
            with contextlib.suppress(
                auditing.TooFewLabels
            ):  # a class has but one label, which nobody can judge
                labelling.import_labels(self.project, path, check=check)
                return
        labelling.import_labels(self.project, path)

    def _measure(self, number: int, select_seconds: float | None) -> Line:
        """Train, score, and compare what the model says of the test images with the truth."""
        began = time.monotonic()
        needs = self.lane.needed(number)
        record = self._train(needs)
        trained = time.monotonic()
        settings = scoring.Settings(mc_samples=needs.mc_samples, seed=self.lane.seed)
        scoring.score(
            self.project,
            record,
            settings=settings,
            splits=SPLITS if needs.pool else ("test",),
            device=self.device,
            workers=self.decoders,
        )
        scored = time.monotonic()
        manifest = ledger.read(self.project)
        mine = manifest.equals("label_round", number) & manifest.equals("split", "train")
        if self.lane.method and not self.lane.method.asks_people and number:
            mine = manifest.equals("pseudo_round", number)
        return {
            "seed": self.lane.seed,
            "round": number,
            **self._bought(manifest),
            **self._pseudo(manifest),
            **self._figures(manifest, record),
            "train_seconds": round(trained - began, 3),
            "score_seconds": round(scored - trained, 3),
            "select_seconds": None if select_seconds is None else round(select_seconds, 3),
            "batch": files.digest(np.sort(manifest.keys[mine]).tobytes()),
        }

    def _train(self, needs: Needs) -> ModelRecord:
        method = self.lane.method
        options = dataclasses.replace(
            self.lane.experiment.training.with_embedding(needs.embedding),
            use_pseudo_labels=bool(method and method.guesses),
            seed=self.lane.seed,
        )
        if (
            options.objective == "vaal" and not needs.pool
        ):  # the classifier is the same however long the game is
            options = dataclasses.replace(options, parameters={**options.parameters, **_SHORTEST_GAME})
        training.train(
            self.project,
            options,
            device=self.device,
            workers=self.decoders,
            resume=self.project.models.exists(),
            test=False,  # scoring looks at the test images anyway
        )
        return models.newest(self.project)

    def _bought(self, manifest: Manifest) -> Line:
        rows = np.flatnonzero(manifest.labelled & manifest.equals("split", "train"))
        wrong = manifest.label_codes[rows] != self._truth_of(manifest.keys[rows])
        bought = len(rows)
        if (
            self.lane.method and self.lane.method.check
        ):  # an image whose label was left out may be bought again
            counts = [rounds.about(self.project, number)["counts"] for number in range(1, manifest.round + 1)]
            first = manifest.equals("label_round", 0) & manifest.equals("split", "train")
            bought = int(first.sum()) + sum(count["images"] for count in counts)
        return {"labels": bought, "withheld": bought - len(rows), "label_noise": float(wrong.mean())}

    def _pseudo(self, manifest: Manifest) -> Line:
        rows = np.flatnonzero(manifest.filled("pseudo_label"))
        right = manifest.codes("pseudo_label")[rows] == self._truth_of(manifest.keys[rows])
        return {"pseudo_labels": len(rows), "pseudo_precision": float(right.mean()) if len(rows) else None}

    def _figures(self, manifest: Manifest, record: ModelRecord) -> Line:
        from sklearn.metrics import f1_score

        rows = np.flatnonzero(manifest.equals("split", "test") & manifest.readable)
        store = SignalStore(record.signals(self.project))
        guesses = store.read(["prediction"], manifest.keys[rows])["prediction"]
        codes = manifest.label_codes[rows]
        present = np.unique(codes)
        macro = f1_score(codes, guesses, labels=present, average="macro", zero_division=0)
        return {"accuracy": float(np.mean(guesses == codes)), "macro_f1": float(macro)}

    def _truth_of(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        return self.lane.ground.label_codes[self._rows_of(keys)]

    def _rows_of(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        return np.asarray(self.order[np.searchsorted(self.known, keys)])

    def _tidy(self) -> None:
        """Drop what only earlier rounds needed."""
        for record in models.all_models(self.project)[:-1]:
            shutil.rmtree(record.folder)
            for folder in self.project.signals.glob(f"{record.id}*"):
                shutil.rmtree(folder)
        shutil.rmtree(self.project.history, ignore_errors=True)


def _copy(stem: Path, state: Path) -> None:
    """Copy a state; models and signals never change, so they are shared where the disk can."""

    def copy(source: str, target: str) -> None:
        if any(part in ("models", "signals") for part in Path(source).relative_to(stem).parts):
            with contextlib.suppress(OSError):
                Path(target).hardlink_to(source)
                return
        shutil.copy2(source, target)

    half = state.with_name(f"{state.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(
        stem, half, copy_function=copy, ignore=shutil.ignore_patterns("lock", ".lock", "lock.json")
    )
    half.rename(state)


def _plain(device: str) -> str:
    from alcli import accelerated

    return accelerated.device_for(device)


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """Keep what each step would say to itself: a simulation takes thousands of them."""
    before = logger.level
    if before > logging.DEBUG or before == logging.NOTSET:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
