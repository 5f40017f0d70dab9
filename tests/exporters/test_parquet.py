"""Parquet: what is read back is what was written, types included."""

from __future__ import annotations

import io

import pandas as pd
import pyarrow.parquet as pq
from alcli import rounds
from alcli.exporters.parquet import parquet


def test_the_written_file_reads_back_equal() -> None:
    table = rounds.tabulated(
        strategy="random",
        number=1,
        alcli_id=["x0000000000000001"],
        file_name=["a.jpg"],
        score=[0.5],
        predicted_label=[None],
        confidence=[None],
        reason=["audit"],
    )
    sink = io.BytesIO()
    parquet(table, sink)
    assert pq.read_table(io.BytesIO(sink.getvalue())).equals(table)
    frame = pd.read_parquet(io.BytesIO(sink.getvalue()))
    assert frame.loc[0, ["rank", "file_name", "score", "round", "reason"]].tolist() == [
        1,
        "a.jpg",
        0.5,
        1,
        "audit",
    ]
