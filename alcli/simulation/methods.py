"""What a simulation compares: a strategy with its options, and the parts that say what else happens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alcli import ranking
from alcli.choosing import AUTO
from alcli.errors import UsageError
from alcli.labelling import Check
from alcli.pseudolabelling import Rule
from alcli.request import Request
from alcli.simulation.parts import RELABELS, SELF, Part, converted, objectives, options_of

_REQUESTED: dict[str, type] = {
    "order": str,
    "stochastic": str,
    "beta": float,
    "per_class": int,
    "class_balance": bool,
    "dedup": bool,
    "dedup_threshold": float,
    "candidates": int,
}
_PART = re.compile(r"(?P<name>[a-z0-9-]+)(:(?P<options>[^+]+))?")


@dataclass(frozen=True)
class Method:
    """One way to spend a budget.

    Attributes:
        name: As it was given, such as `badge`, `deepfool:candidates=1000` or `margin+confidence:threshold=0.95`.
        strategy: Which images are taken in each round.
        options: The strategy's own.
        requested: Further fields of the request, such as `candidates`.
        parts: What else happens. With the rule `pseudo` the model labels what is taken, and people nothing; with
            another one people do, and the model labels besides what this rule of `pseudolabel` is sure of, anew in
            every round. Training parts hold for every model of the method, the first one too. A check judges what
            people answer in each round, not the first labels.
    """

    name: str
    strategy: str
    options: Mapping[str, str] = field(default_factory=dict)
    requested: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Method:
        """Read `STRATEGY[:KEY=VALUE,…][+PART[:KEY=VALUE,…]]…`.

        The strategies `ccl` and `vaal` imply the objective of this name, and take its options.

        Raises:
            UsageError: It is not of this form, or names something that does not exist.
        """
        found = [_PART.fullmatch(part.strip()) for part in text.split("+")]
        if not all(found):
            raise UsageError(
                f"--method {text} is not STRATEGY[:KEY=VALUE,…][+PART[:KEY=VALUE,…]]",
                hint="--method margin, --method deepfool:candidates=1000, --method margin+ceal+mixup",
            )
        (strategy, given), *rest = [(part["name"], _pairs(text, part["options"])) for part in found if part]
        try:
            mine = [name for name in _REQUESTED if name in given]
            requested = {name: converted(name, given.pop(name), _REQUESTED[name]) for name in mine}
            parts = [Part.parse(*part) for part in rest]
            known = strategy if strategy == AUTO else ranking.find(strategy).name
            if known in objectives() and not any(part.name == known for part in parts):
                theirs = {name: given.pop(name) for name in options_of(known) if name in given}
                parts.append(Part.parse(known, theirs))
            method = cls(text.replace(" ", ""), known, given, requested, tuple(parts))
            method._check()
        except UsageError as error:
            raise UsageError(f"--method {text}: {error.message}", hint=error.hint) from error
        return method

    def _check(self) -> None:
        """Check that the parts go together, and the request and the rule by themselves."""
        if self.strategy == AUTO and self.options:
            raise UsageError("auto settles its own options; name a strategy to set them")
        self.request(1, 0)
        if (rule := self.pseudo_rule()) is not None:
            rule.check()
        names = [part.name for part in self.parts]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(f"{twice[0]} stands twice")
        self._check_labels()
        self._check_noise_rate()
        owner: dict[str, str] = {}
        for part in self.parts:
            for name in part.fields:
                if name in owner:
                    raise UsageError(f"{owner[name]} and {part.name} exclude each other")
                owner[name] = part.name

    def _check_labels(self) -> None:
        """Check that no two parts settle the same labels."""
        rules = [part.name for part in self.parts if part.kind == "rule" or part.name == RELABELS]
        checks = [part.name for part in self.parts if part.kind == "check"]
        if len(checks) > 1:
            raise UsageError(f"{checks[0]} and {checks[1]} both judge what people answer")
        if checks and not self.asks_people:
            raise UsageError(f"{checks[0]} judges what people answer, and with {SELF} nobody is asked")
        if len(rules) > 1:
            raise UsageError(f"{rules[0]} and {rules[1]} both say what the model labels")

    def _check_noise_rate(self) -> None:
        """Check that co-teaching knows how many labels are wrong: at first no model is there to estimate it with."""
        fields = self.training
        if fields.get("co_teaching") and fields.get("noise_rate") in (None, "auto"):
            raise UsageError(
                "co-teaching needs the share of wrong labels, for the first labels are learned before any model could "
                "estimate it",
                hint=f"--method {self.strategy}+co-teaching:noise_rate=0.3",
            )

    @property
    def asks_people(self) -> bool:
        """Whether people label what is taken."""
        return not any(part.name == SELF for part in self.parts)

    @property
    def guesses(self) -> bool:
        """Whether the model labels anything."""
        return any(part.kind == "rule" or part.name == RELABELS for part in self.parts)

    @property
    def check(self) -> Check | None:
        """How what people answer is judged before it is learned from; None takes it as it is."""
        return next((part.check for part in self.parts if part.check is not None), None)

    def request(self, k: int, seed: int) -> Request:
        """Return what `select` is asked for in each round."""
        return Request(self.strategy, k=str(k), options=self.options, seed=seed, **self.requested)

    def pseudo_rule(self) -> Rule | None:
        """Return the rule by which the model labels besides what people label; None for none."""
        return next((part.rule for part in self.parts if part.rule is not None), None)

    @property
    def training(self) -> dict[str, Any]:
        """The fields of `training.Options` that the parts set, by name."""
        return {name: value for part in self.parts for name, value in part.fields.items()}


def _pairs(text: str, given: str | None) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in (given or "").split(",") if given else ():
        name, equals, value = part.partition("=")
        key = name.strip().replace("-", "_")
        if not key or not equals or not value or key in pairs:
            raise UsageError(f"--method {text}: '{part}' is not KEY=VALUE, each key once")
        pairs[key] = value.strip()
    return pairs
