"""How methods are written on the command line."""

from __future__ import annotations

import pytest
from alcli import ranking, training
from alcli.errors import UsageError
from alcli.labelling import Check
from alcli.pseudolabelling import Rule
from alcli.simulation import Method, parts


def test_every_strategy_is_a_method() -> None:
    for name in ranking.strategies():
        assert Method.parse(name).strategy == name
        assert not Method.parse(f"{name}+pseudo").asks_people


def test_options_go_where_they_belong() -> None:
    method = Method.parse(
        "egl:scope=network,candidates=500,dedup=yes,stochastic=power,beta=2.5,order=uncertain"
    )
    assert method.options == {"scope": "network"}
    assert method.requested == {
        "candidates": 500, "dedup": True, "stochastic": "power", "beta": 2.5, "order": "uncertain",
    }  # fmt: skip
    request = method.request(40, seed=3)
    assert (request.strategy, request.k, request.seed, request.candidates, request.dedup) == (
        "egl",
        "40",
        3,
        500,
        True,
    )


def test_hyphens_and_underscores_are_the_same() -> None:
    assert Method.parse("margin:class-balance=true").requested == {"class_balance": True}
    assert Method.parse("margin:class_balance=true").requested == {"class_balance": True}


def test_a_rule_has_its_own_options() -> None:
    method = Method.parse("margin:candidates=9+triplet-margin:k=50,max-distance-quantile=0.9")
    assert method.pseudo_rule() == Rule("triplet-margin", k=50, max_distance_quantile=0.9)
    assert method.asks_people
    assert Method.parse("margin").pseudo_rule() is None
    assert Method.parse("margin+pseudo").pseudo_rule() is None


def test_ceal_is_the_rule_as_published() -> None:
    rule = Rule("entropy", threshold=0.05, decay="linear", rate=0.0033)
    assert Method.parse("margin+ceal").pseudo_rule() == rule
    assert Method.parse("margin+entropy:threshold=0.05,decay=linear,rate=0.0033").pseudo_rule() == rule
    other = Method.parse("ceal-fusion+ceal:threshold=0.005,decay=cumulative,rate=0.00033,per-class=9")
    assert other.strategy == "ceal-fusion"
    assert other.pseudo_rule() == Rule(
        "entropy", threshold=0.005, decay="cumulative", rate=0.00033, per_class=9
    )


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("random", {}),
        ("margin+ceal", {}),
        ("random+bootstrap-hard", {"loss": "bootstrap-hard", "parameters": {}}),
        (
            "random+bootstrap-soft:beta=0.9,warm-up-epochs=3",
            {"loss": "bootstrap-soft", "parameters": {"beta": "0.9"}, "warm_up_epochs": 3},
        ),
        ("margin+co-teaching:noise-rate=0.45", {"co_teaching": True, "noise_rate": "0.45"}),
        (
            "margin+co-teaching:noise-rate=0.2+mixup:alpha=0.4",
            {"co_teaching": True, "noise_rate": "0.2", "mixup": 0.4},
        ),
        ("margin+label-smoothing:share=0.2", {"label_smoothing": 0.2}),
        ("margin+ceal+refine:by=vote", {"refine_pseudo": "vote"}),
        ("ccl", {"objective": "ccl", "parameters": {}, "model": "autoencoder", "dropout": None}),
        (
            "ccl:form=A,candidates=90",
            {"objective": "ccl", "parameters": {"form": "A"}, "model": "autoencoder", "dropout": None},
        ),
        (
            "random+ccl:tau=0.5",
            {"objective": "ccl", "parameters": {"tau": "0.5"}, "model": "autoencoder", "dropout": None},
        ),
        ("vaal", {"objective": "vaal", "parameters": {}}),
        ("margin+warm-start", {"warm_start": True}),
        (
            "ccl+warm-start",
            {
                "warm_start": True,
                "objective": "ccl",
                "parameters": {},
                "model": "autoencoder",
                "dropout": None,
            },
        ),
        ("random+rad", {}),
    ],
)
def test_training_parts_are_options_of_training(text: str, fields: dict[str, object]) -> None:
    assert Method.parse(text).training == fields
    training.Options(**Method.parse(text).training)  # every field exists


def test_every_part_is_of_one_kind() -> None:
    assert set(parts.kinds()) >= {"pseudo", "ceal", "confidence", "entropy", "triplet-margin"}
    for name, kind in parts.kinds().items():
        own = {
            "confidence": "k=3",
            "entropy": "k=3",
            "triplet-margin": "k=3",
            "co-teaching": "noise-rate=0.2",
        }.get(name)
        method = Method.parse(f"margin+{name}:{own}" if own else f"margin+{name}")
        assert method.guesses == (kind == "rule" or name == "rad-voting")
        assert bool(method.training) == (kind == "training")
        assert bool(method.check) == (kind == "check")


@pytest.mark.parametrize("name", ["confident-learning", "rad", "rad-voting"])
def test_a_check_leaves_out_what_is_in_doubt(name: str) -> None:
    method = Method.parse(f"margin+{name}+mixup")
    assert method.check == Check(name, drop_suspects=True)  # type: ignore[arg-type]  # a name of a method
    assert method.asks_people
    assert method.training == {"mixup": 0.2}
    assert Method.parse("margin+mixup").check is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("margin+rad-active", "asks somebody who is always right"),
        ("margin+rad-slim", "asks somebody who is always right"),
        ("margin+rad:budget=5", "has no option budget"),
        ("margin+rad+rad-voting", "both judge what people answer"),
        ("margin+pseudo+rad", "nobody is asked"),
        ("margin+ceal+rad-voting", "both say what the model labels"),
    ],
)
def test_checks_that_cannot_be(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Method.parse(text)


def test_auto_is_a_method() -> None:
    assert Method.parse("auto").request(10, 0).strategy == "auto"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "margin+",
        "margin+entropy:k=1+confidence:k=1",
        "margin+ceal+pseudo",
        "margin+mixup+mixup",
        "margin+mixup:alpha=0.1+mixup:alpha=0.2",
        "margin+mixup:alpha=much",
        "margin+bootstrap-soft+bootstrap-hard",
        "margin+ccl+bootstrap-hard",
        "vaal+ccl",
        "margin+co-teaching:rate=0.2",
        "margin+co-teaching",
        "margin+co-teaching:noise-rate=auto",
        "margin+ceal:k=5",
        "margin+ceal:rate=-1",
        "margin+ceal:decay=sudden",
        "margin+confidence:threshold=0.9,decay=linear,rate=0.01",
        "margin:",
        "margin:k",
        "margin:=1",
        "margin:beta=",
        "margin:beta=1,beta=2",
        "margin:beta=much",
        "margin:dedup=perhaps",
        "margin:candidates=0",
        "marginal",
        "margin+sure",
        "margin+confidence",
        "margin+confidence:k=1,threshold=0.5",
        "margin+entropy:beta=1",
        "margin+pseudo:k=5",
        "auto:k=5",
        "MARGIN",
    ],
)
def test_what_is_no_method_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Method.parse(text)
