"""CSV as RFC 4180 has it, with cells that no spreadsheet runs."""

from __future__ import annotations

import csv as csv_module
import io
from typing import Any

import pyarrow as pa
import pytest
from alcli import rounds
from alcli.exporters.csv import csv


def table(file_names: list[str], **columns: Any) -> pa.Table:
    count = len(file_names)
    given = {
        "score": [0.25] * count,
        "predicted_label": ["cat"] * count,
        "confidence": [0.5] * count,
        "reason": ["rank"] * count,
    }
    ids = [f"x{row:016x}" for row in range(count)]
    return rounds.tabulated(
        strategy="margin", number=3, alcli_id=ids, file_name=file_names, **given | columns
    )


def written(selection: pa.Table, **options: Any) -> str:
    sink = io.BytesIO()
    csv(selection, sink, **options)
    return sink.getvalue().decode("utf-8")


def test_the_columns_and_numbers_by_hand() -> None:
    text = written(
        table(
            ["a.jpg", "é/b.jpg"],
            score=[1 / 3, None],
            predicted_label=["cat", None],
            confidence=[0.9, None],
            cluster=[7, None],
            nearest_labelled=["x.jpg", None],
            duplicates=['["c.jpg"]', None],
        )
    )
    assert text == (
        "rank,alcli_id,file_name,score,strategy,round,predicted_label,confidence,label,reason,cluster,"
        "nearest_labelled,duplicates\n"
        '1,x0000000000000000,a.jpg,0.3333333,margin,3,cat,0.9,,rank,7,x.jpg,"[""c.jpg""]"\n'
        "2,x0000000000000001,é/b.jpg,,margin,3,,,,rank,,,\n"
    )


def test_commas_quotes_and_line_breaks_come_back() -> None:
    names = ["a,b.jpg", 'say "cheese".jpg', "two\nlines.jpg", " blank .jpg"]
    rows = list(csv_module.DictReader(io.StringIO(written(table(names)), newline="")))
    assert [row["file_name"] for row in rows] == names


@pytest.mark.parametrize("name", ["=1+1.jpg", "+a.jpg", "-a.jpg", "@a.jpg", "\ta.jpg"])
def test_cells_that_a_spreadsheet_would_run_are_quoted(name: str) -> None:
    assert f"'{name}" in written(table([name]))
    assert f"'{name}" not in written(table([name]), csv_safe=False)


def test_negative_scores_stay_numbers() -> None:
    assert ",-0.5,margin," in written(table(["a.jpg"], score=[-0.5]))


def test_many_rows_are_all_written_once() -> None:
    text = written(table([f"{row}.jpg" for row in range(40_000)]))
    lines = text.splitlines()
    assert len(lines) == 40_001
    assert lines[-1].startswith("40000,")
    assert lines[16_385].startswith("16385,")
