"""The table of a simulation on disk."""

from __future__ import annotations

from pathlib import Path

from alcli.simulation import results


def test_a_link_to_a_table_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.parquet").symlink_to(tmp_path / "kept.parquet")
    for count in (1, 2):
        results.write(tmp_path / "link.parquet", [{"method": "margin", "seed": 0}] * count, {"batch": 1})
        assert (tmp_path / "link.parquet").is_symlink()
        columns, experiment = results.read(tmp_path / "kept.parquet")
        assert (columns["method"], experiment) == (["margin"] * count, {"batch": 1})
