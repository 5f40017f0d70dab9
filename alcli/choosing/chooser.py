"""A request put to a manifest and to signals: it says what must be scored first, and then chooses."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alcli import models, quotas, ranking, rounds
from alcli.choosing import automatic, relabelling, requirements
from alcli.choosing import field as fields
from alcli.choosing.choice import AUDIT, Choice
from alcli.choosing.field import Field
from alcli.choosing.source import Source
from alcli.errors import InputRejected, UsageError
from alcli.fingerprint import Fingerprint
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.ranking import Plan
from alcli.request import Request
from alcli.signals import SignalStore
from alcli.strategies._batch import RANK, Batch, Size
from alcli.strategies._inputs import PROBED

Arrays = dict[str, NDArray[Any]]
Positions = NDArray[np.int64]
Floats = NDArray[np.float64]

# What any trained model's scoring gives, so that `auto` can count on it before it has scored.
_ALWAYS = ("probabilities", "margin", "confidence", "entropy", "prediction", "embeddings")


@dataclass(frozen=True)
class Chooser:
    """A request, the pool that it is put to, and how the strategy answers it.

    Attributes:
        source: The manifest, the newest model and its signals.
        request: What is asked for.
        plan: How the strategy reads and ranks signals.
        because: Why `auto` chose this strategy; None where it was named.
        probe: The signal that a network must be differentiated for, candidate by candidate; None for none.
    """

    source: Source
    request: Request
    plan: Plan
    because: str | None
    probe: str | None

    @classmethod
    def build(cls, project: Project, manifest: Manifest, request: Request, *, device: str = "cpu") -> Chooser:
        """Find the model and plan how to rank.

        Raises:
            UsageError: The strategy or one of its options is unknown or out of range, or the pool too large
                for it.
            StepMissing: A model is needed and there is none, or a signal that `score` does not save unasked.
        """
        source = Source.of(project, manifest)
        record = source.record
        name, because = _resolved(source, request)
        plan = ranking.plan(
            name,
            source.shapes,
            options={**request.options, **({"order": request.order} if request.order else {})},
            seed=request.seed,
            stochastic=request.stochastic,
            beta=request.beta,
        )
        if request.relabel:
            requirements.require_relabelling(project, record, plan, list(source.shapes))
        if not record and (
            plan.row_signals or plan.labelled_signals or plan.model_inputs or request.by_class
        ):
            raise requirements.model_missing(project, request.by_class or name)
        probed = [signal for signal in plan.missing if signal in PROBED and record and not record.external]
        chooser = cls(source, request, plan, because, probed[0] if probed else None)
        if record:
            requirements.require_signals(
                project, manifest, record, plan, known=bool(source.store), probed=probed
            )
            plan.know(device=device, **models.head(record, plan.model_inputs))
        chooser._check_size()
        return chooser

    @property
    def candidates(self) -> NDArray[np.bool_]:
        """(n,) which images of the manifest may be chosen."""
        return fields.candidates(self.source.manifest, self.request)

    def unscored(self) -> Positions:
        """Return the rows that need signals and have none, or have some of an earlier state of their file."""
        plan, request, source = self.plan, self.request, self.source
        audited = source.record and request.audits(100)
        compares = bool(plan.labelled_signals) or request.relabel
        compares |= request.dedup and source.record is not None
        if not (plan.row_signals or compares or request.by_class or audited):
            return np.empty(0, np.int64)
        needed = self.candidates
        if compares:
            needed[source.teachers] = True
        return source.stale(np.flatnonzero(needed))

    def unprobed(self) -> Positions:
        """Return the candidates that lack the signal `probe`; all of them have been scored."""
        field = self.field(self.source.manifest.round + 1, Fingerprint())
        return self.source.stale(field.rows[field.eligible], self._probe_store)

    def choose(self, round_: int) -> Choice:
        """Choose the images of round `round_`; every image that `unscored` names must have been scored."""
        source, fingerprint = self.source, Fingerprint()
        field = self.field(round_, fingerprint)
        batch, ranked = self._batch(field, fingerprint)
        positions = np.concatenate([batch.rows, field.drawn])
        rows = field.rows[positions]
        audits = len(field.drawn)
        guesses, confidence = source.guesses(self.plan, rows)
        compared = "embeddings" in self.plan.row_signals
        unknown: list[Any] = [None] * len(rows)
        return Choice(
            rows=rows,
            scores=np.concatenate([batch.scores, np.full(audits, np.nan)]),
            ranked=ranked,
            reasons=[*self._reasons(batch, rows[: len(batch.rows)]), *[AUDIT] * audits],
            clusters=unknown if batch.clusters is None else [*batch.clusters.tolist(), *[None] * audits],
            guesses=guesses,
            confidence=confidence,
            nearest_labelled=source.nearest_names(rows, source.examples) if compared else unknown,
            duplicates=field.listed(source.manifest, positions),
            stepped_back=len(field.doubles),
            model=source.record.id if source.record and source.store else None,
            signals=sorted(fingerprint.names),
            digest=fingerprint.hexdigest(),
            quality=dict(batch.quality),
            approximations=[*field.approximations, *batch.approximations],
        )

    def field(self, round_: int, fingerprint: Fingerprint) -> Field:
        """Settle who may be chosen in round `round_`, taking down what was read for it."""
        request, source = self.request, self.source
        start = fields.begin(source.manifest, request, round_)
        field = fields.deduplicated(start, source, request, fingerprint) if request.dedup else start
        by_default = fields.candidates_by_default(field.count) if self.probe else None
        limit = request.candidates or by_default
        if limit is None:
            return field
        by_margin = not ranking.plan("margin", source.shapes).missing
        by = self.plan.strategy.candidates if by_margin else "random"
        return fields.narrowed(field, limit, by, functools.partial(self._ordered, by, fingerprint))

    def scores(self, field: Field, fingerprint: Fingerprint) -> ranking.Scores:
        """Score the eligible, each by itself; where some have a label, all of them by the judge of labels."""
        self._fit(fingerprint)
        keys = field.keys if field.whole else field.keys[field.eligible]
        labelled = self.source.manifest.labelled[field.rows[field.eligible]]
        if not labelled.any():
            return self._scored(keys, fingerprint)
        judged = relabelling.judge(self.source, fingerprint, seed=self.request.seed)
        self.plan.options |= {n: v for n, v in judged.options.items() if n not in self.request.options}
        values = np.empty(len(keys))
        chunks = self._chunks(["embeddings"], keys[~labelled], fingerprint)
        values[~labelled] = self.plan.score(keys[~labelled], judged.probabilities(chunks)).values
        at = np.searchsorted(judged.rows, field.rows[field.eligible][labelled])
        known = judged.opinions
        values[labelled] = self.plan.score_again(known.quality[at], known.weights[at], judged.classes)
        return ranking.Scores(values)

    def _scored(self, keys: NDArray[np.uint64], fingerprint: Fingerprint) -> ranking.Scores:
        """Score images by their signals, each by itself."""
        if not self.plan.row_signals:
            return self.plan.score(keys, ())
        return self.plan.score(keys, self._chunks(self.plan.row_signals, keys, fingerprint))

    def _reasons(self, batch: Batch, rows: Positions) -> list[str]:
        """Return the word for each image of a batch: labelled ones are to be labelled again."""
        again = self.source.manifest.labelled[rows]
        words = batch.reasons or [RANK] * len(rows)
        return [rounds.AGAIN if has_label else word for word, has_label in zip(words, again, strict=True)]

    @functools.cached_property
    def _probe_store(self) -> SignalStore:
        project = self.source.project
        return SignalStore(models.newest(project).probed(project, str(self.probe)))

    def _check_size(self) -> None:
        source, request = self.source, self.request
        queryable = int(self.candidates.sum())
        rows = min(queryable, request.candidates or queryable)
        width = source.shapes.get("embeddings", (0,))[-1]
        k = min(request.budget(queryable), rows)
        self.plan.check(Size(rows, k, len(source.teachers), len(source.classes), width))
        requirements.require_memory(self.plan, source.shapes, rows)

    def _ordered(self, by: str, fingerprint: Fingerprint, keys: NDArray[np.uint64]) -> Positions:
        """Return the positions of `keys` ranked by another strategy, best first."""
        source = self.source
        plan = ranking.plan(by, source.shapes, seed=self.request.seed)
        chunks = self._chunks(plan.row_signals, keys, fingerprint) if plan.row_signals else ()
        scores = plan.score(keys, chunks)
        return ranking.top(scores, keys, len(keys))

    def _batch(self, field: Field, fingerprint: Fingerprint) -> tuple[Batch, Floats | None]:
        """Rank or pick the eligible.

        Returns:
            The batch, whose rows are positions in the field; and the scores of all that were ranked.
        """
        quota = self._quota(field, fingerprint)
        if self.plan.strategy.kind == "pointwise":
            scores = self.scores(field, fingerprint)
            return self._best(field, quota, scores).at(field.eligible), scores.values
        self._fit(fingerprint)
        keys = field.keys[field.eligible]
        chunks = self._chunks(self.plan.row_signals, keys, fingerprint) if self.plan.row_signals else ()
        gathered = self.plan.gather(keys, chunks)
        batch = gathered.pick(field.count) if quota is None else gathered.pick_by_class(*quota)
        return batch.at(field.eligible), None

    def _best(
        self, field: Field, quota: tuple[NDArray[np.int32], Positions] | None, scores: ranking.Scores
    ) -> Batch:
        """Return the best of the eligible, where each is scored by itself."""
        keys = field.keys[field.eligible]
        if quota is None:
            best = ranking.top(scores, keys, field.count)
        else:
            codes, limits = quota
            order = ranking.top(scores, keys, len(keys))
            best = order[quotas.occurrence(codes[order]) < limits[codes[order]]][: field.count]
        return Batch(best, scores.values[best])

    def _quota(self, field: Field, fingerprint: Fingerprint) -> tuple[NDArray[np.int32], Positions] | None:
        """Return the predicted class of each eligible image, and how many of each class may be chosen."""
        request, source = self.request, self.source
        if not request.by_class:
            return None
        if not self.plan.prediction_signals:
            raise InputRejected(
                f"the signals in {source.store.folder} do not say which class an image is of",
                hint=f"{request.by_class} needs probabilities or prediction",
            )
        keys = field.keys[field.eligible]
        codes = np.empty(len(keys), np.int32)
        for positions, arrays in self._chunks(self.plan.prediction_signals, keys, fingerprint):
            codes[positions] = self.plan.predictions(keys[positions], arrays)
        available = np.bincount(codes, minlength=len(source.classes))
        if request.per_class:
            available = np.minimum(available, request.per_class)
        if request.class_balance:
            have = np.bincount(source.teacher_codes, minlength=len(available))
            return codes, quotas.level(have, available, field.count)
        together = self.plan.strategy.kind == "batch"
        return codes, quotas.level(available * 0, available, field.count) if together else available

    def _fit(self, fingerprint: Fingerprint) -> None:
        """Let the strategy learn of the labelled images what it needs."""
        plan, source = self.plan, self.source
        if not (plan.labelled_signals or plan.needs_labels):
            return
        keys = source.manifest.keys[source.teachers]
        arrays = source.store.read(plan.labelled_signals, keys) if plan.labelled_signals else {}
        fingerprint.add(keys, arrays)
        plan.fit(keys, arrays, source.teacher_codes, len(source.classes))

    def _chunks(
        self, names: Sequence[str], keys: NDArray[np.uint64], fingerprint: Fingerprint
    ) -> Iterator[tuple[Positions, Arrays]]:
        """Read signals chunk by chunk, taking down what was read."""
        store = self._probe_store if self.probe in names else self.source.store
        for positions, arrays in store.chunks(names, keys):
            fingerprint.add(keys[positions], arrays)
            yield positions, arrays


def _resolved(source: Source, request: Request) -> tuple[str, str | None]:
    """Return the strategy's name, and why `auto` chose it."""
    if request.strategy != automatic.AUTO:
        return ranking.find(request.strategy).name, None
    if request.options or request.order:
        raise UsageError("--strategy auto settles its own options; name a strategy to set them")
    record = source.record
    available = source.shapes or (_ALWAYS if record and not record.external else ())
    codes = source.teacher_codes
    k = request.budget(int(source.manifest.queryable.sum()))
    return automatic.resolve(available, labelled=len(codes), classes=len(np.unique(codes)), k=k)
