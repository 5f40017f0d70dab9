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
from alcli.manifest import Manifest
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


def table_of(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


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
    assert f"{batch} holds answers about 3 images, and nobody has taken them in" in done.stderr


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


@pytest.mark.parametrize("name", ["batch.csv", "batch.parquet"])
def test_a_list_without_rows_may_be_written_over(pool: Path, tmp_path: Path, name: str) -> None:
    batch = tmp_path / name
    select(batch, pool)
    if name == "batch.csv":
        table_of(batch).head(0).to_csv(batch, index=False)
    else:
        pd.read_parquet(batch).head(0).to_parquet(batch)
    assert select(batch, pool).exit_code == 0


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
        b"File_Name,file-name,label\na,b,c\n",
        b"x,y\n1,2\n",
        b"file_name,label\nof another pool.jpg,\n",
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


# Answers that are on their way, whether their images are out or not


def refused(done: Result, path: Path, count: int) -> bool:
    told = f"{path} holds answers about {count} images, and nobody has taken them in"
    return done.exit_code == 5 and told in done.stderr and f"alcli import-labels {path}" in done.stderr


def test_answers_survive_an_undone_selection(pool: Path, tmp_path: Path, snapshot: Snapshot) -> None:
    batch = tmp_path / "batch.csv"
    select(batch, pool)
    fill_in(batch, ["class-0", "class-1"])
    assert run("undo", pool).exit_code == 0
    before = snapshot(tmp_path)
    assert refused(select(batch, pool), batch, 2)
    assert snapshot(tmp_path) == before


def test_answers_survive_an_undone_import(pool: Path, tmp_path: Path) -> None:
    batch = tmp_path / "batch.csv"
    select(batch, pool)
    fill_in(batch, ["class-0", "class-1"])
    run("import-labels", batch, pool)
    run("undo", pool)
    assert refused(select(batch, pool), batch, 2)
    run("undo", pool)
    assert refused(select(batch, pool), batch, 2)


@pytest.mark.parametrize("name", ["batch.csv", "batch.jsonl"])
def test_declined_images_are_answers_too(pool: Path, tmp_path: Path, name: str) -> None:
    batch = tmp_path / name
    select(batch, pool)
    frame = table_of(batch) if name.endswith("csv") else pd.read_json(batch, lines=True)
    frame["declined"] = ["yes", "yes", "", "", ""]
    if name.endswith("csv"):
        frame.to_csv(batch, index=False)
    else:
        frame.to_json(batch, lines=True, orient="records")
    assert refused(select(batch, pool), batch, 2)
    assert run("import-labels", batch, pool).exit_code == 0
    assert select(batch, pool).exit_code == 0


def test_a_list_of_another_pool_is_kept(
    pool: Path, tmp_path: Path, scored_pool: Callable[..., Project]
) -> None:
    """This pool cannot take the answers in, nor know whether the other one did: the list goes elsewhere."""
    other = scored_pool(np.full((50, 2), 0.5), name="other").pool
    batch = tmp_path / "batch.csv"
    run("select", "-k", "100%", "-s", "random", "-o", batch, other)
    frame = table_of(batch).sort_values("file_name").assign(label="class-0")
    frame.tail(3).to_csv(batch, index=False)  # this pool ends at 0039
    assert run("import-labels", batch, other).exit_code == 0
    before = batch.read_bytes()
    done = select(batch, pool)
    assert (done.exit_code, batch.read_bytes()) == (5, before)
    assert f"{batch} holds answers about 3 images that are not in {pool}: " in done.stderr
    assert "taken them in" not in done.stderr
    (hint,) = [line for line in done.stderr.splitlines() if line.startswith("hint: ")]
    assert "import-labels" not in hint
    assert run(*shlex.split(hint[hint.index("alcli ") :])[1:]).exit_code == 0
    assert len(table_of(tmp_path / "batch-2.csv")) == 5


def test_a_list_of_two_pools_says_how_many_are_of_the_other(
    pool: Path, tmp_path: Path, scored_pool: Callable[..., Project]
) -> None:
    other = scored_pool(np.full((50, 2), 0.5), name="other").pool
    batch = tmp_path / "batch.csv"
    run("select", "-k", "100%", "-s", "random", "-o", batch, other)
    table_of(batch).sort_values("file_name").tail(12).assign(label="class-0").to_csv(batch, index=False)
    done = select(batch, pool)
    assert f"{batch} holds answers about 12 images, 10 of them not in {pool}: " in done.stderr
    assert (done.exit_code, "import-labels" in done.stderr) == (5, False)


def test_a_correction_that_was_not_brought_again_is_kept(pool: Path, tmp_path: Path) -> None:
    batch = tmp_path / "batch.csv"
    select(batch, pool)
    fill_in(batch, ["class-0"] * 5)
    run("import-labels", batch, pool)
    fill_in(batch, ["class-0", "class-1", "class-1", "class-0", "class-0"])
    assert refused(select(batch, pool), batch, 2)
    assert run("import-labels", batch, pool, "--on-conflict", "replace").exit_code == 0
    assert select(batch, pool).exit_code == 0


def voted(batch: Path, **answers: list[str]) -> None:
    """Write a row for each annotator and image."""
    frame = table_of(batch)
    frame.drop(columns="label").merge(
        pd.concat(
            [
                pd.DataFrame({"alcli_id": frame["alcli_id"], "annotator": name, "label": labels})
                for name, labels in answers.items()
            ]
        )
    ).to_csv(batch, index=False)


ANN, BOB, CY = ["class-0"] * 5, ["class-1", *["class-0"] * 4], ["class-0", "class-1", *["class-0"] * 3]


def test_votes_on_record_are_taken_in_whatever_the_majority_said(pool: Path, tmp_path: Path) -> None:
    batch = tmp_path / "batch.csv"
    select(batch, pool)
    voted(batch, ann=ANN, bob=BOB, cy=CY)
    assert refused(select(batch, pool), batch, 5)
    assert run("import-labels", batch, pool, "--resolve", "majority").exit_code == 0
    table_of(batch).to_csv(batch, index=False, sep=";")  # saved by another program
    assert select(batch, pool).exit_code == 0


def test_a_vote_that_is_not_on_record_is_kept_though_the_label_is_the_same(
    pool: Path, tmp_path: Path
) -> None:
    batch, first = tmp_path / "batch.csv", tmp_path / "ann.csv"
    select(batch, pool)
    fill_in(batch, ["class-0"] * 5)
    table_of(batch).assign(annotator="ann").to_csv(first, index=False)
    table_of(batch).assign(annotator="bob").to_csv(batch, index=False)
    assert run("import-labels", first, pool).exit_code == 0
    assert select(first, pool).exit_code == 0
    assert refused(select(batch, pool), batch, 5)
    assert run("import-labels", batch, pool).exit_code == 0
    assert select(batch, pool).exit_code == 0


@pytest.mark.parametrize("resaved", [False, True])
@pytest.mark.parametrize("annotator", ["ann", ""])
def test_answers_to_gold_rows_are_taken_in_right_or_wrong(
    pool: Path, tmp_path: Path, annotator: str, resaved: bool
) -> None:
    batch = tmp_path / "batch.csv"
    select(batch, pool, "--gold", "40%")
    fill_in(batch, ["class-1"] * 7)  # of the two gold rows one is class-0
    table_of(batch).assign(annotator=annotator).to_csv(batch, index=False)
    assert refused(select(batch, pool, "--gold", "40%"), batch, 7)
    assert "1 of 2 times" in run("import-labels", batch, pool).stderr
    if resaved:
        table_of(batch).to_csv(batch, index=False, sep=";")
    assert select(batch, pool, "--gold", "40%").exit_code == 0


@pytest.mark.parametrize("how", ["--on-conflict=keep", "--encoding=cp1251"])
def test_a_file_is_known_that_was_taken_in_as_it_is(pool: Path, tmp_path: Path, how: str) -> None:
    """Whatever became of its answers, and though nothing in the file says how it is to be read."""
    batch = tmp_path / "batch.csv"
    select(batch, pool)
    fill_in(batch, ["жук"] * 5, encoding="cp1251")
    assert run("import-labels", batch, pool, "--encoding=cp1251", "--new-classes").exit_code == 0
    if how == "--on-conflict=keep":
        assert select(tmp_path / "other.csv", pool).exit_code == 0
        both = pd.concat([pd.read_csv(batch, dtype=str, encoding="cp1251"), table_of(tmp_path / "other.csv")])
        both.assign(label="class-0").to_csv(batch, index=False)
        assert run("import-labels", batch, pool, how).exit_code == 0
    assert select(batch, pool).exit_code == 0


def test_declining_what_has_a_label_or_was_declined_is_nothing_to_lose(pool: Path, tmp_path: Path) -> None:
    batch = tmp_path / "batch.csv"
    select(batch, pool)
    frame = table_of(batch).assign(declined="yes")
    frame.to_csv(batch, index=False)
    run("import-labels", batch, pool)
    fill_in(batch, ["class-0"])
    table_of(batch).assign(declined=["", *["yes"] * 4]).to_csv(batch, index=False)
    assert refused(select(batch, pool), batch, 1)
    run("import-labels", batch, pool)
    table_of(batch).assign(declined="yes").to_csv(batch, index=False)
    assert select(batch, pool).exit_code == 0


# Files that `import-labels` accepted


@pytest.mark.parametrize("name", ["batch.csv", "batch.jsonl", "batch.parquet"])
def test_a_file_is_taken_in_that_changed_nothing(pool: Path, tmp_path: Path, name: str) -> None:
    batch = tmp_path / name
    select(batch, pool)
    fill_in(batch, ["class-0"] * 5)
    run("import-labels", batch, pool)
    fill_in(batch, ["class-1", "class-1", *["class-0"] * 3])
    keep = ["import-labels", batch, pool, "--on-conflict=keep"]
    assert "nothing changed; 2 kept their other label" in run(*keep, "--dry-run").stderr
    assert refused(select(batch, pool), batch, 2)
    assert "nothing changed; 2 kept their other label" in run(*keep).stderr
    journal = Project.open(pool).journal.read_text()
    assert "nothing changed" in run(*keep).stderr
    assert Project.open(pool).journal.read_text() == journal  # once is enough
    assert select(batch, pool).exit_code == 0


def test_a_file_that_changed_nothing_is_no_longer_taken_in_once_the_labels_are_undone(
    pool: Path, tmp_path: Path
) -> None:
    """What it was about is gone with them; a step that came later may go without that."""
    batch, first = tmp_path / "batch.csv", tmp_path / "first.csv"
    select(batch, pool)
    fill_in(batch, ["class-0"] * 5)
    first.write_bytes(batch.read_bytes())
    run("import-labels", first, pool)
    fill_in(batch, ["class-1"] * 2)
    assert run("import-labels", batch, pool, "--on-conflict=keep").exit_code == 0
    run("select", "-k", "5", pool)
    assert "undone: select" in run("undo", pool).stderr
    content = batch.read_bytes()
    assert select(batch, pool).exit_code == 0
    batch.write_bytes(content)
    assert "undone: select" in run("undo", pool).stderr
    assert "undone: import-labels" in run("undo", pool).stderr
    assert refused(select(batch, pool), batch, 5)


# How answers are read


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    """Twenty images, all out in round 1, in classes `0` to `3`."""
    (tmp_path / "numbered").mkdir()
    names = [f"{row:02d}.jpg" for row in range(20)]
    columns = {"file_name": names, "size": [1] * 20, "mtime_ns": [1] * 20}
    project = Project.open(tmp_path / "numbered")
    with ledger.writing(project, "init"):
        ledger.commit(project, Manifest.build(columns, ["0", "1", "2", "3"]), command="init")
    return project.pool


def test_whole_numbers_are_known_as_they_were_taken_in(numbered: Path, tmp_path: Path) -> None:
    """pandas writes 3 as 3.0 in a column with gaps, and another program saves the file once more."""
    batch = tmp_path / "batch.csv"
    assert select(batch, numbered, "-s", "random").exit_code == 0
    fill_in(batch, ["3.0", "1.0", "", "2.0", "0.0"])
    assert refused(select(batch, numbered, "-s", "random"), batch, 4)
    assert "labelled 4 images" in run("import-labels", batch, numbered).stderr
    table_of(batch).to_csv(batch, index=False, sep=";")
    done = select(batch, numbered, "-s", "random")
    assert (done.exit_code, "are read as" in done.stderr) == (0, False)


def test_a_dry_run_writes_nothing_and_so_nothing_over(pool: Path, tmp_path: Path, snapshot: Snapshot) -> None:
    batch = tmp_path / "batch.csv"
    select(batch, pool)
    fill_in(batch, ["class-0", "class-1", "class-0"])
    before = snapshot(tmp_path)
    assert select(batch, pool, "--dry-run").exit_code == 0
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(("column", "code"), [(None, 0), ("klasse", 5), ("declined", 5)])
def test_a_list_without_its_column_for_labels_holds_none(
    pool: Path, tmp_path: Path, column: str | None, code: int
) -> None:
    """Unless there is another column, which somebody may have called so."""
    batch = tmp_path / "batch.csv"
    select(batch, pool)
    frame = table_of(batch).drop(columns="label")
    (frame.assign(**{column: "yes"}) if column else frame).to_csv(batch, index=False)
    done = select(batch, pool)
    assert (done.exit_code, "cannot be read any more" in done.stderr) == (code, code == 5)
