"""What a simulation compares: a strategy with its options, and what becomes of images that nobody labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast, get_args

from alcli import plugins, ranking
from alcli.choosing import AUTO
from alcli.errors import UsageError
from alcli.pseudolabelling import Rule
from alcli.pseudolabelling.judging import Method as RuleName
from alcli.request import Request

SELF = "pseudo"  # the strategy's own picks are labelled by the model instead of by people
RULES: list[str] = [SELF, *get_args(RuleName)]
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
_RULED: dict[str, type] = {"k": int, "threshold": float, "per_class": int, "max_distance_quantile": float}
_PART = re.compile(r"(?P<name>[a-z0-9-]+)(:(?P<options>[^+]+))?")


@dataclass(frozen=True)
class Method:
    """One way to spend a budget.

    Attributes:
        name: As it was given, such as `badge`, `deepfool:candidates=1000` or `margin+confidence:threshold=0.95`.
        strategy: Which images are taken in each round.
        options: The strategy's own.
        requested: Further fields of the request, such as `candidates`.
        rule: None: people label what is taken. `pseudo`: the model does, and people nothing. Else people do, and
            the model labels besides what this rule of `pseudolabel` is sure of, anew in every round.
        ruled: The rule's own options.
    """

    name: str
    strategy: str
    options: Mapping[str, str] = field(default_factory=dict)
    requested: Mapping[str, Any] = field(default_factory=dict)
    rule: str | None = None
    ruled: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Method:
        """Read `STRATEGY[:KEY=VALUE,…][+RULE[:KEY=VALUE,…]]`.

        Raises:
            UsageError: It is not of this form, or names something that does not exist.
        """
        parts = [_PART.fullmatch(part.strip()) for part in text.split("+")]
        if len(parts) > 2 or not all(parts):
            raise UsageError(
                f"--method {text} is not STRATEGY[:KEY=VALUE,…][+RULE[:KEY=VALUE,…]]",
                hint="--method margin, --method deepfool:candidates=1000, --method triplet-margin+pseudo",
            )
        (strategy, given), *ruled = [(part["name"], _pairs(text, part["options"])) for part in parts if part]
        mine = [name for name in _REQUESTED if name in given]
        requested = {name: _converted(text, name, given.pop(name), _REQUESTED[name]) for name in mine}
        rule, extra = ruled[0] if ruled else (None, {})
        if rule is not None and rule not in RULES:
            raise UsageError(plugins.unknown("rule", rule, RULES), hint=f"one of: {', '.join(RULES)}")
        strange = sorted(set(extra) - set(_RULED if rule != SELF else ()))
        if strange:
            raise UsageError(f"--method {text}: {rule} has no option {strange[0]}")
        values = {name: _converted(text, name, value, _RULED[name]) for name, value in extra.items()}
        known = strategy if strategy == AUTO else ranking.find(strategy).name
        method = cls(text.replace(" ", ""), known, given, requested, rule, values)
        if known == AUTO and given:
            raise UsageError(f"--method {text}: auto settles its own options; name a strategy to set them")
        method.request(1, 0)
        if (own := method.pseudo_rule()) is not None:
            own.check()
        return method

    @property
    def asks_people(self) -> bool:
        """Whether people label what is taken."""
        return self.rule != SELF

    def request(self, k: int, seed: int) -> Request:
        """Return what `select` is asked for in each round."""
        return Request(self.strategy, k=str(k), options=self.options, seed=seed, **self.requested)

    def pseudo_rule(self) -> Rule | None:
        """Return the rule by which the model labels besides what people label; None for none."""
        if self.rule is None or self.rule == SELF:
            return None
        return Rule(cast("RuleName", self.rule), **self.ruled)


def _pairs(text: str, given: str | None) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in (given or "").split(",") if given else ():
        name, equals, value = part.partition("=")
        key = name.strip().replace("-", "_")
        if not key or not equals or not value or key in pairs:
            raise UsageError(f"--method {text}: '{part}' is not KEY=VALUE, each key once")
        pairs[key] = value.strip()
    return pairs


def _converted(text: str, name: str, value: str, kind: type) -> Any:
    if kind is bool:
        known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if value.lower() in known:
            return known[value.lower()]
    else:
        try:
            return kind(value)
        except ValueError:
            pass
    raise UsageError(f"--method {text}: {name}={value} is no {kind.__name__}")
