"""From saved signals to the images of a round: who may be chosen, by what rank, and what is said of each."""

from __future__ import annotations

from alcli.choosing.automatic import AUTO
from alcli.choosing.choice import Choice
from alcli.choosing.chooser import Chooser
from alcli.choosing.field import audit_draw, candidates

__all__ = ["AUTO", "Choice", "Chooser", "audit_draw", "candidates"]
