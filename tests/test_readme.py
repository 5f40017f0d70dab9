"""What the README says is so."""

from __future__ import annotations

import csv
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import alcli
import pytest
from alcli.main import app
from typer.testing import CliRunner

from tests.conftest import draw

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def block(heading: str, language: str) -> str:
    """Return the code block of `language` that follows `heading`."""
    found = re.search(rf"{re.escape(heading)}.*?```{language}\n(.*?)```", README, re.DOTALL)
    assert found, f"README has no {language} block after {heading}"
    return found[1]


def section(heading: str) -> str:
    """Return the text between `heading` and the next one of its level."""
    return README.split(heading)[1].split("\n## ")[0]


def test_every_command_is_described() -> None:
    listed = re.findall(r"^\| `alcli ([a-z-]+)` \|", section("## Commands"), re.MULTILINE)
    assert sorted(listed) == sorted(str(command.name) for command in app.registered_commands)


def test_every_strategy_is_described_and_no_other() -> None:
    rows = re.findall(r"^\| (`[^|]+) \|", section("## Strategies"), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([a-z-]+)`", row)]
    assert sorted(named) == alcli.strategies()


def test_every_option_that_is_mentioned_exists() -> None:
    helps = "".join(
        CliRunner().invoke(app, [str(command.name), "--help"], terminal_width=200).stdout
        for command in app.registered_commands
    )
    known = set(re.findall(r"--[a-z][a-z-]+", helps)) | {"--version"}
    prose = README.split("## Developing")[0]
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", prose)) <= known


def test_the_loop_runs_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALCLI_TRAIN_EPOCHS", "2")  # quick, and the variable is in the README too
    shades = {"bright": 220, "dark": 30}
    for name, shade in shades.items():
        for index in range(8):
            draw(Path("pool") / name / f"{index}.png", shade=shade, seed=index)
        for index in range(20):
            draw(Path("pool/unlabelled") / f"{name}{index}.png", shade=shade, seed=99 + index)
    lines = [shlex.split(line, comments=True) for line in block("<!-- loop -->", "sh").splitlines()]
    for words in filter(None, lines):
        assert words[0] == "alcli"
        if words[1] == "import-labels":
            fill_in(Path("batch.csv"))
        done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
    assert "36" in done.stdout  # 16 + 20 labels


def test_ceal_runs_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALCLI_TRAIN_EPOCHS", "2")
    for name, shade in {"bright": 220, "dark": 30}.items():
        for index in range(8):
            draw(Path("pool") / name / f"{index}.png", shade=shade, seed=index)
        for index in range(120):
            draw(Path("pool/unlabelled") / f"{name}{index}.png", shade=shade, seed=99 + index)
    before, inside = block("<!-- ceal -->", "sh").split("for round in 1 2 3; do\n")
    inside, after = inside.split("done\n")
    assert not after
    for line in [*before.splitlines(), *inside.splitlines() * 3]:
        words = shlex.split(line, comments=True)
        if words[1:2] == ["import-labels"]:
            fill_in(Path("batch.csv"))
        if words:
            done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
            assert done.exit_code == 0, done.stderr
    told = CliRunner().invoke(app, ["status", "pool"])
    assert "166" in told.stdout + told.stderr  # 16 labels and three batches of 50


def test_a_vendor_is_checked_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    known = ["file_name,label"]
    for index in range(760):
        label = ("bright", "dark")[index % 2]
        draw(Path("pool") / f"{label}{index}.png", shade=(220, 30)[index % 2], side=8, seed=index)
        known += [f"{label}{index}.png,{label}"] if index < 40 else []
    Path("known.csv").write_text("\n".join(known), encoding="utf-8")
    for words in ("init pool --labels known.csv", "train pool --epochs 4 --model lenet", "score pool"):
        done = CliRunner().invoke(app, words.split(), catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
    lines = block("**Can the vendor be trusted?**", "sh").replace("\\\n", " ").splitlines()
    for words in (shlex.split(line, comments=True) for line in lines):
        if words[1] == "import-labels":
            answer(Path("batch.csv"), Path("answers.csv"), known)
        done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
    told = json.loads(Path("quality.json").read_text(encoding="utf-8"))
    assert told["gate"]["passed"]
    status = CliRunner().invoke(app, ["status", "pool"])
    assert "540" in status.stdout + status.stderr  # 40 labels and a batch of 500
    assert len(Path("again.csv").read_text(encoding="utf-8").splitlines()) == 201


def answer(sent: Path, answers: Path, known: list[str]) -> None:
    """Two people answer what was sent, 25 known images among it, and are right."""
    with sent.open(encoding="utf-8", newline="") as file:
        names = [row["file_name"] for row in csv.DictReader(file)]
    assert len(names) == 525
    assert sum(f"{name},{label_of(name)}" in known for name in names) == 25
    lines = [f"{name},{label_of(name)},{who}" for name in names for who in ("ann", "bob")]
    answers.write_text("\n".join(["file_name,label,annotator", *lines]), encoding="utf-8")


def test_the_simulation_is_one_that_would_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for index in range(1_110):
        label = ("bright", "dark")[index % 2]
        draw(
            Path("pool/test" if index < 10 else "pool/train") / label / f"{index}.png",
            shade=index % 2,
            side=4,
        )
    assert CliRunner().invoke(app, ["init", "-q", "pool"]).exit_code == 0
    words = shlex.split(block("<!-- simulate -->", "sh").replace("\\\n", " "))
    assert words[:2] == ["alcli", "simulate"]
    done = CliRunner().invoke(app, [*words[1:], "--dry-run"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    assert "would run 4 methods with 8 seeds, 10 rounds each" in done.stderr


def label_of(file_name: str) -> str:
    return "bright" if "bright" in file_name else "dark"


def fill_in(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["label"] = label_of(row["file_name"])
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_the_library_example_prints_what_it_says() -> None:
    done = subprocess.run(
        [sys.executable, "-c", block("## As a library", "python")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[2 1]\n"


def test_exit_codes_are_those_of_the_errors() -> None:
    from alcli import errors

    codes = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.AlcliError) and kind is not errors.AlcliError
    }
    section = README.split("## Exit codes")[1].split("\n## ")[0]
    listed = {
        int(code) for row in re.findall(r"^\| ([\d, ]+) \|", section, re.MULTILINE) for code in row.split(",")
    }
    assert listed == codes | {0, 1, 130, 141}
