"""Pictures of a simulation say what its verdict says."""

from __future__ import annotations

import re
from pathlib import Path

from alcli.simulation.drawing import Drawing
from alcli.verdict import judge

from tests.verdict.tables import results


def test_bars_say_where_only_some_seeds_get_there(tmp_path: Path) -> None:
    """Margin reaches the last 70 % of random in the first of two seeds, entropy in both with 200 labels, bald never."""
    curves = {
        "random": [[0.5, 0.6, 0.7], [0.5, 0.6, 0.7]],
        "margin": [[0.5, 0.7, 0.7], [0.5, 0.6, 0.69]],
        "entropy": [[0.5, 0.7, 0.7], [0.5, 0.7, 0.7]],
        "bald": [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]],
    }
    columns, path = results(curves), tmp_path / "bars.svg"
    Drawing("labels", path).draw(columns, judge(columns))
    said = path.read_text()
    assert said.count("there in 1 of 2") == 1
    assert said.count("not reached") == 1
    assert said.count("200, saves 33 %") == 1


def test_bars_show_what_ups_and_downs_alone_save(tmp_path: Path) -> None:
    """A method that is random by another name needs as many labels as random does to reach its own end."""
    seeds = [[0.5, 0.7, 0.7], [0.5, 0.6, 0.7]]
    columns, path = results({"random": seeds, "random+pseudo": seeds}), tmp_path / "bars.svg"
    Drawing("labels", path).draw(columns, judge(columns))
    said = path.read_text()
    assert re.search(r"250 ± [\d,]+, by ups and downs alone", said)
    assert re.search(r"250 ± [\d,]+, saves 17 %", said)
