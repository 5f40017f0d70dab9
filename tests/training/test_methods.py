"""Parameters of losses, objectives and the rest: whose they are, and what may be said."""

from __future__ import annotations

from typing import Any

import pytest
from alcli.errors import UsageError
from alcli.training import Options, methods


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {}),
        ({"loss": "bootstrap-soft"}, {"beta": 0.95}),
        ({"loss": "bootstrap-hard", "parameters": {"beta": "0.5"}}, {"beta": 0.5}),
        ({"loss": "bootstrap-reconstruction"}, {"beta": 0.005}),
        ({"co_teaching": True, "parameters": {"ramp": "5"}}, {"ramp": 5}),
        (
            {"refine_pseudo": "vote", "parameters": {"epsilon": "0.6"}},
            {"epsilon": 0.6, "history": 10, "r_a": 0.8, "r_h": 0.4},
        ),
        ({"co_teaching": True, "loss": "bootstrap-hard"}, {"beta": 0.8, "ramp": 10}),
    ],
)
def test_parameters_are_converted_and_filled_in(options: dict[str, Any], expected: dict[str, Any]) -> None:
    assert methods.settle(Options(**options)) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "bootstrap-heart"}, "unknown --loss 'bootstrap-heart'; did you mean bootstrap-hard"),
        ({"loss": "triplet"}, "unknown --loss 'triplet'"),
        ({"objective": "clasifier"}, "unknown --objective 'clasifier'; did you mean classifier"),
        ({"parameters": {"beta": "0.8"}}, "unknown option of cross-entropy 'beta'"),
        (
            {"loss": "bootstrap-hard", "parameters": {"bata": "1"}},
            "option of bootstrap-hard 'bata'; did you mean beta",
        ),
        (
            {"loss": "bootstrap-hard", "parameters": {"beta": "2"}},
            "beta is '2'; it must be a number from 0 to 1",
        ),
        ({"co_teaching": True, "parameters": {"ramp": "0"}}, "ramp is '0'; it must be a whole number from 1"),
    ],
)
def test_what_cannot_be_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        methods.settle(Options(**options))
