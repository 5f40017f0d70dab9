"""The verdict of a simulation: which method pays, by how much, and whether that can be chance.

Protocol: all complete seeds count and no other; the same seeds, rounds and label budgets on both sides of every
comparison; differences paired by seed, tested by flipping signs, corrected for the number of methods; the last value
of a curve is the last one, never the best. One method, `all labels`, is a line to look up to and no competitor.
"""

from __future__ import annotations

from alcli.verdict.comparing import BASELINE
from alcli.verdict.judging import MethodVerdict, Reference, Verdict, foresee, judge
from alcli.verdict.runs import METRICS, REFERENCE
from alcli.verdict.tabulating import table

__all__ = [
    "BASELINE",
    "METRICS",
    "REFERENCE",
    "MethodVerdict",
    "Reference",
    "Verdict",
    "foresee",
    "judge",
    "table",
]
