"""`alcli train` from the shell's side: files, streams, exit codes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from alcli.main import app
from PIL import Image
from sklearn.datasets import load_digits
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
        (["--embedding", "none", "--embedding-epochs", "3"], 2, "which --embedding none does not train"),
        (
            ["--objective", "ccl", "--embedding-epochs", "3"],
            2,
            "--embedding-epochs cannot go with --objective ccl",
        ),
        (["--augment", "flip"], 2, "unknown --augment 'flip'"),
        (["--epochs", "0"], 2, "--epochs"),
        (["--loss", "bootstrap-heart"], 2, "unknown --loss 'bootstrap-heart'; did you mean bootstrap-hard"),
        (["--loss", "bootstrap-hard", "-O", "beta"], 2, "--option beta is not KEY=VALUE"),
        (["--loss", "bootstrap-hard", "-O", "beta=2"], 2, "it must be a number from 0 to 1"),
        (["--objective", "cc"], 2, "unknown --objective 'cc'; did you mean ccl"),
        (["--co-teaching", "--noise-rate", "1.5"], 2, "--noise-rate 1.5: a share in [0, 1) is needed"),
        (["--co-teaching"], 3, "--noise-rate auto needs a model that all labelled images were scored with"),
        (["--refine-pseudo", "mean"], 2, "--refine-pseudo needs --use-pseudo-labels"),
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


@pytest.fixture
def digits(tmp_path: Path) -> Callable[[str, float], str]:
    """Return a function that makes a pool of 200 digits to learn from, a share of them labelled wrong."""
    found = load_digits()
    chosen = np.random.default_rng(0).permutation(len(found.images))[:400]

    def make(name: str, wrong: float) -> str:
        rng, rows = np.random.default_rng(1), []
        for number, image in enumerate(chosen):
            file = f"{number:03d}.png"
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray((found.images[image] * 15.9).astype(np.uint8)).save(tmp_path / name / file)
            code = int(found.target[image])
            flipped = number < 200 and rng.random() < wrong
            rows.append(
                {
                    "file_name": file,
                    "label": (code + 1) % 10 if flipped else code,
                    "split": "test" if number >= 200 else "train",
                }
            )
        with (tmp_path / f"{name}.csv").open("w") as file:
            writer = csv.DictWriter(file, ["file_name", "label", "split"])
            writer.writeheader()
            writer.writerows(rows)
        options = ["--labels", str(tmp_path / f"{name}.csv"), "--val-fraction", "0", "-q"]
        assert run("init", str(tmp_path / name), *options)[0] == 0
        return str(tmp_path / name)

    return make


SMALL = ["--epochs", "25", "--model", "mlp", "--embedding", "none", "--device", "cpu", "--workers", "0"]


def accuracy(pool: str, *options: str) -> float:
    code, out, err = run("train", pool, *SMALL, *options, "--json")
    assert code == 0, err
    return float(json.loads(out)["metrics"]["test_accuracy"])


def test_wrong_labels_hurt_and_every_remedy_trains(digits: Callable[[str, float], str]) -> None:
    clean, noisy = digits("clean", 0.0), digits("noisy", 0.4)
    assert accuracy(clean) > accuracy(noisy) + 0.15
    remedies = {
        "bootstrap-soft": ["--loss", "bootstrap-soft"],
        "bootstrap-hard": ["--loss", "bootstrap-hard", "-O", "beta=0.6"],
        "bootstrap-reconstruction": ["--loss", "bootstrap-reconstruction"],
        "cross-entropy": ["--label-smoothing", "0.2", "--mixup", "0.4"],
    }
    for options in remedies.values():
        assert accuracy(noisy, *options) > 0.4  # a guess is right in one of ten cases
    records = [
        json.loads(path.read_bytes()) for path in sorted(Path(noisy).glob(".alcli/models/*/model.json"))
    ]
    assert [about["options"]["loss"] for about in records] == ["cross-entropy", *remedies]
    assert [about["options"]["parameters"] for about in records] == [
        {},
        {"beta": 0.95},
        {"beta": 0.6},
        {"beta": 0.005},
        {},
    ]
    assert (records[-1]["options"]["label_smoothing"], records[-1]["options"]["mixup"]) == (0.2, 0.4)


def test_co_teaching_at_an_estimated_noise_rate(digits: Callable[[str, float], str]) -> None:
    noisy = digits("noisy", 0.3)
    accuracy(noisy)
    assert run("score", noisy, "-q", "--device", "cpu", "--workers", "0")[0] == 0
    code, _, err = run("train", noisy, *SMALL, "--co-teaching", "-O", "ramp=5")
    assert code == 0
    assert "of the labels seem wrong, estimated by confident learning" in err
    about = json.loads(next(Path(noisy).glob(".alcli/models/0002-*/model.json")).read_bytes())
    assert about["options"]["noise_rate"]["value"] == pytest.approx(0.3, abs=0.15)
    assert about["options"]["noise_rate"]["source"].startswith("estimated from model 0001-")
    assert run("train", noisy, *SMALL, "--co-teaching", "-O", "ramp=5")[2].endswith("same seed\n")


def test_a_dry_run_trains_nothing(pool: str) -> None:
    code, out, err = run("train", pool, *QUICK, "--loss", "bootstrap-soft", "--dry-run")
    assert (code, out) == (0, "")
    assert "would train lenet" in err
    assert not list(Path(pool).glob(".alcli/models/[0-9]*"))
