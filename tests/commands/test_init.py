"""`alcli init`: what it prints, where, and its exit codes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from alcli.main import app
from alcli.project import Project
from typer.testing import CliRunner

Snapshot = Callable[[Path], dict[str, bytes]]


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_one_line_for_people_and_nothing_on_standard_output(image_folder: Path) -> None:
    (image_folder / "readme.txt").touch()
    code, out, err = run("init", image_folder)
    assert (code, out) == (0, "")
    told = "60 images (56 train, 4 val); 24 labelled; 3 classes; 4 drawn for validation"
    assert err == f"{told}; 1 other files passed over\n"


def test_a_second_run_says_what_changed(image_folder: Path) -> None:
    run("init", image_folder)
    assert run("init", image_folder)[2].endswith("; nothing changed\n")
    (image_folder / "dark" / "000.png").unlink()
    (image_folder / "unlabelled" / "new.png").write_bytes(b"x")
    assert run("init", image_folder)[2].endswith("; 1 new; 1 missing\n")


def test_a_summary_for_programs(image_folder: Path) -> None:
    code, out, _ = run("init", image_folder, "--json", "-q", "--val-fraction", "0.25")
    summary = json.loads(out)
    assert code == 0
    assert summary["schema"] == "alcli/init/1"
    assert summary["splits"] == {"train": 54, "val": 6, "test": 0}
    assert summary["classes"] == ["bright", "dark", "middle"]
    assert summary["changes"]["new"] == 60
    assert summary["dry_run"] is False


def test_a_dry_run(image_folder: Path, snapshot: Snapshot) -> None:
    before = snapshot(image_folder)
    code, _, err = run("init", image_folder, "--dry-run")
    assert code == 0
    assert err.startswith("would write: 60 images")
    assert snapshot(image_folder) == before


def test_the_same_seed_the_same_bytes(image_folder: Path, tmp_path: Path) -> None:
    states = [tmp_path / name for name in ("one", "two", "three")]
    for state, seed in zip(states, (1, 1, 2), strict=True):
        assert run("init", image_folder, "--state", state, "--seed", seed)[0] == 0
    one, two, three = ((state / "metadata.parquet").read_bytes() for state in states)
    assert one == two != three


def test_options_reach_the_intake(image_folder: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_bytes("path;label\r\ndark/000.png;d\xe9j\xe0\r\n".encode("cp1252"))
    code, _, err = run("init", image_folder, "--labels", labels)
    assert code == 5
    assert "byte 0xe9 on line 2" in err
    assert "hint: say how it is encoded, such as --encoding cp1252" in err
    code, out, _ = run("init", image_folder, "--labels", labels, "--encoding", "cp1252", "--json")
    assert (code, json.loads(out)["classes"]) == (0, ["d\u00e9j\u00e0"])


def test_unlabelled_and_test_folders(image_folder: Path) -> None:
    _, out, _ = run(
        "init", image_folder, "--unlabelled", "dark", "--unlabelled", "middle", "--test", "bright", "--json"
    )
    summary = json.loads(out)
    assert summary["classes"] == []
    assert summary["splits"]["test"] == 8


def test_rejected_rows_are_listed_up_to_ten(image_folder: Path, tmp_path: Path, snapshot: Snapshot) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("path,label\n" + "".join(f"../{number}.png,a\n" for number in range(12)))
    before = snapshot(image_folder)
    code, out, err = run("init", image_folder, "--labels", labels)
    assert (code, out) == (5, "")
    assert "12 of 12 rows cannot be taken" in err
    assert "  line 2: ../0.png leads out of the pool\n" in err
    assert "  … and 2 more\n" in err
    assert snapshot(image_folder) == before


@pytest.mark.parametrize(
    ("make", "code", "told"),
    [
        (lambda folder: folder.mkdir(), 5, "the folder is empty"),
        (lambda _: None, 2, "does not exist"),
        (lambda folder: folder.touch(), 2, "is not a folder"),
    ],
    ids=["empty", "nowhere", "a file"],
)
def test_what_is_no_pool(tmp_path: Path, make: Callable[[Path], object], code: int, told: str) -> None:
    make(tmp_path / "pool")
    got, out, err = run("init", tmp_path / "pool")
    assert (got, out) == (code, "")
    assert told in err
    assert "hint: " in err


def test_a_labels_file_that_is_not_there(image_folder: Path) -> None:
    code, _, err = run("init", image_folder, "--labels", "nowhere.csv")
    assert code == 2
    assert "cannot read nowhere.csv" in err


def test_a_read_only_pool_is_told_about_state(image_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(filelock.FileLock, "acquire", refuse)
        code, _, err = run("init", image_folder)
    assert code == 2
    assert "the file system is read-only" in err
    assert "--state DIR" in err
    assert not (image_folder / "metadata.parquet").exists()


def test_two_commands_at_once(image_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "import sys, pathlib\nfrom alcli.project import Project\n"
        "with Project.open(pathlib.Path(sys.argv[1])).locked('train'):\n"
        "    print(flush=True)\n    sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(image_folder)]
    real = Project.locked
    monkeypatch.setattr(
        Project, "locked", lambda self, verb, timeout_s=0.1: real(self, verb, timeout_s=timeout_s)
    )
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        code, _, err = run("init", image_folder)
        other.stdin.close()
    assert code == 6
    assert f"`train`, process {other.pid}" in err
    assert not (image_folder / "metadata.parquet").exists()
    assert run("init", image_folder)[0] == 0


def test_names_are_text_and_not_markup(tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "a.png").touch()
    labels = tmp_path / "labels.csv"
    labels.write_text("path,label\ncats[bold].png,a\n")
    assert "no image cats[bold].png in the pool" in run("init", tmp_path / "pool", "--labels", labels)[2]


def test_settings_stand_in_for_flags(image_folder: Path) -> None:
    home = image_folder / ".alcli"
    home.mkdir()
    (home / "config.toml").write_text("[init]\nval_fraction = 0.5\n")
    assert json.loads(run("init", image_folder, "--json")[1])["splits"]["val"] == 12


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"file_name": "dark/000.png", "label": "\\ud800"}', r"column 'label' holds '\ud800'"),
        ('{"file_name": "dark/000.png", "label": "a", "x": ' + "[" * 100_000, "not JSON: nested too deep"),
    ],
    ids=["half a character", "deep"],
)
def test_labels_that_are_no_text_are_rejected_with_their_line(
    image_folder: Path, tmp_path: Path, line: str, told: str
) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(line)
    code, _, err = run("init", "--labels", path, image_folder)
    assert code == 5
    assert f"error: {path}, line 1: {told}" in err
    assert not (image_folder / "metadata.parquet").exists()


# Metadata of Hugging Face

RENAMED = "has columns named like the manifest's own; they are kept under other names"
CAPTIONS = [
    {"file_name": "dark/000.png", "text": "a dark square", "split": "restval"},
    {"file_name": "dark/000.png", "text": "the same in other words", "split": "restval"},
    {"file_name": "nowhere.png", "text": "not here", "split": None},
]


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_captions_name_no_labels_and_stop_nothing(image_folder: Path, name: str) -> None:
    if name.endswith(".csv"):
        cells = [",".join(cell or "" for cell in row.values()) for row in CAPTIONS]
        (image_folder / name).write_text("\n".join(["file_name,text,split", *cells, ""]))
    else:
        (image_folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in CAPTIONS))
    code, out, err = run("init", image_folder, "--json")
    summary = json.loads(out)
    assert (code, summary["labelled"], summary["classes"]) == (0, 24, ["bright", "dark", "middle"])
    assert "has no column of labels; it has file_name, text, split; labels are taken from folders" in err


def test_captions_whose_place_the_manifest_takes_are_kept_or_left_alone(
    image_folder: Path, tmp_path: Path
) -> None:
    path = image_folder / "metadata.parquet"
    pq.write_table(pa.Table.from_pylist(CAPTIONS), path)
    theirs = path.read_bytes()
    code, _, err = run("init", image_folder)
    assert code == 5
    assert "2 of 3 rows cannot be taken" in err
    assert (
        "hint: mend these rows, or take them out; or keep alcli's files elsewhere with --state DIR\n" in err
    )
    assert path.read_bytes() == theirs
    assert run("init", image_folder, "--state", tmp_path / "state")[0] == 0
    assert path.read_bytes() == theirs
    pq.write_table(pa.Table.from_pylist(CAPTIONS[1:2]), path)
    code, out, err = run("init", image_folder, "--json")
    assert (code, json.loads(out)["labelled"]) == (0, 24)
    assert f"warning: {path} {RENAMED}: split as split_original\n" in err
    row = row_of(path, "dark/000.png")
    assert (row["text"], row["split_original"], row["label"]) == (*list(CAPTIONS[1].values())[1:], "dark")


def test_columns_of_the_user_that_are_called_like_ours_are_kept_beside_them(image_folder: Path) -> None:
    path = image_folder / "metadata.parquet"
    columns: dict[str, list[Any]] = {
        "file_name": ["dark/000.png", "dark/001.png"],
        "label": ["night", "day"],
        "split": ["test", "train"],
        "annotator": [7, 8],
        "status": ["checked", None],
        "size": [1.5, 2.5],
        "problem": [["blur"], []],
        "size_original": [3, 4],
        "camera": ["x", "y"],
    }
    pq.write_table(pa.table(columns), path)
    code, _, err = run("init", image_folder, "--val-fraction", 0)
    assert code == 0
    kept = "status as status_original, size as size_original_original, problem as problem_original"
    assert f"warning: {path} {RENAMED}: {kept}\n" in err
    row = row_of(path, "dark/000.png")
    assert (row["label"], row["split"], row["annotator"]) == ("night", "test", "7")
    assert (row["status"], row["problem"]) == ("ok", None)
    assert row["size"] == (image_folder / "dark/000.png").stat().st_size
    assert (row["status_original"], row["problem_original"]) == ("checked", ["blur"])
    assert (row["size_original_original"], row["size_original"], row["camera"]) == (1.5, 3, "x")
    assert not {"label_original", "split_original", "annotator_original", "file_name_original"} & set(row)


def test_annotators_and_times_beside_no_label_are_kept_too(image_folder: Path) -> None:
    path = image_folder / "metadata.parquet"
    columns = {
        "file_name": ["dark/000.png", "dark/001.png"],
        "label": ["night", None],
        "annotator": ["eve", "bob"],
        "labelled_at": ["2026-01-02", ""],
    }
    pq.write_table(pa.table(columns), path)
    code, _, err = run("init", image_folder)
    assert code == 0
    assert f"warning: {path} {RENAMED}: annotator as annotator_original\n" in err
    row = row_of(path, "dark/001.png")
    assert (row["annotator"], row["annotator_original"], row["label"]) == (None, "bob", None)
    assert "labelled_at_original" not in row


def test_the_hint_for_labels_of_a_split_that_changed_can_be_pasted(tmp_path: Path) -> None:
    pool = tmp_path / "a pool"
    for name in ("1.png", "train/1.png", "train/deep/2.png", "test/1.png"):
        (pool / name).parent.mkdir(parents=True, exist_ok=True)
        (pool / name).touch()
    said = {"train": "1.png,{0}\n./deep/2.png,b\n", "test": "1.png,{0}\n"}

    def write(label: str) -> None:
        for split, rows in said.items():
            (pool / split / "metadata.csv").write_text("file_name,label\n" + rows.format(label))

    write("a")
    assert run("init", pool)[0] == 0
    write("b")
    code, _, err = run("init", pool)
    hints = re.findall(r"(\S+ \S+) has other labels than the manifest for 1 images: `alcli (.+)`", err)
    assert code == 0
    assert [path for path, _ in hints] == [f"{pool}/{split}/metadata.csv" for split in said]
    for _, hint in hints:
        assert run(*shlex.split(hint), "--on-conflict", "replace")[0] == 0
    labels = {
        name: row_of(pool / "metadata.parquet", name)["label"] for name in ("train/1.png", "test/1.png")
    }
    assert labels == {"train/1.png": "b", "test/1.png": "b"}
    assert row_of(pool / "metadata.parquet", "1.png")["label"] is None
    assert "other labels" not in run("init", pool)[2]


def test_one_of_two_metadata_files_of_a_split_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    for name in ("train/1.png", "train/2.png", "train/metadata.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / "train" / "metadata.csv").write_text("file_name,label\n1.png,a\n2.png,b\n")
    code, _, err = run("init", tmp_path)
    assert (code, "say it with --labels FILE" in err) == (5, True)
    assert run("init", tmp_path, "--labels", tmp_path / "train" / "metadata.csv")[0] == 0
    assert row_of(tmp_path / "metadata.parquet", "train/1.png")["label"] == "a"


def row_of(path: Path, file_name: str) -> dict[str, Any]:
    return next(row for row in pq.read_table(path).to_pylist() if row["file_name"] == file_name)


@pytest.mark.parametrize("verb", [["status"], ["select", "--strategy", "random"], ["report"]])
def test_a_file_of_the_user_where_init_was_not_run_is_not_taken_for_a_damaged_manifest(
    image_folder: Path, tmp_path: Path, verb: list[str], snapshot: Snapshot
) -> None:
    """What the hint says is pasted, and every label is there."""
    path = image_folder / "metadata.parquet"
    pq.write_table(pa.table({"file_name": ["unlabelled/b000.png"], "label": ["bright"]}), path)
    before = snapshot(tmp_path)
    output = ["-o", tmp_path / "page.html"] if verb == ["report"] else []
    code, out, err = run(*verb, *output, image_folder)
    assert (code, out) == (3, "")
    assert snapshot(tmp_path) == before
    assert hints(err) == [f"alcli init {image_folder}"]
    assert run("init", image_folder)[0] == 0
    assert row_of(path, "unlabelled/b000.png")["label"] == "bright"


def test_nor_where_init_was_undone_or_the_state_is_elsewhere(image_folder: Path, tmp_path: Path) -> None:
    path, state = image_folder / "metadata.parquet", tmp_path / "state"
    pq.write_table(pa.table({"file_name": ["unlabelled/b000.png"], "label": ["bright"]}), path)
    assert run("init", image_folder)[0] == run("status", image_folder)[0] == run("undo", image_folder)[0] == 0
    code, _, err = run("status", image_folder)
    assert (code, hints(err)) == (3, [f"alcli init {image_folder}"])
    state.mkdir()
    path.rename(state / path.name)
    code, _, err = run("status", "--state", state, image_folder)
    assert (code, hints(err)) == (3, [f"alcli init --state {state} {image_folder}"])


def test_a_manifest_that_lost_a_column_has_both_ways_out(image_folder: Path) -> None:
    """Another tool wrote it back without one of our columns: `undo` brings back what it was."""
    run("init", image_folder)
    assert run("select", "--strategy", "random", "-k", "3", image_folder)[0] == 0
    path = image_folder / "metadata.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["sha256"]).replace_schema_metadata(), path)
    code, _, err = run("status", image_folder)
    assert code == 3
    assert hints(err) == [
        f"alcli init {image_folder}",
        f"or, if it was written over the label manifest, bring that back: alcli undo {image_folder}",
    ]


def test_a_file_with_the_ids_of_a_list_is_no_manifest(image_folder: Path) -> None:
    """Made from a list of alcli's: `init` reads it as any other."""
    path = image_folder / "metadata.parquet"
    columns = {"alcli_id": ["0123456789abcdef"], "file_name": ["unlabelled/b000.png"], "label": ["bright"]}
    pq.write_table(pa.table(columns), path)
    code, _, err = run("init", image_folder)
    assert code == 0, err
    row = row_of(path, "unlabelled/b000.png")
    assert (row["label"], row["alcli_id_original"]) == ("bright", "0123456789abcdef")


def hints(err: str) -> list[str]:
    return [line.removeprefix("hint: ") for line in err.splitlines() if line.startswith("hint: ")]
