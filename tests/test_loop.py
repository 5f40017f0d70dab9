"""The whole loop through the command line, as a script would run it."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest
from alcli import inference
from alcli import manifest as manifests
from alcli.main import app
from typer.testing import CliRunner, Result

from tests.conftest import draw

SHADES = {"bright": 220, "dark": 30, "middle": 125}


def alcli(*arguments: object, code: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == code, done.stderr
    return done


def make_pool(pool: Path, *, shuffled: int | None = None) -> Path:
    """Write 24 labelled and 60 unlabelled images; `shuffled` writes the same files in another order."""
    wanted = [(name, f"{name}/{index:03d}.png", index) for name in SHADES for index in range(8)]
    wanted += [
        (name, f"unlabelled/{name[0]}{index:03d}.png", 100 + index) for name in SHADES for index in range(20)
    ]
    if shuffled is not None:
        random.Random(shuffled).shuffle(wanted)  # noqa: S311
    for name, path, seed in wanted:
        draw(pool / path, shade=SHADES[name], seed=seed)
    return pool


def answer(listing: Path, answered: Path, share: float = 1.0) -> Path:
    """Play the vendor: the file's name tells the class; only the first `share` of the rows are answered."""
    with listing.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[: round(share * len(rows))]:
        row["label"] = next(name for name in SHADES if name[0] == Path(row["file_name"]).name[0])
    with answered.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return answered


def test_round_and_round_again(tmp_path: Path) -> None:
    pool = make_pool(tmp_path / "pool")
    alcli("init", pool)
    for number in (1, 2):
        alcli("train", "--epochs", 3, "--use-pseudo-labels", pool)
        alcli("score", pool)
        done = alcli("select", "--strategy", "margin", "-k", 10, "--audit", "20%", pool)
        listing = Path(done.stdout.strip())
        assert listing == pool / f".alcli/rounds/{number:04d}/selection.csv"
        answered = answer(listing, tmp_path / f"batch-{number}.csv", share=0.5)
        alcli("import-labels", answered, pool)
        half = json.loads(alcli("status", "--json", pool).stdout)
        assert half["rounds_out"] == {str(number): 5}
        alcli("import-labels", answer(listing, answered), pool)
        alcli("pseudolabel", "--method", "confidence", "-k", 5, pool)
    counts = json.loads(alcli("status", "--json", pool).stdout)
    assert counts["labelled"] == 24 + 20
    assert counts["rounds_out"] == {}
    assert counts["pseudo_labelled"] > 0
    assert [audit["n"] for audit in counts["audits"]] == [2, 2]
    manifest = manifests.read(pool / "metadata.parquet")
    assert (manifest.equals("label_round", 1).sum(), manifest.equals("label_round", 2).sum()) == (10, 10)
    assert not (manifest.labelled & manifest.filled("pseudo_label")).any()
    journal = (pool / ".alcli/journal.jsonl").read_text().splitlines()
    commands = [json.loads(line)["command"] for line in journal]
    assert commands.count("select") == 2
    assert commands.count("train") == 2


@pytest.mark.parametrize("strategy", ["margin", "triplet-margin", "random", "bald"])
def test_the_same_inputs_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    """Other worker counts, chunk sizes and orders of file creation change nothing."""
    selections = []
    for number, (workers, part) in enumerate([(0, 16_384), (2, 16_384), (1, 20)]):
        monkeypatch.setattr(inference, "ROWS_PER_PART", part)
        pool = make_pool(tmp_path / str(number) / "pool", shuffled=number)
        alcli("init", pool)
        alcli("train", "--epochs", 2, "--workers", workers, pool)
        alcli("score", "--mc-samples", 4, "--batch-size", 20, "--workers", workers, pool)
        done = alcli("select", "--strategy", strategy, "-k", 25, "--audit", "10%", pool)
        selections.append(Path(done.stdout.strip()).read_bytes())
    assert selections[0] == selections[1] == selections[2]
    assert len(selections[0].splitlines()) == 26


def test_a_pool_that_cannot_be_written_keeps_its_state_elsewhere(tmp_path: Path) -> None:
    pool, state = make_pool(tmp_path / "pool"), tmp_path / "state"
    before = sorted(pool.rglob("*"))
    for command in (["init"], ["train", "--epochs", 1], ["score"], ["select", "-k", 3], ["status"]):
        alcli(*command, "--state", state, pool)
    assert sorted(pool.rglob("*")) == before
    assert (state / "metadata.parquet").exists()
    assert (state / ".alcli/rounds/0001/selection.csv").exists()


def test_undo_takes_the_loop_back_step_by_step(tmp_path: Path) -> None:
    pool = make_pool(tmp_path / "pool")
    alcli("init", pool)
    after_init = (pool / "metadata.parquet").read_bytes()
    first = Path(alcli("select", "--strategy", "random", "-k", 4, pool).stdout.strip()).read_bytes()
    alcli("undo", pool)
    assert (pool / "metadata.parquet").read_bytes() == after_init
    again = Path(alcli("select", "--strategy", "random", "-k", 4, pool).stdout.strip()).read_bytes()
    assert again == first


@pytest.mark.parametrize("strategy", ["entropy", "ceal-fusion"])
def test_the_loop_of_ceal(tmp_path: Path, strategy: str) -> None:
    """CEAL_EN and CEAL_FUSION: pseudo-labels of a round are trained on and gone in the next; answers stay answers."""
    pool, guesses = make_pool(tmp_path / "pool"), []
    ceal = ["--method", "entropy", "--threshold", 0.6, "--decay", "linear", "--rate", 0.25]
    train = ["train", "--epochs", 4, "--lr", 0.005, "--batch-size", 8, "--embedding", "none"]
    alcli("init", pool)
    alcli(*train, pool)
    answers: dict[str, str] = {}
    for number, delta in enumerate([0.6, 0.35, 0.1], start=1):
        alcli("score", pool)
        listing = Path(alcli("select", "--strategy", strategy, "-k", 8, pool).stdout.strip())
        assert not manifests.read(pool / "metadata.parquet").filled("pseudo_label").any()
        told = json.loads(alcli("pseudolabel", *ceal, "--json", pool).stdout)
        assert (told["step"]["t"], told["step"]["delta"]) == (number - 1, delta)
        manifest = manifests.read(pool / "metadata.parquet")
        guessed = manifest.filled("pseudo_label")
        assert guessed.sum() == told["labelled"]
        assert not (guessed & (manifest.out | manifest.labelled)).any()
        assert (guessed == manifest.equals("pseudo_method", "ceal-entropy")).all()
        assert (guessed == manifest.equals("pseudo_round", number)).all()
        answered = answer(listing, tmp_path / "answered.csv")
        if number == 2:  # people have the last word, right or wrong
            text = answered.read_text()
            answered.write_text(text.replace(",bright,", ",dark,"))
        with answered.open(newline="") as file:
            answers |= {row["file_name"]: row["label"] for row in csv.DictReader(file)}
        alcli("import-labels", answered, pool)
        trained = json.loads(alcli(*train, "--use-pseudo-labels", "--warm-start", "--json", pool).stdout)
        counts = json.loads(alcli("status", "--json", pool).stdout)
        assert counts["pseudo_labelled"] == told["labelled"]
        assert trained["pseudo_labelled"] == told["labelled"]
        guesses.append(told["labelled"])
    assert all(guesses[:2])
    manifest = manifests.read(pool / "metadata.parquet")
    labels = dict(zip(manifest.strings("file_name"), manifest.strings("label"), strict=True))
    assert {name: labels[name] for name in answers} == answers
    assert len(answers) == 24
    assert manifest.labelled.sum() == 24 + 24
    alcli("undo", pool)  # the answers
    alcli("undo", pool)  # the pseudo-labels
    alcli("undo", pool)  # the selection: those of round 2 are back
    back = manifests.read(pool / "metadata.parquet")
    assert (back.round, int(back.equals("pseudo_round", 2).sum())) == (2, guesses[1])
