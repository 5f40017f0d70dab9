"""What several annotators and a model come to together: CROWDLAB and the weights of ActiveLab.

CROWDLAB (Goh, Tkachenko & Mueller, 2022, arXiv:2210.06812) weighs every annotator by how often others agree with
them, and the model as one more voice; ActiveLab (Goh & Mueller, 2023, arXiv:2301.11856) builds on the same
weights. The numbers are those of cleanlab 2.9, whose work grows with rows times annotators times classes; here it
grows with rows times classes and with the votes that were cast, and nothing is drawn by lot.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alcli import uncertainty
from alcli.quality import temperature as temperatures
from alcli.quality.votes import Answers, Votes

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

_LEAST = 1e-6  # an annotator's and the model's weight, and the error of always naming the commonest class
_DECIMALS = 10  # probabilities that differ by less differ by rounding only: they tie


class Opinions(NamedTuple):
    """How far labels, annotators and the model can be trusted.

    Attributes:
        quality: (n,) the probability that the consensus about a row is right.
        weights: (n,) summed weights of the annotators of each row.
        annotators: (m,) weight of each annotator, at least 1e-6.
        model: Weight of the model, at least 1e-6.
        temperature: By which the model's probabilities were divided in the logarithm.
    """

    quality: Floats
    weights: Floats
    annotators: Floats
    model: float
    temperature: float


def crowdlab(votes: Votes, probabilities: Floats) -> Codes:
    """Return the label of each row that is likeliest right, among those that annotators gave.

    Where CROWDLAB would overrule all annotators of a row by the model alone, the likeliest of their labels
    stands: a label is what a person said. Equally likely labels go to the smaller code.

    Args:
        votes: About n rows.
        probabilities: (n, c) of a model that was not fitted on these rows.

    Returns:
        (n,) class codes.
    """
    classes = probabilities.shape[1]
    answers = votes.answers(classes)
    if classes < 2 or not votes.several.any():
        return answers.best()
    crowd = _Crowd(votes, answers, probabilities, temperature=1.0)
    likely = crowd.quality(crowd.settled(), answers.rows, answers.codes)
    return answers.best(np.round(likely, _DECIMALS))


def opinions(votes: Votes, probabilities: Floats) -> Opinions:
    """Weigh annotators and the model as ActiveLab does.

    Where no row has two answers, nothing can be weighed: all weights and the temperature are 1, and the quality
    of a label is its probability.

    Args:
        votes: About n rows.
        probabilities: (n, c) of models that were not fitted on the rows that they judge.
    """
    n, classes = probabilities.shape
    answers, counts = votes.answers(classes), votes.counts.astype(np.float64)
    if classes < 2 or not votes.several.any():
        quality = probabilities[np.arange(n), answers.best()]
        return Opinions(quality, counts, np.ones(int(votes.people.max(initial=-1)) + 1), 1.0, 1.0)
    temperature = temperatures.fit(votes, probabilities)
    crowd = _Crowd(votes, answers, probabilities, temperature)
    weights = crowd.settled()
    return Opinions(
        quality=crowd.quality(weights, np.arange(n), weights.consensus),
        weights=votes.per_row(weights.annotators[votes.people]),
        annotators=weights.annotators,
        model=weights.model,
        temperature=temperature,
    )


class _Weights(NamedTuple):
    """What each voice weighs, given what rows are taken for.

    Attributes:
        consensus: (n,) that class.
        annotators: (m,)
        model: Of the model.
        right: The share of a row's annotators who name its class, where a row has several; their likelihood to.
    """

    consensus: Codes
    annotators: Floats
    model: float
    right: float


class _Crowd:
    """Annotators and a model who judge the same n rows."""

    def __init__(self, votes: Votes, answers: Answers, probabilities: Floats, temperature: float) -> None:
        self.votes = votes
        self.answers = answers
        self.probabilities = probabilities
        self.temperature = temperature
        self.guesses = probabilities.argmax(axis=1)
        self.agreement = _agreement(votes, answers)

    def settled(self) -> _Weights:
        """Weigh by the majority, and then by what these weights take each row for: CROWDLAB's two rounds."""
        first = self.weights(self.majority())
        likeliest = first.consensus.copy()
        for block, posterior in self.posteriors(first):
            rounded = np.round(posterior, _DECIMALS)
            best = rounded == rounded.max(axis=1, keepdims=True)
            alone = best.sum(axis=1) == 1
            likeliest[block][alone] = best[alone].argmax(axis=1)
        return self.weights(likeliest)

    def majority(self) -> Codes:
        """Return (n,) the class that most annotators name.

        Of equals the model's favourite, then the class that is named less often overall, then that of the
        annotators who are more often with the majority, then the smaller.
        """
        votes, answers = self.votes, self.answers
        most = answers.voices == np.maximum.reduceat(answers.voices, answers.starts)[answers.rows]
        clear = (np.add.reduceat(most, answers.starts, dtype=np.int64) == 1)[votes.rows]
        trust = _shares(votes.per_person(clear & most[answers.of]), votes.per_person(clear))
        backing = np.bincount(answers.of, trust[votes.people]) / answers.voices
        favour = self.probabilities[answers.rows, answers.codes]
        rarity = -np.bincount(votes.codes)[answers.codes]
        return answers.best(answers.voices, favour, rarity, np.round(backing, _DECIMALS))

    def weights(self, consensus: Codes) -> _Weights:
        """Weigh everybody by how much better they do than always naming the commonest class."""
        votes, several = self.votes, self.votes.several
        right = votes.per_row(votes.codes == consensus[votes.rows]) / votes.counts
        labels = consensus[several]
        chance = max(float((labels != np.bincount(labels).argmax()).mean()), _LEAST)
        wrong = float((self.guesses[several] != labels).mean())
        return _Weights(
            consensus,
            np.maximum(1 - (1 - self.agreement) / chance, _LEAST),
            max(1 - wrong / chance, _LEAST) * float(np.sqrt(votes.counts.mean())),
            float(right[several].mean()),
        )

    def posteriors(self, weights: _Weights) -> Iterator[tuple[slice, Floats]]:
        """Yield, block by block of rows, (b, c) how likely each class is, all voices weighed together."""
        votes = self.votes
        wrong = (1 - weights.right) / (self.probabilities.shape[1] - 1)
        for block in uncertainty.blocks(*self.probabilities.shape):
            posterior = uncertainty.tempered(self.probabilities[block], self.temperature) * weights.model
            mine, at = votes.within(block)
            cast = weights.annotators[votes.people[mine]]
            summed = np.bincount(at, cast)[:, None]
            posterior += wrong * summed
            np.add.at(posterior, (at, votes.codes[mine]), cast * (weights.right - wrong))
            yield block, posterior / (summed + weights.model)

    def quality(self, weights: _Weights, rows: Codes, codes: Codes) -> Floats:
        """Return (q,) how likely class `codes` of row `rows` is; rows ascend."""
        found = np.empty(len(rows))
        for block, posterior in self.posteriors(weights):
            first, last = np.searchsorted(rows, [block.start, block.stop]).tolist()
            found[first:last] = posterior[rows[first:last] - block.start, codes[first:last]]
        return found


def _agreement(votes: Votes, answers: Answers) -> Floats:
    """Return (m,) the share of others, of all who answered the same rows, who say the same as each annotator."""
    same = answers.voices[answers.of] - 1
    return _shares(votes.per_person(same), votes.per_person(votes.counts[votes.rows] - 1))


def _shares(parts: Floats, wholes: Floats) -> Floats:
    """Return parts / wholes; for an annotator who has nothing to compare, the mean of the others."""
    known = wholes > 0
    shares = np.divide(parts, wholes, out=np.zeros(len(wholes)), where=known)
    shares[~known] = shares[known].mean() if known.any() else 0.0
    return shares
