"""Options of functions: what a signature declares, what the command line may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from alcli import parameters
from alcli.errors import UsageError


def strategy(
    probabilities: list[float],
    *,
    labels: list[int],
    radius: Annotated[float, parameters.Range(0, 2)] = 0.5,
    steps: int = 3,
    soft: bool = False,
    metric: Literal["l1", "l2"] = "l2",
    prefix: str = "",
) -> None:
    del probabilities, labels, radius, steps, soft, metric, prefix


OPTIONS = parameters.of(strategy)


def test_options_are_the_keywords_with_a_default() -> None:
    assert list(OPTIONS) == ["radius", "steps", "soft", "metric", "prefix"]


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("radius", "2", 2.0),
        ("radius", 1, 1.0),
        ("steps", "7", 7),
        ("steps", 7.0, 7),
        ("soft", "yes", True),
        ("soft", False, False),
        ("metric", "l1", "l1"),
        ("prefix", "a b", "a b"),
    ],
)
def test_values_are_converted(name: str, given: Any, value: Any) -> None:
    converted = parameters.settle("s", OPTIONS, {name: given})[name]
    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("radius", "2.5", "radius is '2.5'; it must be a number from 0 to 2"),
        ("radius", "nan", "it must be a number from 0 to 2"),
        ("radius", None, "it must be a number from 0 to 2"),
        ("steps", "3.5", "steps is '3.5'; it must be a whole number"),
        ("steps", 3.5, "steps is 3.5; it must be a whole number"),
        ("steps", True, "it must be a whole number"),
        ("soft", "perhaps", "soft is 'perhaps'; it must be true or false"),
        ("metric", "l3", "metric is 'l3'; it must be l1 or l2"),
        ("metrik", "l1", "unknown option of s 'metrik'; did you mean metric"),
    ],
)
def test_illegal_values(name: str, given: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parameters.settle("s", OPTIONS, {name: given})


def test_pairs_are_cut_at_the_first_equals_sign() -> None:
    assert parameters.pairs(["beta=0.8", "name=a=b", "empty="]) == {"beta": "0.8", "name": "a=b", "empty": ""}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["beta"], "--option beta is not KEY=VALUE"),
        (["=0.8"], "--option =0.8 is not KEY=VALUE"),
        (["beta=1", "beta=2"], "--option beta is given twice"),
    ],
)
def test_pairs_that_are_none(given: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parameters.pairs(given, hint="see there")
