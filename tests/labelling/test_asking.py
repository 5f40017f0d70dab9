"""Which round asked for a label, where its image is no longer out, as somebody meets it on the command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alcli import hindsight, ledger
from alcli.main import app
from alcli.project import Project
from typer.testing import CliRunner

from tests.digit_pools import Digits


@pytest.fixture
def pool(scored_pool: Callable[..., Project]) -> Project:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(2), 40)
    return scored_pool(probabilities, labels={0: "class-0", 1: "class-1"})


def run(pool: Project, command: str, *arguments: object) -> str:
    done = CliRunner().invoke(app, [command, *map(str, arguments), str(pool.pool)])
    assert done.exit_code == 0, done.stderr
    return done.stdout if "--json" in arguments else done.stderr


def sent(pool: Project, path: Path, *how: object) -> list[str]:
    """Select and return the names."""
    run(pool, "select", *how, "-o", path)
    with path.open(newline="") as file:
        return [row["file_name"] for row in csv.DictReader(file)]


def answer(pool: Project, path: Path, said: dict[str, str], *more: object) -> dict[str, Any]:
    """Import a label for each name; `declined` is none."""
    with path.open("w", newline="") as file:
        rows = [(name, "" if word == "declined" else word, word) for name, word in said.items()]
        csv.writer(file).writerows([("file_name", "label", "status"), *rows])
    return dict(json.loads(run(pool, "import-labels", path, "--json", *more)))


def rounds_of(pool: Project, names: list[str], column: str = "label_round") -> list[Any]:
    manifest = ledger.read(pool)
    found = dict(zip(manifest.strings("file_name"), manifest.table[column].to_pylist(), strict=True))
    return [found[name] for name in names]


def test_what_was_declined_and_is_answered_later_was_sent_out(pool: Project, tmp_path: Path) -> None:
    first = sent(pool, tmp_path / "1.csv", "-k", 6)
    answer(pool, tmp_path / "a.csv", dict.fromkeys(first, "declined"))
    second = sent(pool, tmp_path / "2.csv", "-k", 5)
    stranger = next(
        f"img-{row:04d}.jpg" for row in range(2, 40) if f"img-{row:04d}.jpg" not in first + second
    )
    done = answer(pool, tmp_path / "b.csv", dict.fromkeys([*first, stranger], "class-0"))
    assert (done["labelled"], done["unsent"]) == (7, 1)
    # Nobody asked about the last: the newest round.
    assert rounds_of(pool, [*first, stranger]) == [*[1] * 6, 2]


def test_a_round_that_was_withdrawn_asks_for_what_was_declined_only(pool: Project, tmp_path: Path) -> None:
    """What was withdrawn and is labelled otherwise is no answer to an audit: whatever chose it then was no chance."""
    first = sent(pool, tmp_path / "1.csv", "-k", 6, "--audit", "100%")
    answer(pool, tmp_path / "a.csv", dict.fromkeys(first[:2], "declined"))
    second = sent(pool, tmp_path / "2.csv", "-k", 3, "-s", "random", "--replace")
    withdrawn = [name for name in first[2:] if name not in second]
    assert withdrawn
    done = answer(pool, tmp_path / "b.csv", dict.fromkeys([*first[:2], *withdrawn], "class-1"))
    assert done["unsent"] == len(withdrawn)
    assert rounds_of(pool, [*first[:2], *withdrawn]) == [1, 1, *[2] * len(withdrawn)]
    (estimate,) = hindsight.audits(pool, ledger.read(pool))
    assert (estimate["round"], estimate["n"]) == (1, 2)


def test_of_several_rounds_that_somebody_declined_in_the_newest_asked(pool: Project, tmp_path: Path) -> None:
    for number in (1, 2):
        names = sent(pool, tmp_path / f"{number}.csv", "-k", 4)
        answer(pool, tmp_path / "a.csv", dict.fromkeys(names, "declined"))
        manifest = ledger.read(pool)
        with ledger.writing(pool, "test"):  # as if they had been put back by hand
            ledger.commit(
                pool, manifest.assign(manifest.equals("status", "skipped"), status="ok"), command="test"
            )
    assert answer(pool, tmp_path / "b.csv", dict.fromkeys(names, "class-1"))["unsent"] == 0
    assert rounds_of(pool, names) == [2] * 4


def test_a_round_whose_list_is_lost_asked_for_nothing_that_is_known(pool: Project, tmp_path: Path) -> None:
    first = sent(pool, tmp_path / "1.csv", "-k", 3)
    answer(pool, tmp_path / "a.csv", dict.fromkeys(first, "declined"))
    (pool.round_folder(1) / "selection.parquet").unlink()
    assert answer(pool, tmp_path / "b.csv", dict.fromkeys(first, "class-0"))["unsent"] == 3


def test_what_a_check_withheld_and_is_answered_again_was_sent_out(
    digits: Callable[..., Digits], tmp_path: Path
) -> None:
    made = digits(0.3, labelled=range(120), clean=range(120))
    pool = made.project
    names = sent(pool, tmp_path / "1.csv", "-s", "random", "-k", 60)
    given = {name: f"class-{made.given[int(name[4:8])]}" for name in names}
    check = ["--check", "rad-active", "--drop-suspects"]
    taken = answer(pool, tmp_path / "a.csv", given, *check)
    sent(pool, tmp_path / "2.csv", "-s", "random", "-k", 5, "--seed", 2)
    places = zip(names, rounds_of(pool, names), rounds_of(pool, names, "queried_round"), strict=True)
    withheld = [name for name, given, out in places if given is None and out is None]
    assert (taken["unsent"], len(withheld) > 3) == (0, True)
    truth = {name: f"class-{made.truth[int(name[4:8])]}" for name in withheld}
    done = answer(pool, tmp_path / "b.csv", truth, *check)
    assert (done["labelled"] > 3, done["unsent"]) == (True, 0)  # also of those that it withholds once more
    done = answer(pool, tmp_path / "c.csv", truth)
    assert done["unsent"] == 0
    assert rounds_of(pool, withheld) == [1] * len(withheld)


def test_declined_images_came_back(pool: Project, tmp_path: Path) -> None:
    """As `status` has it; a further file tells what it brought."""
    names = sent(pool, tmp_path / "1.csv", "-k", 12)
    run(pool, "import-labels", declined(tmp_path / "a.csv", names[:7]))
    assert "open: 5 out, 7 back" in CliRunner().invoke(app, ["status", str(pool.pool)]).stdout
    assert "; round 1: 3 came back, 2 still out" in run(
        pool, "import-labels", declined(tmp_path / "b.csv", names[7:10])
    )


def declined(path: Path, names: list[str]) -> Path:
    path.write_text("file_name,label,status\n" + "".join(f"{name},,skipped\n" for name in names))
    return path
