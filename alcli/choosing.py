"""From saved signals to the images of a round: which rows, by what score, and what the model guesses."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alcli import inference, models, randomness, ranking
from alcli.errors import InputRejected, StepMissing
from alcli.fingerprint import Fingerprint
from alcli.manifest import Manifest
from alcli.models import ModelRecord
from alcli.project import Project
from alcli.ranking import Plan
from alcli.request import Request
from alcli.signals import SignalStore

Arrays = dict[str, NDArray[Any]]
_GUESS = ("prediction", "confidence")  # the classifier's own


@dataclass(frozen=True)
class Choice:
    """The images of a round, in rank order: those that the strategy ranks, then those drawn for the audit.

    Attributes:
        rows: (k,) rows of the manifest.
        scores: (k,) higher is queried sooner; NaN for audit rows.
        audit: (k,) whether a row was drawn for the audit.
        guesses: k predicted classes; None where nothing is known.
        confidence: (k,) the classifier's probability of that class; NaN where unknown.
        model: Id of the model whose signals were read, if any were.
        options: All parameters of the strategy, with their values.
        signals: Names of the signals that were read for ranking.
        digest: Fingerprint of their values.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    audit: NDArray[np.bool_]
    guesses: list[str | None]
    confidence: NDArray[np.float32]
    model: str | None
    options: dict[str, Any]
    signals: list[str]
    digest: str


@dataclass(frozen=True)
class Chooser:
    """A request, the manifest it is put to, and the signals that can answer it.

    Attributes:
        project: The pool.
        manifest: Its manifest.
        request: What is asked for.
        record: The newest model; None where there is none or the strategy is content without.
        plan: How the strategy reads and ranks signals.
    """

    project: Project
    manifest: Manifest
    request: Request
    record: ModelRecord | None
    plan: Plan

    @classmethod
    def build(cls, project: Project, manifest: Manifest, request: Request) -> Chooser:
        """Find the model and plan how to rank.

        Raises:
            UsageError: The strategy or one of its options is unknown or out of range.
            StepMissing: A model is needed and there is none, or a signal that `score` does not save unasked.
        """
        strategy = ranking.find(request.strategy)
        records = models.all_models(project)
        record = records[-1] if records else None
        store = _store(project, record)
        options = {**request.options, **({"order": request.order} if request.order else {})}
        plan = ranking.plan(
            strategy.name,
            store.shapes if store else (),
            options=options,
            seed=request.seed,
            stochastic=request.stochastic,
            beta=request.beta,
        )
        needs_model = plan.row_signals or plan.labelled_signals or request.per_class
        if needs_model and not record:
            raise StepMissing(
                f"{'--per-class' if request.per_class else strategy.name} goes by what a model says of the "
                "images, and none has been trained on this pool",
                hint=f"{project.command('train')}, or select with --strategy random, which needs no model",
            )
        if record:
            _require_signals(project, record, plan, known=bool(store))
        return cls(project, manifest, request, record, plan)

    @functools.cached_property
    def store(self) -> SignalStore:
        """The newest model's signals; empty where there is no model."""
        return _store(self.project, self.record)

    def unscored(self) -> NDArray[np.int64]:
        """Return the rows that need signals and have none, or have some of an earlier state of their file."""
        audited = self.record and self.request.audits(100)
        if not (self.plan.row_signals or self.plan.labelled_signals or self.request.per_class or audited):
            return np.empty(0, np.int64)
        needed = self.manifest.queryable
        if self.plan.labelled_signals:
            needed = needed | self._teachers
        rows = np.flatnonzero(needed)
        if self.record and self.record.external:
            return rows[self.store.locate_rows(self.manifest.keys, rows) < 0]
        return inference.stale_rows(self.manifest, rows, self.store)

    def choose(self, round_: int) -> Choice:
        """Choose the images of round `round_`; every image that `unscored` names must have been scored."""
        rows = np.flatnonzero(self.manifest.queryable)
        keys = self.manifest.keys[rows]
        count = min(self.request.budget(len(rows)), len(rows))
        drawn = audit_draw(keys, self.request.audits(count), seed=self.request.seed, round_=round_)
        left = np.ones(len(rows), np.bool_)
        left[drawn] = False
        fingerprint = Fingerprint()
        scores = self._scores(keys, fingerprint)
        ranked = self._best(scores, keys, count - len(drawn), np.flatnonzero(left), fingerprint)
        chosen = np.concatenate([ranked, drawn])
        guesses, confidence = self._guesses(rows[chosen])
        audit = np.arange(len(chosen)) >= len(ranked)
        return Choice(
            rows[chosen],
            np.where(audit, np.nan, scores.values[chosen]),
            audit,
            guesses,
            confidence,
            self.record.id if self.record and self.store else None,
            dict(self.plan.options),
            self._read_signals,
            fingerprint.hexdigest(),
        )

    @property
    def _teachers(self) -> NDArray[np.bool_]:
        """(n,) the labelled images that a strategy may learn from; never those held out."""
        return self.manifest.labelled & self.manifest.equals("split", "train") & self.manifest.readable

    @property
    def _classes(self) -> list[str]:
        """Class names that codes stand for: the model's, then those labelled since it was trained."""
        known = self.record.classes if self.record else []
        return [*known, *(name for name in self.manifest.classes if name not in known)]

    @property
    def _read_signals(self) -> list[str]:
        """Names of the signals that the choice depends on."""
        capped = self.plan.prediction_signals if self.request.per_class else ()
        return sorted({*self.plan.row_signals, *self.plan.labelled_signals, *capped})

    def _scores(self, keys: NDArray[np.uint64], fingerprint: Fingerprint) -> ranking.Scores:
        plan, store = self.plan, self.store
        if plan.labelled_signals:
            teachers = np.flatnonzero(self._teachers)
            mine = self.manifest.keys[teachers]
            codes = np.array([self._classes.index(name) for name in self.manifest.classes], np.int32)
            arrays = store.read(plan.labelled_signals, mine)
            fingerprint.add(mine, arrays)
            plan.fit(mine, arrays, codes[self.manifest.label_codes[teachers]], len(self._classes))
        if not plan.row_signals:
            return plan.score(keys, ())
        return plan.score(keys, self._chunks(plan.row_signals, keys, fingerprint))

    def _chunks(
        self, names: Sequence[str], keys: NDArray[np.uint64], fingerprint: Fingerprint
    ) -> Iterator[tuple[NDArray[np.int64], Arrays]]:
        """Read signals chunk by chunk, taking down what was read."""
        for positions, arrays in self.store.chunks(names, keys):
            fingerprint.add(keys[positions], arrays)
            yield positions, arrays

    def _best(
        self,
        scores: ranking.Scores,
        keys: NDArray[np.uint64],
        count: int,
        left: NDArray[np.int64],
        fingerprint: Fingerprint,
    ) -> NDArray[np.int64]:
        """Return the positions of the best `count` of `left`, at most `per_class` of each predicted class."""
        if not self.request.per_class:
            return ranking.top(scores, keys, count, rows=None if len(left) == len(keys) else left)
        order = ranking.top(scores, keys, len(left), rows=left)
        codes = np.empty(len(keys), np.int32)
        for positions, arrays in self._chunks(self._prediction_signals(), keys, fingerprint):
            codes[positions] = self.plan.predictions(keys[positions], arrays)
        return order[occurrence(codes[order]) < self.request.per_class][:count]

    def _prediction_signals(self) -> tuple[str, ...]:
        if not self.plan.prediction_signals:
            raise InputRejected(
                f"the signals in {self.store.folder} do not say which class an image is of",
                hint="--per-class needs probabilities or prediction",
            )
        return self.plan.prediction_signals

    def _guesses(self, rows: NDArray[np.int64]) -> tuple[list[str | None], NDArray[np.float32]]:
        """Return the predicted class of each image and the classifier's probability of it."""
        names: list[str | None] = [None] * len(rows)
        confidence = np.full(len(rows), np.nan, np.float32)
        store = self.store
        if not store or not self.plan.prediction_signals:
            return names, confidence
        keys = self.manifest.keys[rows]
        scored = np.flatnonzero(store.locate_rows(self.manifest.keys, rows) >= 0)
        arrays = store.read(self.plan.prediction_signals, keys[scored])
        codes = self.plan.predictions(keys[scored], arrays)
        confidence[scored] = _confidence(store, keys[scored], codes)
        for position, code in zip(scored, codes, strict=True):
            names[position] = self._classes[code]
        return names, confidence


def audit_draw(keys: NDArray[np.uint64], count: int, *, seed: int, round_: int) -> NDArray[np.int64]:
    """Return the positions of `count` images drawn uniformly without replacement, in order of the draw."""
    return ranking.top(randomness.uniform(seed, f"audit-{round_}", keys), keys, count)


def occurrence(codes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return for each entry how often its value stands before it."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    seen = np.empty(len(codes), np.int64)
    seen[order] = np.arange(len(codes)) - np.searchsorted(ordered, ordered)
    return seen


def _store(project: Project, record: ModelRecord | None) -> SignalStore:
    return SignalStore(record.signals(project) if record else project.signals / "none")


def _confidence(
    store: SignalStore, keys: NDArray[np.uint64], codes: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Return the classifier's probability of class `codes` of each image; NaN where it is not stored."""
    confidence = np.full(len(keys), np.nan, np.float32)
    if all(name in store.shapes for name in _GUESS):
        own = store.read(_GUESS, keys)
        confidence = np.where(codes == own["prediction"], own["confidence"], np.float32(np.nan))
    rest = np.flatnonzero(np.isnan(confidence))
    if len(rest) and "probabilities" in store.shapes:
        probabilities = store.read(["probabilities"], keys[rest])["probabilities"]  # (r, c)
        known = codes[rest] < probabilities.shape[1]
        confidence[rest[known]] = probabilities[known, codes[rest][known]]
    return confidence


def _require_signals(project: Project, record: ModelRecord, plan: Plan, *, known: bool) -> None:
    """Check that scoring with this model gives what the strategy reads.

    Args:
        project: The pool.
        record: The model.
        plan: The strategy's.
        known: Whether the model has scored before, so that what is missing will not come unasked.
    """
    missing = set(plan.missing)
    if record.about.get("embedding") != "none" and not known and not record.external:
        missing.discard("triplet_embeddings")
    if not known:
        missing &= {"mc_probabilities", "triplet_embeddings"}
    if missing:
        raise StepMissing(
            f"{plan.strategy.name} needs {', '.join(sorted(missing))}, which model {record.id} has not given",
            hint=_how_to_get(project, record, sorted(missing)),
        )


def _how_to_get(project: Project, record: ModelRecord, missing: Sequence[str]) -> str:
    if record.external:
        return project.command("score", "--from", "OUTPUTS.parquet")
    if "triplet_embeddings" in missing:
        return project.command("train", "--embedding", "triplet")
    if "mc_probabilities" in missing:
        return project.command("score", "--mc-samples", "20")
    return project.command("score", "--probabilities", "all")
