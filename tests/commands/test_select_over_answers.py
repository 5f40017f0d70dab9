"""`alcli select -o FILE` where FILE is there already: answers in it that nobody has taken in are not lost."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from alcli import ledger
from alcli.main import app
from alcli.project import Project
from typer.testing import CliRunner, Result

Snapshot = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def pool(scored_pool: Callable[..., Project]) -> Path:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(2), 40)
    return scored_pool(probabilities, labels={0: "class-0", 1: "class-1"}).pool


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def select(output: Path, pool: Path, *more: str) -> Result:
    return run("select", "-k", "5", *more, "-o", output, pool)


def fill_in(path: Path, labels: list[str], *, encoding: str = "utf-8", delimiter: str = ",") -> None:
    """Write these labels into the first rows of a list."""
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
        frame["label"] = [*labels, *[None] * (len(frame) - len(labels))]
        frame.to_parquet(path)
        return
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    for row, label in zip(rows, labels, strict=False):
        row["label"] = label
    with path.open("w", newline="", encoding=encoding) as file:
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(row) + "\n" for row in rows)
        else:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)


def test_a_list_that_was_broken_by_hand_is_not_written_over(
    pool: Path, tmp_path: Path, snapshot: Snapshot
) -> None:
    """`import-labels` refuses it for one comma too many; the answers in it are not lost for that."""
    batch = tmp_path / "batch.csv"
    select(batch, pool)
    fill_in(batch, ["class-0", "class-1", "class-0"])
    batch.write_text(batch.read_text().rstrip() + ",,one comma too many\n")
    assert run("import-labels", batch, pool).exit_code == 5
    before = snapshot(tmp_path)
    done = select(batch, pool)
    assert (done.exit_code, snapshot(tmp_path)) == (5, before)
    assert f"{batch} is a list of alcli's that cannot be read any more" in done.stderr


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("batch.csv", []),
        ("batch.jsonl", []),
        ("batch.parquet", []),
        ("batch.csv", ["--replace"]),
        ("batch.csv", ["--add"]),
        ("batch.csv", ["--dry-run"]),
    ],
)
def test_answers_that_nobody_took_in_are_not_written_over(
    pool: Path, tmp_path: Path, snapshot: Snapshot, name: str, more: list[str]
) -> None:
    batch = tmp_path / name
    select(batch, pool)
    fill_in(batch, ["class-0", "class-1", "class-0"])
    before = snapshot(tmp_path)
    done = select(batch, pool, *more)
    assert (done.exit_code, done.stdout, snapshot(tmp_path)) == (5, "", before)
    assert f"{batch} holds answers about 3 images that are out for labelling" in done.stderr


def test_both_ways_out_can_be_pasted(pool: Path, tmp_path: Path) -> None:
    batch = tmp_path / "batch.csv"
    select(batch, pool)
    fill_in(batch, ["class-0"] * 5)
    filled = batch.read_bytes()
    done = select(batch, pool, "--seed", "3", "--add", "--blind")
    hints = [line for line in done.stderr.splitlines() if line.startswith("hint: ")]
    take, elsewhere = (shlex.split(line[line.index("alcli ") :])[1:] for line in hints)
    assert set(elsewhere) >= {"select", "--seed=3", "--add", "--blind", "-k", "5"}
    assert run(*elsewhere).exit_code == 0
    assert batch.read_bytes() == filled
    assert len(pd.read_csv(tmp_path / "batch-2.csv")) == 5
    assert take == ["import-labels", str(batch), str(pool)]
    assert run(*take).exit_code == 0
    assert int(ledger.read(Project.open(pool)).labelled.sum()) == 7


@pytest.mark.parametrize("name", ["batch.csv", "batch.jsonl", "batch.parquet"])
def test_a_loop_uses_one_file_for_every_round(pool: Path, tmp_path: Path, name: str) -> None:
    batch = tmp_path / name
    for number in (1, 2, 3):
        assert f"round {number}:" in (done := select(batch, pool)).stderr
        assert done.exit_code == 0
        fill_in(batch, ["class-0", "class-1"] * 2 + ["class-0"])
        assert run("import-labels", batch, pool).exit_code == 0


def test_a_part_that_was_taken_in_may_go(pool: Path, tmp_path: Path) -> None:
    batch = tmp_path / "batch.csv"
    select(batch, pool)
    fill_in(batch, ["class-0", "class-1"])
    assert run("import-labels", batch, pool).exit_code == 0
    assert select(batch, pool).exit_code == 0  # the round is open, and the list is written anew
    fill_in(batch, ["", "", "", "class-0"])
    done = select(batch, pool)
    assert (done.exit_code, "answers about 1 images" in done.stderr) == (5, True)


def test_a_list_that_nobody_filled_in_may_be_written_again(pool: Path, tmp_path: Path) -> None:
    batch = tmp_path / "batch.csv"
    select(batch, pool)
    before = batch.read_bytes()
    assert select(batch, pool).exit_code == 0
    assert batch.read_bytes() == before


@pytest.mark.parametrize(
    "saved", [{"encoding": "utf-8-sig"}, {"encoding": "utf-16"}, {"encoding": "cp1252", "delimiter": ";"}]
)
def test_a_list_is_known_however_a_spreadsheet_saved_it(
    pool: Path, tmp_path: Path, saved: dict[str, str]
) -> None:
    batch = tmp_path / "batch.csv"
    select(batch, pool)
    fill_in(batch, ["Käfer"], **saved)
    done = select(batch, pool)
    assert (done.exit_code, "answers about 1 images" in done.stderr) == (5, True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n \n",
        b"\xff\xfe\x00",
        b"PAR1 and nothing else",
        b"PK\x03\x04 a workbook",
        b"\x00" * 100,
        b"[" * 100_000,
        b'{"a": ' * 20_000,
        b"x" * 300_000,
        b'"no end',
        b"file_name,label\nimg-0005.jpg,class-0,and,more\n",
        b"file_name,file-name,label\na,b,c\n",
        b"x,y\n1,2\n",
        b"file_name,label\nof another pool.jpg,class-0\n",
        "\u00a0\n".encode(),
    ],
)
def test_what_is_no_list_of_this_pool_is_written_over(pool: Path, tmp_path: Path, content: bytes) -> None:
    select(tmp_path / "first.csv", pool)  # so that images are out
    for name in ("batch.csv", "batch.jsonl", "batch.parquet"):
        (tmp_path / name).write_bytes(content)
        done = select(tmp_path / name, pool)
        assert done.exit_code == 0, done.stderr
        assert b"alcli_id" in (tmp_path / name).read_bytes()


def test_another_table_is_written_over(pool: Path, tmp_path: Path) -> None:
    batch = tmp_path / "batch.parquet"
    select(batch, pool)
    pd.DataFrame({"a": [1, 2], "b": [None, [1]]}).to_parquet(batch)
    assert select(batch, pool).exit_code == 0
    assert pq.read_schema(batch).names[:2] == ["rank", "alcli_id"]


def test_standard_output_and_explanations_are_not_concerned(pool: Path, tmp_path: Path) -> None:
    batch = tmp_path / "batch.csv"
    select(batch, pool)
    fill_in(batch, ["class-0"])
    before = batch.read_bytes()
    assert run("select", "-k", "5", "-o", "-", pool).exit_code == 0
    explained = select(batch, pool, "--explain", "img-0005.jpg")
    assert (explained.exit_code, batch.read_bytes()) == (0, before)
