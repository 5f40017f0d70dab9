"""What a method does besides choosing: the parts after the `+`, each of a kind.

A `rule` says what the model labels by itself, a `training` part how models are trained, a `check` how deliveries are
judged before they are learned from. Another kind needs its name here, its options in `options_of`, and somebody in
`running` who asks the method for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from alcli import networks, parameters, plugins
from alcli.auditing import METHODS
from alcli.auditing import Method as Audit
from alcli.errors import UsageError
from alcli.labelling import Check
from alcli.pseudolabelling import Rule
from alcli.pseudolabelling.judging import Method as RuleName
from alcli.training import methods as trainings

Kind = Literal["rule", "training", "check"]
SELF = "pseudo"  # the strategy's own picks are labelled by the model instead of by people
CEAL = "ceal"
_RULES: list[str] = [SELF, CEAL, *get_args(RuleName)]
_RULED: dict[str, type] = {
    "k": int,
    "threshold": float,
    "per_class": int,
    "max_distance_quantile": float,
    "decay": str,
    "rate": float,
}
# As published for CACD (Wang et al., 2017, arXiv:1701.03551); nats.
_CEAL: dict[str, Any] = {"threshold": 0.05, "decay": "linear", "rate": 0.0033}
# By part: the fields of `training.Options` that it sets, and its own options with the fields that these set.
_FIELDS: dict[str, tuple[dict[str, Any], dict[str, tuple[str, type]]]] = {
    "co-teaching": ({"co_teaching": True}, {"noise_rate": ("noise_rate", str)}),
    "label-smoothing": ({"label_smoothing": 0.1}, {"share": ("label_smoothing", float)}),
    "mixup": ({"mixup": 0.2}, {"alpha": ("mixup", float)}),
    "refine": ({"refine_pseudo": "mean"}, {"by": ("refine_pseudo", str)}),
    "warm-start": ({"warm_start": True}, {}),
}
_ORACLES = (
    "rad-active",
    "rad-slim",
)  # ask somebody who is always right, and in a simulation that costs nothing
_CHECKS = [name for name in METHODS if name not in _ORACLES]
RELABELS = "rad-voting"  # the check that puts labels of its own in the place of people's
# What an objective settles by itself, whatever the other methods' models are.
_SETTLED: dict[str, dict[str, Any]] = {"ccl": {"model": networks.AUTOENCODER, "dropout": None}}
_WARM_UP: dict[str, type] = {"warm_up_epochs": int}  # of every loss


@dataclass(frozen=True)
class Part:
    """One part of a method.

    Attributes:
        name: As it was given.
        kind: What it is about.
        options: Its own, converted.
    """

    name: str
    kind: Kind
    options: Mapping[str, Any]

    @classmethod
    def parse(cls, name: str, given: Mapping[str, str]) -> Part:
        """Read a part.

        Args:
            name: As given.
            given: Its options as given, by name with underscores.

        Raises:
            UsageError: There is no such part, it has no such option, or a value is of the wrong type.
        """
        if name in _ORACLES:
            raise UsageError(
                f"{name} asks somebody who is always right, and a simulation would not count what that costs",
                hint=f"checks that ask nobody: {', '.join(_CHECKS)}",
            )
        if name not in (known := kinds()):
            raise UsageError(plugins.unknown("part", name, list(known)), hint=f"one of: {', '.join(known)}")
        legal = options_of(name)
        strange = sorted(set(given) - set(legal))
        if strange:
            raise UsageError(f"{name} has no option {strange[0]}")
        return cls(name, known[name], {key: converted(key, given[key], legal[key]) for key in given})

    @property
    def rule(self) -> Rule | None:
        """The rule of `pseudolabel`; None where the part is none, or where the picks themselves are labelled."""
        if self.kind != "rule" or self.name == SELF:
            return None
        if self.name == CEAL:
            return Rule("entropy", **{**_CEAL, **self.options})
        return Rule(cast("RuleName", self.name), **self.options)

    @property
    def check(self) -> Check | None:
        """How deliveries are judged: what is in doubt is left out; None where the part is no check."""
        if self.kind != "check":
            return None
        return Check(cast("Audit", self.name), drop_suspects=True)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of `training.Options` that the part sets, by name."""
        if self.kind != "training":
            return {}
        if self.name in _FIELDS:
            implied, own = _FIELDS[self.name]
            return implied | {own[key][0]: value for key, value in self.options.items()}
        what = "loss" if self.name in _losses() else "objective"
        warm_up = {key: value for key, value in self.options.items() if key in _WARM_UP}
        rest = {key: value for key, value in self.options.items() if key not in _WARM_UP}
        return {what: self.name, "parameters": rest, **warm_up, **_SETTLED.get(self.name, {})}


def kinds() -> dict[str, Kind]:
    """Return the kind of every part there is, by name."""
    trained = [*_losses(), *objectives(), *_FIELDS]
    return {
        **dict.fromkeys(_RULES, "rule"),
        **dict.fromkeys(trained, "training"),
        **dict.fromkeys(_CHECKS, "check"),
    }


def objectives() -> list[str]:
    """Return the objectives that a method may have instead of the classifier's."""
    return [name for name in plugins.names("alcli.training.objectives") if name != "classifier"]


def converted(name: str, value: str, kind: type) -> Any:
    """Return an option's value as `kind`.

    Raises:
        UsageError: It is none.
    """
    return parameters.Option(name, kind, None).convert(value)


def _losses() -> list[str]:
    return [name for name in plugins.names("alcli.losses.classification") if name != "cross-entropy"]


def options_of(name: str) -> dict[str, type]:
    """Return the types of a part's options; those of losses and objectives stay texts, which training reads."""
    if name in _RULES:
        return (
            {} if name == SELF else {key: kind for key, kind in _RULED.items() if name != CEAL or key != "k"}
        )
    if name in _CHECKS:
        return {}
    if name in _FIELDS:
        return {key: kind for key, (_, kind) in _FIELDS[name][1].items()}
    function = trainings.find_loss(name) if name in _losses() else trainings.find_objective(name)
    return {**dict.fromkeys(parameters.of(function), str), **(_WARM_UP if name in _losses() else {})}
