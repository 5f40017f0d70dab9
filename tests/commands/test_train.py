"""`alcli train` from the shell's side: files, streams, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from alcli.main import app
from typer.testing import CliRunner

QUICK = ["--epochs", "3", "--device", "cpu", "--workers", "0"]


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def pool(image_folder: Path) -> str:
    assert run("init", str(image_folder), "-q")[0] == 0
    return str(image_folder)


def test_it_trains_says_how_good_the_model_is_and_prints_nothing_on_stdout(pool: str) -> None:
    code, out, err = run("train", pool, *QUICK)
    assert (code, out) == (0, "")
    assert "model 0001-" in err
    assert "lenet" in err
    assert len(list(Path(pool).glob(".alcli/models/0001-*/model.json"))) == 1
    code, out, err = run("train", pool, *QUICK)
    assert (code, out) == (0, "")
    assert "is up to date" in err


def test_json_is_the_only_thing_on_stdout(pool: str) -> None:
    code, out, _ = run(
        "train", pool, *QUICK, "--json", "--model", "lenet5", "--embedding", "none", "--seed", "3"
    )
    summary = json.loads(out)
    assert code == 0
    assert summary["schema"] == "alcli/train/1"
    assert summary["architecture"] == "lenet5"
    assert summary["trained"]
    about = json.loads(next(Path(pool).glob(".alcli/models/0001-*/model.json")).read_bytes())
    assert (about["seed"], about["embedding"], about["options"]["epochs"]) == (3, "none", 3)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--model", "lenett"], 2, "unknown model 'lenett'; did you mean lenet"),
        (["--device", "cuda:4096"], 2, "device cuda:4096 is not there"),
        (["--weights", "nowhere.pth"], 5, "no file of weights at nowhere.pth"),
        (["--embedding", "pairs"], 2, "unknown --embedding 'pairs'"),
        (["--augment", "flip"], 2, "unknown --augment 'flip'"),
        (["--epochs", "0"], 2, "--epochs"),
    ],
)
def test_mistakes_end_with_their_exit_code_and_change_nothing(
    pool: str, options: list[str], code: int, message: str
) -> None:
    found, out, err = run("train", pool, *QUICK, *options)
    assert (found, out) == (code, "")
    assert message in err
    assert not list(Path(pool).glob(".alcli/models/[0-9]*"))


def test_weights_that_do_not_fit_are_rejected(pool: str) -> None:
    assert run("train", pool, *QUICK, "--model", "lenet5")[0] == 0
    weights = next(Path(pool).glob(".alcli/models/*/classifier.safetensors"))
    code, _, err = run("train", pool, *QUICK, "--model", "lenet", "--weights", str(weights))
    assert code == 5
    assert "do not fit lenet: " in err


def test_before_init_it_says_what_to_do(image_folder: Path) -> None:
    code, _, err = run("train", str(image_folder))
    assert code == 3
    assert "alcli init" in err


def test_more_unreadable_images_than_allowed(pool: str) -> None:
    for number in range(3):
        (Path(pool) / f"dark/00{number}.png").write_bytes(b"")
    code, _, err = run("train", pool, *QUICK, "--max-bad", "2")
    assert code == 5
    assert "3 labelled images are unreadable, more than --max-bad 2" in err
    code, _, err = run("train", pool, *QUICK, "--max-bad", "3")
    assert code == 0
