"""Training: fit a classifier and a triplet embedding to the labelled images; they are the newest model then.

Read `run` first, then `loop`, which is where learning happens.
"""

from __future__ import annotations

from alcli.training.job import TrainReport
from alcli.training.options import Options
from alcli.training.recipe import settle
from alcli.training.run import train

__all__ = ["Options", "TrainReport", "settle", "train"]
