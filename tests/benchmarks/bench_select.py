"""`alcli select` by margin over 1,000,000 scored rows, against the least that such a program can do.

The rival reads the manifest and the margin with pyarrow and takes one `np.partition`; it writes nothing.
Both are whole processes, started in turn. The pool is made up: file names, digests and signals as `init` and
`score` would have written them, ten classes.

    python tests/benchmarks/bench_select.py [ROWS [RUNS]]
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from alcli import files, ledger, models, uncertainty
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.signals import ROWS_PER_PART, Part, SignalStore

MODEL = "0001-aaaaaa"
CLASSES = [f"class-{code}" for code in range(10)]
RIVAL = """
import glob, sys
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
manifest = pq.read_table(sys.argv[1] + "/metadata.parquet")
parts = sorted(glob.glob(sys.argv[1] + "/.alcli/signals/*/part-*.arrow"))
tables = [pa.ipc.open_file(pa.memory_map(path)).read_all() for path in parts]
margin = np.concatenate([table["margin"].to_numpy() for table in tables])
best = np.partition(margin, 1000)[:1000]
"""


def make_pool(folder: Path, rows: int) -> Project:
    """Write a manifest of `rows` images, 1,000 of them labelled and 1 in 100 held out, and their signals."""
    random = np.random.default_rng(0)
    folder.mkdir()
    project = Project.open(folder)
    digests = random.bytes(32 * rows).hex()
    labels = np.full(rows, None, object)
    labels[random.choice(rows, min(1000, rows // 10), replace=False)] = CLASSES[0]
    splits = np.where(random.random(rows) < 0.01, "val", "train")
    columns = {
        "file_name": [f"images/batch_{row // 10_000:04d}/img_{row:08d}.jpg" for row in range(rows)],
        "label": pa.array(labels, pa.string()),
        "split": pa.array(splits),
        "size": random.integers(10_000, 1_000_000, rows),
        "mtime_ns": random.integers(1_700_000_000 * 10**9, 1_710_000_000 * 10**9, rows),
        "sha256": [digests[start : start + 64] for start in range(0, 64 * rows, 64)],
    }
    manifest = Manifest.build(columns, CLASSES)
    with ledger.writing(project, "init"):
        ledger.commit(project, manifest, command="init")
    about = {"id": MODEL, "kind": "trained", "embedding": "none", "classes": CLASSES}
    files.write_json(project.models / MODEL / models.RECORD, about)
    _score(project, manifest, random)
    return project


def _score(project: Project, manifest: Manifest, random: np.random.Generator) -> None:
    store = SignalStore(project.signals / MODEL)
    sizes, mtimes = (manifest.table[name].to_numpy() for name in ("size", "mtime_ns"))
    digests = manifest.strings("sha256")
    for start in range(0, len(manifest), ROWS_PER_PART):
        part = slice(start, min(start + ROWS_PER_PART, len(manifest)))
        probabilities = random.dirichlet(np.full(10, 0.3), part.stop - start).astype(np.float32)
        signals = {"probabilities": probabilities, **uncertainty.scalars(probabilities)}
        if not start:
            kinds = {name: {"shape": list(v.shape[1:]), "dtype": str(v.dtype)} for name, v in signals.items()}
            store.create(model=MODEL, transform=None, settings=None, signals=kinds)
        store.append(Part(manifest.keys[part], signals, sizes[part], mtimes[part], digests[part]))


def run(*command: str | Path) -> tuple[float, float]:
    """Return the seconds and the peak memory, in MiB, of one process."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *map(str, command)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def main(rows: int = 1_000_000, runs: int = 5) -> None:
    """Make the pool, time both programs in turn, print the medians and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "fresh"
        # In a process of its own: a child's peak memory is never below what its parent held when it started.
        subprocess.run([sys.executable, __file__, "make", fresh, str(rows)], check=True)
        ours, rival = [], []
        for number in range(runs):
            pool = Path(folder) / f"run-{number}"
            shutil.copytree(fresh, pool, copy_function=shutil.copy2)
            run("-c", RIVAL, pool)  # the files are in memory for both
            rival.append(run("-c", RIVAL, pool))
            ours.append(run("-m", "alcli", "select", "-q", "-k", "1000", pool))
            shutil.rmtree(pool)
    for name, measured in (("rival", rival), ("alcli select", ours)):
        seconds, memory = (statistics.median(values) for values in zip(*measured, strict=True))
        print(f"{name:13s} {seconds:6.2f} s  {memory:6.0f} MiB")
    ratio = statistics.median(mine[0] / other[0] for mine, other in zip(ours, rival, strict=True))
    print(f"{rows:,} rows: alcli select takes {ratio:.2f} times as long as the rival (at most 3 is the aim)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"]:
        make_pool(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(*map(int, sys.argv[1:]))
