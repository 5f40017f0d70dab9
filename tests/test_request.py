"""Requests: how many images `-k` and `--audit` mean, and what is refused."""

from __future__ import annotations

import pytest
from alcli.errors import UsageError
from alcli.request import Request


@pytest.mark.parametrize(
    ("k", "queryable", "images"),
    [
        ("1", 10, 1),
        ("500", 312, 500),
        ("5%", 100, 5),
        ("5%", 101, 6),  # 5.05, rounded up
        ("0.1%", 10, 1),
        ("100%", 7, 7),
        ("7%", 100, 7),  # in floating point 0.07 * 100 is above 7
        ("2.5%", 1000, 25),
    ],
)
def test_k_is_a_number_or_a_share_rounded_up(k: str, queryable: int, images: int) -> None:
    assert Request(k=k).budget(queryable) == images


@pytest.mark.parametrize("k", ["0", "-5", "0%", "-1%", "101%", "five", "5.5", "", "1e3", "5 %", "nan%"])
def test_a_budget_that_is_none_is_refused(k: str) -> None:
    with pytest.raises(UsageError, match="-k"):
        Request(k=k)


@pytest.mark.parametrize(
    ("audit", "k", "images"), [("0%", 100, 0), ("5%", 100, 5), ("1%", 10, 1), ("100%", 3, 3), ("15%", 10, 2)]
)
def test_an_audit_is_at_least_one_image(audit: str, k: int, images: int) -> None:
    assert Request(audit=audit).audits(k) == images  # 1.5 is rounded to 2


@pytest.mark.parametrize("audit", ["5", "-5%", "101%", "some"])
def test_an_audit_that_is_no_share_is_refused(audit: str) -> None:
    with pytest.raises(UsageError, match="--audit"):
        Request(audit=audit)


def test_a_cap_of_none_per_class_is_refused() -> None:
    with pytest.raises(UsageError, match="--per-class 0"):
        Request(per_class=0)


def test_equal_questions_are_equal_records() -> None:
    one = Request(options={"b": "1", "a": 2}).to_dict()
    other = Request(options={"a": "2", "b": "1"}).to_dict()
    assert one == other
    assert one != Request(options={"a": "2"}).to_dict()
