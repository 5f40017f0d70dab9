"""`alcli select`: files, standard output, standard error and exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from alcli import tables
from alcli.main import app
from alcli.project import Project
from typer.testing import CliRunner, Result

Build = Callable[..., Project]
Snapshot = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def pool(scored_pool: Build) -> Path:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 40)
    return scored_pool(probabilities, labels={0: "class-0"}, splits={1: "val"}).pool


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["select", *map(str, arguments)])


def listing(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_recorded_file_is_the_one_line_on_standard_output(pool: Path) -> None:
    done = run("-k", 5, pool)
    path = pool / ".alcli" / "rounds" / "0001" / "selection.csv"
    assert (done.exit_code, done.stdout) == (0, f"{path}\n")
    assert "round 1: 5 of 38 queryable images by margin" in done.stderr
    rows = listing(path.read_text())
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert {row["label"] for row in rows} == {""}
    assert {row["reason"] for row in rows} == {"rank"}


def test_a_second_call_changes_nothing(pool: Path, snapshot: Snapshot) -> None:
    first = run("-k", 5, pool)
    before = snapshot(pool)
    again = run("-k", 5, pool)
    assert again.stdout == first.stdout
    assert "round 1 is open, this is its selection" in again.stderr
    assert snapshot(pool) == before


def test_a_hundred_images_by_margin_unless_told_otherwise(scored_pool: Build) -> None:
    pool = scored_pool(np.random.default_rng(0).dirichlet(np.ones(3), 130)).pool
    assert "round 1: 100 of 130 queryable images by margin" in run(pool).stderr


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet"])
def test_output_takes_its_format_from_the_extension(pool: Path, tmp_path: Path, name: str) -> None:
    done = run("-k", 5, "-o", tmp_path / "new" / name, pool)
    assert (done.exit_code, done.stdout) == (0, "")
    read = {
        "csv": pd.read_csv,
        "jsonl": lambda path: pd.read_json(path, lines=True),
        "parquet": pd.read_parquet,
    }
    frame = read[name.split(".")[1]](tmp_path / "new" / name)
    recorded = pd.read_csv(pool / ".alcli" / "rounds" / "0001" / "selection.csv")
    assert frame["alcli_id"].tolist() == recorded["alcli_id"].tolist()
    assert frame["score"].tolist() == pytest.approx(recorded["score"].tolist(), rel=1e-15)
    before = (tmp_path / "new" / name).read_bytes()
    run("-k", 5, "-o", tmp_path / "new" / name, pool)
    assert (tmp_path / "new" / name).read_bytes() == before


def test_output_to_standard_output_is_the_recorded_file(pool: Path) -> None:
    done = run("-k", 5, "-o", "-", pool)
    assert done.stdout == (pool / ".alcli" / "rounds" / "0001" / "selection.csv").read_text()
    as_json = run("-k", 5, "-o", "-", "--format", "jsonl", pool)
    assert [json.loads(line)["rank"] for line in as_json.stdout.splitlines()] == [1, 2, 3, 4, 5]


def test_json_is_a_summary_and_nothing_else(pool: Path) -> None:
    done = run("-k", "10%", "--audit", "25%", "--json", pool)
    summary = json.loads(done.stdout)
    assert summary["schema"] == "alcli/select/1"
    assert (summary["round"], summary["images"], summary["audit"], summary["queryable"]) == (1, 4, 1, 38)
    assert summary["path"].endswith("rounds/0001/selection.csv")
    assert not summary["repeated"]


def test_a_dry_run_writes_nothing(pool: Path, snapshot: Snapshot, tmp_path: Path) -> None:
    before = snapshot(pool)
    done = run("-k", 5, "-n", "-o", tmp_path / "out.csv", pool)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "round 1 would be: 5 of 38" in done.stderr
    assert snapshot(pool) == before
    assert not (tmp_path / "out.csv").exists()


def test_the_summary_says_which_order_ran(scored_pool: Build) -> None:
    embeddings = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float16)
    pool = scored_pool(
        np.full((10, 2), 0.5), signals={"triplet_embeddings": embeddings}, labels={0: "class-0", 1: "class-1"}
    ).pool
    assert (
        "by triplet-margin, most confident first" in run("-s", "triplet-margin", "-k", 2, "-n", pool).stderr
    )
    asked = run("-s", "triplet-margin", "--order", "uncertain", "-k", 2, pool)
    assert "by triplet-margin, most uncertain first" in asked.stderr
    assert (
        "triplet-margin"
        in run("-s", "triplet-margin", "-O", "order=confident", "-k", 2, "-n", "--add", pool).stderr
    )


def test_withdrawn_and_audited_images_are_counted(pool: Path) -> None:
    run("-k", 5, pool)
    done = run("-k", 10, "--audit", "20%", "--replace", pool)
    assert (
        "round 2: 10 of 38 queryable images by margin, 2 of them drawn at random for the audit" in done.stderr
    )
    assert "5 images that were out are withdrawn" in done.stderr


def test_the_list_of_strategies_needs_no_pool(tmp_path: Path) -> None:
    done = run("--list", tmp_path)
    paragraphs = re.split(r"^(?=\S)", done.stdout, flags=re.MULTILINE)[1:]
    by_name = {text.split(":")[0]: text for text in paragraphs}
    assert {"random", "margin", "bald", "triplet-margin"} <= set(by_name)
    assert by_name["bald"] == (
        "bald: Query where stochastic passes are each sure of themselves and disagree.\n"
        "    needs    mc_probabilities\n"
        "    reads    2·m·c bytes of each image\n"
        "    cost     O(n)\n"
        "    memory   16·n\n"
        "    source   Houlsby et al., 2011, arXiv:1112.5745, equation 2; Gal et al., 2017, arXiv:1703.02910, §4\n"
    )
    assert "    options  order=confident\n" in by_name["triplet-margin"]
    assert "c classes" in done.stderr
    entries = json.loads(run("--list", "--json", tmp_path).stdout)["strategies"]
    assert [entry["name"] for entry in entries] == sorted(by_name)


# Bad input: exit code, message, and a pool that is untouched


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-k", "0"], 2, "-k 0"),
        (["-k", "-5"], 2, "-k -5"),
        (["-k", "0%"], 2, "-k 0%"),
        (["-k", "many"], 2, "-k many"),
        (["-k", "200%"], 2, "-k 200%"),
        (["--strategy", "margn"], 2, "did you mean margin"),
        (["--order", "uncertain"], 2, "order"),
        (["-O", "beta"], 2, "not KEY=VALUE"),
        (["-O", "nonsense=1"], 2, "nonsense"),
        (["-s", "triplet-margin", "-O", "order=up"], 2, "order"),
        (["-O", "a=1", "-O", "a=2"], 2, "twice"),
        (["--stochastic", "often"], 2, "often"),
        (["--stochastic", "power", "--beta", "-1"], 2, "beta"),
        (["--audit", "150%"], 2, "--audit 150%"),
        (["--per-class", "0"], 2, "--per-class 0"),
        (["--add", "--replace"], 2, "--add"),
        (["--format", "excel"], 2, "unknown format 'excel'"),
        (["-o", "out.txt"], 2, "names no format"),
        (["-o", "-", "--json"], 2, "standard output"),
        (["--seed", "-1"], 2, "--seed"),
        (["--strategy", "bald"], 3, "mc_probabilities"),
        (["--strategy", "triplet-margin"], 3, "triplet_embeddings"),
        (["--strategy", "kcenter"], 3, "kcenter needs embeddings, which model 0001-aaaaaa has not given"),
        (["--strategy", "deepfool"], 3, "score --from OUTPUTS.parquet"),
        (["--strategy", "base"], 3, "head_bias, head_weights"),
        (["--strategy", "badge", "--stochastic", "power"], 2, "badge picks its batch as a whole"),
        (["--dedup-threshold", "2", "--dedup"], 2, "--dedup-threshold 2"),
        (["--candidates", "3", "-k", "4"], 2, "--candidates 3"),
        (["-s", "auto", "-O", "h=1"], 2, "auto settles its own options"),
        (["--explain", "no.jpg"], 2, "no image no.jpg"),
    ],
)
def test_a_bad_request_changes_nothing(
    pool: Path, snapshot: Snapshot, arguments: list[str], code: int, message: str
) -> None:
    before = snapshot(pool)
    done = run(*arguments, pool)
    assert done.exit_code == code, done.stderr
    assert message in done.stderr
    assert done.stdout == ""
    assert snapshot(pool) == before


def test_another_request_while_a_round_is_open(pool: Path, snapshot: Snapshot) -> None:
    run("-k", 5, pool)
    before = snapshot(pool)
    done = run("-k", 6, pool)
    assert done.exit_code == 3
    assert "round 1 is open: 5 images are out" in done.stderr
    assert "hint: alcli import-labels FILE" in done.stderr
    assert snapshot(pool) == before


def test_two_commands_at_once(pool: Path, snapshot: Snapshot) -> None:
    with Project.open(pool).locked("train"):
        before = snapshot(pool)
        done = run(pool)
        assert done.exit_code == 6
        assert "`train`" in done.stderr
        assert snapshot(pool) == before


def test_an_exhausted_pool(pool: Path, snapshot: Snapshot) -> None:
    assert "-k 500 is more than the 38 queryable images" in run("-k", 500, pool).stderr
    before = snapshot(pool)
    done = run("-k", 1, "--add", pool)
    assert done.exit_code == 4
    assert "nothing left to query" in done.stderr
    assert snapshot(pool) == before


def test_no_manifest_and_no_pool(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert (done.exit_code, "alcli init" in done.stderr) == (3, True)
    assert list(tmp_path.iterdir()) == []
    assert run(tmp_path / "nowhere").exit_code == 2


def test_no_model(pool: Path, snapshot: Snapshot) -> None:
    (pool / ".alcli" / "models" / "0001-aaaaaa" / "model.json").unlink()
    before = snapshot(pool)
    done = run(pool)
    assert done.exit_code == 3
    assert "alcli train" in done.stderr
    assert "--strategy random" in done.stderr
    assert snapshot(pool) == before
    assert run("--strategy", "random", pool).exit_code == 0


@pytest.mark.parametrize("place", ["metadata.parquet", ".alcli/journal.jsonl", "."])
def test_output_never_takes_the_place_of_our_own_files(pool: Path, snapshot: Snapshot, place: str) -> None:
    before = snapshot(pool)
    done = run("-o", pool / place, "--format", "csv", pool)
    assert done.exit_code == 2
    assert snapshot(pool) == before


def test_a_manifest_that_is_none(pool: Path) -> None:
    (pool / "metadata.parquet").write_bytes(b"no parquet")
    done = run(pool)
    assert done.exit_code == 5
    assert (pool / "metadata.parquet").read_bytes() == b"no parquet"


# What leaves the house


def test_names_that_a_spreadsheet_would_run(pool: Path, tmp_path: Path) -> None:
    """Cells are quoted for people and come back as they were."""
    table = pq.read_table(pool / "metadata.parquet")
    names = table["file_name"].to_pylist()
    names[7] = "=cmd.jpg"
    changed = table.set_column(0, "file_name", [names])
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), pool / "metadata.parquet")
    run("-k", "100%", "-o", tmp_path / "safe.csv", pool)
    run("-k", "100%", "-o", tmp_path / "plain.csv", "--no-csv-safe", pool)
    assert ",'=cmd.jpg," in (tmp_path / "safe.csv").read_text()
    assert ",=cmd.jpg," in (tmp_path / "plain.csv").read_text()
    assert "=cmd.jpg" in {
        tables.spreadsheet_unsafe(row["file_name"]) for row in listing((tmp_path / "safe.csv").read_text())
    }


def test_settings_come_from_the_file_and_the_environment(pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (pool / ".alcli" / "config.toml").write_text('[select]\nstrategy = "entropy"\nk = 7\n')
    assert "7 of 38 queryable images by entropy" in run("-n", pool).stderr
    monkeypatch.setenv("ALCLI_SELECT_K", "3")
    assert "3 of 38 queryable images by entropy" in run("-n", pool).stderr


@pytest.mark.parametrize("content", ["{", "{}", "[]", "[1]", "3"])
def test_a_damaged_record_of_an_open_round_is_named_with_a_way_out(pool: Path, content: str) -> None:
    assert run("-k", "2", pool).exit_code == 0
    folder = pool / ".alcli" / "rounds" / "0001"
    (folder / "selection.json").write_text(content)
    for words in (["-k", "2"], ["-k", "2", "--explain", "img-0003.jpg"]):
        done = run(*words, pool)
        assert (done.exit_code, done.stdout) == (3, "")
        assert f"error: the record of round 1 in {folder} cannot be read: " in done.stderr
        assert "--replace" in done.stderr
    assert CliRunner().invoke(app, ["status", str(pool)]).exit_code == 0
    page = ["report", "--map", "none", "-o", str(pool.parent / "page.html"), str(pool)]
    assert CliRunner().invoke(app, page).exit_code == 0
    assert run("-k", "2", "--replace", pool).exit_code == 0


def test_a_closed_pipe_ends_quietly(scored_pool: Build) -> None:
    pool = scored_pool(np.random.default_rng(0).dirichlet(np.ones(3), 9_000)).pool
    program = f"{sys.executable} -m alcli select -q -k 100% -o - {pool} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    first, code = done.stdout.splitlines()
    assert first.startswith("rank,alcli_id,file_name")
    assert code in ("0", "141")
    assert done.stderr == ""
