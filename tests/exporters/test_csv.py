"""CSV as RFC 4180 has it, with cells that no spreadsheet runs."""

from __future__ import annotations

import csv as csv_module
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pytest
from alcli import manifest as manifests
from alcli import rounds
from alcli.exporters.csv import csv
from alcli.main import app
from typer.testing import CliRunner


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


ODD_NAMES = [
    "a,b.jpg",
    'say "cheese".jpg',
    "two\nlines.jpg",
    "two\rlines.jpg",
    "two\r\nlines.jpg",
    " blank .jpg",
]


def test_commas_quotes_and_line_breaks_come_back() -> None:
    text = written(table(ODD_NAMES))
    rows = list(csv_module.DictReader(io.StringIO(text, newline="")))
    assert [row["file_name"] for row in rows] == ODD_NAMES
    parsing = arrow_csv.ParseOptions(newlines_in_values=True)
    arrow = arrow_csv.read_csv(io.BytesIO(text.encode()), parse_options=parsing)
    assert arrow["file_name"].to_pylist() == ODD_NAMES
    assert pd.read_csv(io.StringIO(text, newline=""))["file_name"].tolist() == ODD_NAMES
    assert text.endswith("\n")
    assert not text.endswith("\r\n")


def test_a_list_with_line_breaks_in_names_is_filled_in_and_taken_back(tmp_path: Path) -> None:
    pool, path = tmp_path / "pool", tmp_path / "list.csv"
    pool.mkdir()
    names = ["two\nlines.png", "two\rlines.png", "two\r\nlines.png"]
    for name in names:
        (pool / name).touch()
    for command in (["init"], ["select", "--strategy", "random", "-k", "3", "-o", str(path)]):
        assert CliRunner().invoke(app, [*command, str(pool)]).exit_code == 0
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv_module.DictReader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv_module.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "label": ascii(row["file_name"])} for row in rows)
    done = CliRunner().invoke(app, ["import-labels", str(path), str(pool), "--new-classes"])
    assert (done.exit_code, done.stderr.split(";")[0]) == (0, "labelled 3 images")
    manifest = manifests.read(pool / "metadata.parquet")
    labels = dict(zip(manifest.strings("file_name"), manifest.strings("label"), strict=True))
    assert labels == {name: ascii(name) for name in names}


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
