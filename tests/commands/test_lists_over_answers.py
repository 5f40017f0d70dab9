"""`audit -o` and `import-labels --relabel-list` where the file is there already, and `select -o` over their lists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from alcli import ledger
from alcli.main import app
from typer.testing import CliRunner, Result

from tests.digit_pools import Digits

Build = Callable[..., Digits]


def run(pool: Digits, command: str, *arguments: object) -> Result:
    return CliRunner().invoke(app, [command, *map(str, arguments), str(pool.project.pool)])


def table_of(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def refused(done: Result, path: Path, count: int) -> bool:
    told = f"{path} holds answers about {count} images, and nobody has taken them in"
    return done.exit_code == 5 and told in done.stderr and f"alcli import-labels {path}" in done.stderr


def filled(pool: Digits, path: Path, labels: list[int], **columns: str) -> Path:
    """Answer every row of a list with its entry of `labels`, by number of the image."""
    frame = table_of(path)
    said = [f"class-{labels[int(name[4:8])]}" for name in frame["file_name"]]
    frame.assign(label=said, **columns).to_csv(path, index=False)
    return path


@pytest.fixture
def sent(digits: Build, tmp_path: Path) -> Digits:
    """120 labels are there; 60 images are out, and a third of what `round.csv` answers is wrong."""
    pool = digits(0.3, labelled=range(120), clean=range(120))
    assert run(pool, "select", "-s", "random", "-k", 60, "-o", tmp_path / "round.csv").exit_code == 0
    filled(pool, tmp_path / "round.csv", pool.given.tolist())
    return pool


CHECK = ["--check", "rad-active", "--drop-suspects"]


@pytest.mark.parametrize("columns", [{}, {"annotator": "ann"}])
def test_answers_that_a_check_withheld_are_taken_in(
    sent: Digits, tmp_path: Path, columns: dict[str, str]
) -> None:
    listing = filled(sent, tmp_path / "round.csv", sent.given.tolist(), **columns)
    before = int(ledger.read(sent.project).labelled.sum())
    assert run(sent, "import-labels", listing, *CHECK).exit_code == 0
    assert int(ledger.read(sent.project).labelled.sum()) < before + 60
    table_of(listing).to_csv(listing, index=False, sep=";")  # saved by another program
    assert run(sent, "select", "-s", "random", "-k", 60, "-o", listing).exit_code == 0


@pytest.mark.parametrize("command", ["relabel-list", "select", "audit"])
def test_a_list_of_images_to_label_again_is_kept_once_it_is_filled_in(
    sent: Digits, tmp_path: Path, command: str
) -> None:
    """Also where people say once more what the check withheld: that is their second opinion."""
    again = tmp_path / "again.csv"
    asked = [*CHECK, "--relabel-list", again]
    taken = run(sent, "import-labels", tmp_path / "round.csv", *asked)
    assert taken.exit_code == 0, taken.stderr
    assert (
        run(sent, "import-labels", tmp_path / "round.csv", *asked, "-n").exit_code == 0
    )  # nobody filled it in
    count = len(table_of(filled(sent, again, sent.given.tolist())))
    content = again.read_bytes()
    done = {
        "relabel-list": lambda: run(sent, "import-labels", tmp_path / "round.csv", *asked),
        "select": lambda: run(sent, "select", "-s", "random", "-k", 5, "-o", again),
        "audit": lambda: run(sent, "audit", "-o", again),
    }[command]()
    assert count > 3
    assert refused(done, again, count), done.stderr
    assert again.read_bytes() == content
    assert run(sent, "import-labels", again, "--on-conflict=replace").exit_code == 0
    assert run(sent, "select", "-s", "random", "-k", 5, "-o", again).exit_code == 0


def test_the_way_out_of_a_relabel_list_can_be_pasted(sent: Digits, tmp_path: Path) -> None:
    again = tmp_path / "again.csv"
    asked = [*CHECK, "--relabel-list", again]
    run(sent, "import-labels", tmp_path / "round.csv", *asked)
    filled(sent, again, sent.truth.tolist())
    done = run(sent, "import-labels", tmp_path / "round.csv", *asked)
    assert f"--relabel-list={tmp_path / 'again-2.csv'}" in done.stderr


def test_answers_that_a_check_withholds_again_are_taken_in(sent: Digits, tmp_path: Path) -> None:
    again = tmp_path / "again.csv"
    run(sent, "import-labels", tmp_path / "round.csv", *CHECK, "--relabel-list", again)
    filled(sent, again, sent.given.tolist())
    run(sent, "import-labels", again, *CHECK)  # takes some of them now
    labelled = ledger.read(sent.project).labelled
    frame = table_of(again)
    frame[[not labelled[int(name[4:8])] for name in frame["file_name"]]].to_csv(again, index=False)
    done = run(sent, "import-labels", again, *CHECK)
    assert (done.exit_code, "nothing changed" in done.stderr) == (0, True), done.stderr
    before = ledger.read(sent.project).strings("label")
    done = run(sent, "select", "-s", "random", "-k", 5, "-o", again)
    assert done.exit_code == 0, done.stderr
    assert ledger.read(sent.project).strings("label") == before


def test_a_list_of_suspects_without_its_column_for_labels_holds_no_answers(
    digits: Build, tmp_path: Path
) -> None:
    pool, suspects = digits(0.2), tmp_path / "suspects.csv"
    run(pool, "audit", "-o", suspects)
    table_of(suspects).drop(columns="label").to_csv(suspects, index=False)
    assert run(pool, "audit", "-o", suspects).exit_code == 0


@pytest.mark.parametrize("name", ["suspects.csv", "suspects.jsonl", "suspects.parquet"])
def test_a_list_of_suspects_may_be_written_again_until_somebody_corrects_it(
    digits: Build, tmp_path: Path, name: str
) -> None:
    pool = digits(0.2)
    suspects = tmp_path / name
    for _ in range(2):
        assert run(pool, "audit", "-o", suspects).exit_code == 0
    read, write = {
        ".csv": (table_of, lambda frame: frame.to_csv(suspects, index=False)),
        ".jsonl": (
            lambda path: pd.read_json(path, lines=True),
            lambda frame: frame.to_json(suspects, lines=True, orient="records"),
        ),
        ".parquet": (pd.read_parquet, lambda frame: frame.to_parquet(suspects)),
    }[suspects.suffix]
    frame = read(suspects)
    wrong = [int(file[4:8]) for file in frame["file_name"][:4]]
    frame.loc[:3, "label"] = [f"class-{(pool.given[row] + 1) % 10}" for row in wrong]
    write(frame)
    for command in (["audit"], ["select", "-s", "random", "--relabel", "-k", 3]):
        assert refused(run(pool, *command, "-o", suspects), suspects, 4)
    assert run(pool, "import-labels", suspects, "--on-conflict=replace").exit_code == 0
    assert run(pool, "audit", "-o", suspects).exit_code == 0


def test_a_list_of_suspects_may_grow_old(digits: Build, tmp_path: Path) -> None:
    """Its labels are those that were there, not what somebody answered; sorting it answers nothing either."""
    pool = digits(0.2)
    suspects, elsewhere = tmp_path / "suspects.csv", tmp_path / "elsewhere.csv"
    assert run(pool, "audit", "-o", suspects).exit_code == 0
    frame = table_of(suspects)
    frame.sort_values("file_name").to_csv(suspects, index=False)
    frame.to_csv(elsewhere, index=False)
    filled(pool, elsewhere, pool.truth.tolist())
    assert run(pool, "import-labels", elsewhere, "--on-conflict=replace").exit_code == 0
    assert run(pool, "audit", "-o", suspects).exit_code == 0


AGAIN = ["-s", "activelab", "--relabel", "-k", 5]


def test_a_loop_that_labels_again_uses_one_file(digits: Build, tmp_path: Path) -> None:
    pool, again = digits(0.2), tmp_path / "again.csv"
    for labels in (pool.truth, pool.given):
        done = run(pool, "select", *AGAIN, "-o", again)
        assert done.exit_code == 0, done.stderr
        filled(pool, again, labels.tolist(), annotator="ann")
        assert run(pool, "import-labels", again, "--resolve=latest").exit_code == 0


def test_what_a_person_confirms_of_an_image_that_is_out_is_kept(digits: Build, tmp_path: Path) -> None:
    """The label is the same, but nobody knows yet that two people say so."""
    pool, again = digits(0.2), tmp_path / "again.csv"
    run(pool, "select", *AGAIN, "-o", again)
    filled(pool, again, pool.given.tolist())
    assert refused(run(pool, "select", *AGAIN, "-o", again), again, 5)


def test_only_what_was_corrected_counts_where_several_people_gave_a_label(
    sent: Digits, tmp_path: Path
) -> None:
    """The list names them together, as nobody on record is called."""
    listing, suspects = tmp_path / "round.csv", tmp_path / "suspects.csv"
    frame = table_of(filled(sent, listing, sent.truth.tolist()))
    pd.concat([frame.assign(annotator=name) for name in ("ann", "bob")]).to_csv(listing, index=False)
    assert run(sent, "import-labels", listing).exit_code == 0
    assert run(sent, "audit", "--all", "-o", suspects).exit_code == 0
    frame = table_of(suspects)
    assert (frame["annotator"] == "ann, bob").sum() == 60
    frame.loc[0, "label"] = f"class-{(int(frame.loc[0, 'label'][-1]) + 1) % 10}"
    frame.to_csv(suspects, index=False)
    assert refused(run(sent, "audit", "-o", suspects), suspects, 1)
