"""The measurements of the README: their methods exist, and their tables can be printed from small files."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import alcli
import pytest
from alcli.simulation import Method

FOLDER = Path(__file__).parent / "benchmarks" / "reproduce"
NAMES = sorted(path.stem for path in FOLDER.glob("[a-z]*.py") if "MEASUREMENT = " in path.read_text())
README = (FOLDER.parents[2] / "README.md").read_text(encoding="utf-8")
HEADINGS = "method,seed,round,labels,pseudo_labels,pseudo_precision,accuracy,macro_f1,batch,error"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("_experiment")


def lines(method: str, seed: int, *values: float) -> list[str]:
    """Return a line a round, 100 labels each."""
    return [
        f"{method},{seed},{number},{100 * (number + 1)},0,,{value},{value},0,"
        for number, value in enumerate(values)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_method_can_be_parsed_and_none_is_named_twice(name: str, script: ModuleType) -> None:
    measurement = importlib.import_module(name).MEASUREMENT
    found = [Method.parse(method) for method in measurement.methods]
    assert measurement.name == name
    assert {method.strategy for method in found} <= set(alcli.strategies())
    assert len({method.name for method in found}) == len(found)


def test_fashion_mnist_says_of_every_strategy_whether_it_takes_part(script: ModuleType) -> None:
    fashion = importlib.import_module("fashion_mnist")
    compared = {Method.parse(method).strategy for method in fashion.MEASUREMENT.methods}
    assert {*fashion.SETTINGS, *fashion.EXCLUDED} <= set(alcli.strategies())
    assert compared.isdisjoint(fashion.EXCLUDED)
    assert compared | set(fashion.EXCLUDED) == set(alcli.strategies())


def test_a_measurement_is_one_command(script: ModuleType) -> None:
    words = importlib.import_module("gregus_cifar10").MEASUREMENT.command(Path("work"), jobs=2)
    assert " ".join(words) == (
        "simulate work/cifar10 --method least-confidence --method margin --method entropy --model lenet "
        "--initial 1000 --batch 5000 --rounds 1 --epochs 20 --seeds 7 --jobs 2 "
        "--output work/gregus_cifar10.parquet"
    )


def test_a_table_is_printed_from_the_file_alone(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    margin = [*lines("margin", 0, 0.5, 0.7), *lines("margin", 1, 0.5, 0.7)]
    random = [*lines("random", 0, 0.5, 0.6), *lines("random", 1, 0.5, 0.6)]
    (tmp_path / "dal_mnist.csv").write_text("\n".join([HEADINGS, *random, *margin, ""]), encoding="utf-8")
    measurement = importlib.import_module("dal_mnist").MEASUREMENT
    script.main(measurement, ["--table", "--into", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "(2 seeds)" in printed
    (row,) = [line for line in printed.splitlines() if line.startswith("| `margin`")]
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[2:4] == ["50.0 ± 0.0", "70.0 ± 0.0"]
    assert "+5.0 ± 0.0" in cells  # the mean over the width: (0 + 10) / 2 points above random
    assert "right, in %" not in printed


def test_columns_that_say_nothing_are_left_out(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    means = {"random": 0.5, "random+bootstrap-soft": 0.6}
    runs = [line for method, mean in means.items() for seed in (0, 1) for line in lines(method, seed, mean)]
    (tmp_path / "reed_mnist.csv").write_text("\n".join([HEADINGS, *runs, ""]), encoding="utf-8")
    script.main(importlib.import_module("reed_mnist").MEASUREMENT, ["--table", "--into", str(tmp_path)])
    assert "| method | 100 labels | to random | p | real? |\n| --- | ---: |" in capsys.readouterr().out


def test_the_precision_of_pseudo_labels_is_told_by_round(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        "random,0,0,100,0,,0.5,0.5,0,",
        "random,0,1,200,0,,0.6,0.6,0,",
        "random+pseudo,0,0,100,0,,0.5,0.5,0,",
        "random+pseudo,0,1,100,100,0.8125,0.55,0.55,0,",
    ]
    (tmp_path / "triplet_al_cifar10.csv").write_text("\n".join([HEADINGS, *rows, ""]), encoding="utf-8")
    measurement = importlib.import_module("triplet_al_cifar10").MEASUREMENT
    script.main(measurement, ["--table", "--into", str(tmp_path)])
    assert "| method | round 1 |\n| --- | ---: |\n| `random+pseudo` | 81.2 |" in capsys.readouterr().out


def test_a_run_needs_to_know_where_the_data_are(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        script.main(importlib.import_module("dal_mnist").MEASUREMENT, [])
    assert "DATA and WORK are needed" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.csv")))
def test_the_readme_shows_what_was_measured(
    name: str, script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(name)
    curves = hasattr(module, "MEASUREMENT")
    if curves:
        script.main(module.MEASUREMENT, ["--table"])
    else:
        module.main(["--table"])
    tables = [block for block in capsys.readouterr().out.strip().split("\n\n") if block.startswith("|")]
    assert tables
    for table in tables:
        assert table in README, f"run `python tests/benchmarks/reproduce/{name}.py --table`"
    if curves:
        assert f"tests/benchmarks/reproduce/{name}.svg" in README
        assert (FOLDER / f"{name}.svg").is_file()
