"""How methods are written on the command line."""

from __future__ import annotations

import pytest
from alcli import ranking
from alcli.errors import UsageError
from alcli.pseudolabelling import Rule
from alcli.simulation import Method


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


def test_auto_is_a_method() -> None:
    assert Method.parse("auto").request(10, 0).strategy == "auto"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "margin+",
        "margin+entropy+confidence",
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
