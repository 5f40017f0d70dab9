"""What the measurements share: one `alcli simulate`, then its figures as CSV, its curves as SVG, a table as Markdown.

    python tests/benchmarks/reproduce/NAME.py DATA WORK [--seeds S] [--jobs J]
    python tests/benchmarks/reproduce/NAME.py --table

DATA holds the official files (mnist/*.gz, fashion-mnist/*.gz, cifar10/cifar10-jpeg.tar.xz). WORK takes the pools, made
of them once, and NAME.parquet, the table of the simulation. A killed run goes on where it stopped; more seeds may be
added later. `--so-far` makes the files of an unfinished run, `--table` only reads NAME.csv beside the script. The other
options make a run smaller, to try it out: use another WORK and another `--into` for that, as a table holds one
experiment.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _pools
import numpy as np

Columns = dict[str, list[Any]]

_HERE = Path(__file__).parent
_KINDS: dict[str, Callable[[str], Any]] = {
    "method": str,
    "seed": int,
    "round": int,
    "labels": int,
    "pseudo_labels": int,
    "pseudo_precision": float,
    "accuracy": float,
    "macro_f1": float,
    "batch": str,  # digest of the images that the round added: whoever reruns this can see that it is the same
    "error": str,
}
_STAGES = ("train_seconds", "score_seconds", "select_seconds")
_LEVEL = 0.95


@dataclass(frozen=True)
class Measurement:
    """One experiment of the README.

    Attributes:
        name: Of the script, and of what it writes.
        data: `mnist`, `fashion-mnist` or `cifar10`.
        methods: As `--method`; `random` comes by itself.
        model: As `--model`.
        initial: Random first labels.
        batch: Images that each round adds.
        rounds: How many.
        epochs: Of each training; None leaves them to `train`.
        seeds: Repetitions.
        pool_size: Images of the pool, drawn for each seed; None for all.
        metric: That the table is about.
        more: Further options of `simulate`.
    """

    name: str
    data: str
    methods: tuple[str, ...]
    model: str
    initial: int
    batch: int
    rounds: int
    epochs: int | None
    seeds: int = 5
    pool_size: int | None = None
    metric: str = "accuracy"
    more: tuple[str, ...] = ()

    def command(self, work: Path, jobs: int) -> list[str]:
        """Return the arguments of `alcli`."""
        sizes = {
            "model": self.model,
            "initial": self.initial,
            "batch": self.batch,
            "rounds": self.rounds,
            "epochs": self.epochs,
            "seeds": self.seeds,
            "pool-size": self.pool_size,
            "jobs": jobs,
            "output": work / f"{self.name}.parquet",
        }
        options = [
            part for name, value in sizes.items() if value is not None for part in (f"--{name}", str(value))
        ]
        methods = [part for method in self.methods for part in ("--method", method)]
        return ["simulate", str(work / self.data), *methods, *options, *self.more]


Run = Callable[[Measurement, Path, Path, int], None]


def main(measurement: Measurement, arguments: Sequence[str] | None = None, *, run: Run | None = None) -> None:
    """Run a measurement, or only print its table.

    Args:
        measurement: Which.
        arguments: Of the script; None takes those of the command line.
        run: Makes WORK/NAME.parquet of the measurement, DATA, WORK and the number of jobs; None is `alcli simulate`.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", metavar="DATA")
    parser.add_argument("work", type=Path, nargs="?", metavar="WORK")
    parser.add_argument("--table", action="store_true", help="read NAME.csv, print the table")
    parser.add_argument(
        "--so-far", action="store_true", help="run nothing, take what has been measured so far"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--into", type=Path, default=_HERE, help="folder of NAME.csv and NAME.svg")
    sizes = ("seeds", "rounds", "initial", "batch", "epochs", "pool_size")
    for name in sizes:
        default = getattr(measurement, name)
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=int, default=default, help=f"default: {default}"
        )
    asked = parser.parse_args(arguments)
    if not asked.table:
        if asked.work is None:
            parser.error("DATA and WORK are needed, or --table")
        measurement = dataclasses.replace(measurement, **{name: getattr(asked, name) for name in sizes})
        if not asked.so_far:
            (run or _simulate)(measurement, asked.data, asked.work, asked.jobs)
        asked.into.mkdir(parents=True, exist_ok=True)
        columns = _write(measurement, asked.work, asked.into)
        _draw(measurement, columns, asked.into)
    print(table(measurement, read(asked.into / f"{measurement.name}.csv")))


def _simulate(measurement: Measurement, data: Path, work: Path, jobs: int) -> None:
    """Make the pool and simulate; where anything failed, the script ends as `alcli` does."""
    _pools.pool(measurement.data, data, work)
    _alcli("init", str(work / measurement.data), "--val-fraction", "0", "--quiet")
    _alcli(*measurement.command(work, jobs))


def _alcli(*arguments: str) -> None:
    print(f"+ alcli {shlex.join(arguments)}", flush=True)
    command = [sys.executable, "-m", "alcli", *arguments]
    status = subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode
    if status:
        raise SystemExit(status)


def _write(measurement: Measurement, work: Path, into: Path) -> Columns:
    """Write NAME.csv from the simulation's table; return the table."""
    import pyarrow.parquet as pq

    columns = pq.read_table(work / f"{measurement.name}.parquet").to_pydict()
    _tell_seconds(columns)
    with (into / f"{measurement.name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_KINDS)
        for values in zip(*(columns[name] for name in _KINDS), strict=True):
            writer.writerow([f"{value:.4f}" if isinstance(value, float) else value for value in values])
    return columns


def _tell_seconds(columns: Mapping[str, Sequence[Any]]) -> None:
    """Say what a round of each method took; it depends on the machine, so it is in no file."""
    print("mean seconds of a round: train, score, select")
    for method in dict.fromkeys(columns["method"]):
        rows = [at for at, name in enumerate(columns["method"]) if name == method]
        means = [_mean([columns[stage][at] for at in rows]) for stage in _STAGES]
        print(f"  {method}: {', '.join(means)}")


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.1f}" if known else "-"


def _draw(measurement: Measurement, columns: Columns, into: Path) -> None:
    from alcli import pictures

    pictures.save(
        pictures.learning_curves(columns, metric=measurement.metric), into / f"{measurement.name}.svg"
    )
    if any(columns["pseudo_labels"]):
        pictures.save(pictures.pseudo_precision(columns), into / f"{measurement.name}-precision.svg")


def read(path: Path) -> Columns:
    """Return a CSV file as columns, with the seconds that it does not hold as None."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    columns: Columns = {
        name: [kind(line[name]) if line[name] else None for line in lines] for name, kind in _KINDS.items()
    }
    return columns | {stage: [None] * len(lines) for stage in _STAGES}


def table(measurement: Measurement, columns: Columns) -> str:
    """Return all figures as Markdown, and what they show in words."""
    from alcli import verdict

    judged = verdict.judge(columns, metric=measurement.metric, level=_LEVEL)
    title, headings, rows = verdict.table(judged)
    seeds = sorted({seed for method in judged.methods for seed in method.seeds})
    parts = [f"{title} ({len(seeds)} seeds)", _markdown(headings, rows)]
    if any(columns["pseudo_labels"]):
        parts += ["Pseudo-labels that are right, in %", _markdown(*_precision(columns))]
    parts += ["\n".join(f"- {said}" for said in (judged.words, *judged.notes))]
    return "\n\n".join(parts)


def _precision(columns: Columns) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows: the precision of each method's pseudo-labels after every round."""
    from alcli.verdict.curves import estimate
    from alcli.verdict.figures import percent

    found: dict[str, dict[int, list[float]]] = {}
    for method, number, share in zip(
        columns["method"], columns["round"], columns["pseudo_precision"], strict=True
    ):
        if share is not None:
            found.setdefault(method, {}).setdefault(number, []).append(share)
    rounds = sorted({number for shares in found.values() for number in shares})
    rows = [
        [method, *(percent(estimate(np.array(shares[number]), _LEVEL)) if number in shares else "–" for number in rounds)]
        for method, shares in found.items()
    ]  # fmt: skip
    return ["method", *(f"round {number}" for number in rounds)], rows


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; columns that tell nothing of any method, as the area of one round, are left out."""
    told = [at for at, cells in enumerate(zip(*rows, strict=True)) if set(cells) != {"–"}]
    headings, rows = [headings[at] for at in told], [[row[at] for at in told] for row in rows]
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *([f"`{row[0]}`", *row[1:]] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
