"""Signals from a user's own model: every row is checked, and nothing is kept of a bad file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from alcli import external, ledger, models
from alcli.errors import InputRejected
from alcli.main import app
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.signals import SignalStore
from typer.testing import CliRunner

NAMES = [f"u/{number}.png" for number in range(6)]


@pytest.fixture
def pool(tmp_path: Path) -> Project:
    project = Project.open(tmp_path)
    manifest = Manifest.build({"file_name": NAMES, "size": [1] * 6, "mtime_ns": [1] * 6}, ["cat", "dog"])
    with ledger.writing(project, "init"):
        ledger.commit(project, manifest, command="init")
    return project


def write(path: Path, columns: dict[str, Any], metadata: dict[bytes, bytes] | None = None) -> Path:
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    return path


def outputs(**changes: Any) -> dict[str, Any]:
    p = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [1.0, 0.0], [0.6, 0.4], [0.3, 0.7]])
    return {
        "file_name": NAMES,
        "probabilities": p.tolist(),
        "embeddings": np.eye(6)[:, :3].tolist(),
        **changes,
    }


def test_outputs_become_signals_of_a_model_record(pool: Project, tmp_path: Path) -> None:
    taken = external.take_in(pool, write(tmp_path / "o.parquet", outputs()))
    record = models.newest(pool)
    assert (record.id, record.external, record.classes) == (taken.model, True, ["cat", "dog"])
    store = SignalStore(record.signals(pool))
    manifest = Manifest.build({"file_name": NAMES, "size": [1] * 6, "mtime_ns": [1] * 6}, ["cat", "dog"])
    found = store.read(["probabilities", "margin", "prediction", "embeddings", "entropy"], manifest.keys)
    assert found["margin"] == pytest.approx([0.8, 0.0, 0.6, 1.0, 0.2, 0.4], abs=1e-6)
    assert found["prediction"].tolist() == [0, 0, 1, 0, 0, 1]
    assert found["entropy"][1] == pytest.approx(np.log(2))
    assert found["entropy"][3] == 0
    assert found["embeddings"].dtype == np.float16


def test_the_same_file_twice_changes_nothing(pool: Project, tmp_path: Path) -> None:
    path = write(tmp_path / "o.parquet", outputs())
    first = external.take_in(pool, path)
    second = external.take_in(pool, path)
    assert (second.model, second.unchanged, len(models.all_models(pool))) == (first.model, True, 1)


def test_class_order_of_the_file_is_kept(pool: Project, tmp_path: Path) -> None:
    said = {b"alcli.classes": json.dumps(["dog", "cat"]).encode()}
    external.take_in(pool, write(tmp_path / "o.parquet", outputs(), said))
    assert models.newest(pool).classes == ["dog", "cat"]


def test_mc_probabilities_are_passes_by_classes(pool: Project, tmp_path: Path) -> None:
    mc = np.full((6, 4, 2), 0.5).tolist()
    external.take_in(pool, write(tmp_path / "o.parquet", {"file_name": NAMES, "mc_probabilities": mc}))
    assert SignalStore(models.newest(pool).signals(pool)).shapes == {"mc_probabilities": (4, 2)}


def test_rounding_does_not_make_a_value_wrong(pool: Project, tmp_path: Path) -> None:
    """What a mean over float32 or a logarithm of p + 1e-7 gives: next to the end of its range, and taken as this."""
    ends = {"confidence": [1.0000001] * 6, "margin": [-1e-8] * 6, "entropy": [-1e-7] * 6}
    external.take_in(pool, write(tmp_path / "o.parquet", {"file_name": NAMES, **ends}))
    store = SignalStore(models.newest(pool).signals(pool))
    found = store.read(list(ends), store.keys)
    assert [values.tolist() for values in found.values()] == [[1.0] * 6, [0.0] * 6, [0.0] * 6]


def test_part_of_the_pool_is_enough_and_is_said(
    pool: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    few = {name: values[:4] for name, values in outputs().items()}
    assert external.take_in(pool, write(tmp_path / "o.parquet", few)).missing == 2
    assert "2 readable images" in caplog.text


NAN = [[0.9, 0.1], [float("nan"), 0.5], [0.2, 0.8], [1.0, 0.0], [0.6, 0.4], [0.3, 0.7]]
NONE = float("nan")
EMPTY = pa.array([[]] * 6, pa.list_(pa.float32()))
LOGITS = [[2.0, -1.0]] * 6


@pytest.mark.parametrize(
    ("columns", "message", "detail"),
    [
        pytest.param(outputs(probabilities=NAN), "not finite in 1 rows", "u/1.png", id="nan"),
        pytest.param(outputs(embeddings=[[1e9]] + [[1.0]] * 5), "are beyond 65504", "u/0.png", id="overflows float16"),
        pytest.param(outputs(probabilities=LOGITS), "are not in", "u/0.png", id="logits"),
        pytest.param(outputs(probabilities=[[0.5, 0.505]] * 6), "are not in", "u/0.png", id="sum"),
        pytest.param(outputs(prediction=[0, 1, 2, 0, 1, 0]), "prediction of 1 rows is no", "u/2.png", id="class"),
        pytest.param(outputs(prediction=[0, -1, 1, 0, 1, 0]), "prediction of 1 rows is no", "u/1.png", id="no class"),
        pytest.param(outputs(prediction=[0.5, 1, 1, 0, 1, 0]), "prediction of 1 rows is no", "u/0.png", id="half"),
        pytest.param(outputs(confidence=[1, 0.9, 1.2, 0, 1, 7]), "confidence of 2 rows is not from 0 to 1", "u/2.png", id="sure"),
        pytest.param(outputs(confidence=[1, -0.1, 1, 0, 1, 1]), "confidence of 1 rows is not from 0", "u/1.png", id="unsure"),
        pytest.param(outputs(confidence=[1, 1, 1, NONE, 1, 1]), "confidence is not finite in 1 rows", "u/3.png", id="none"),
        pytest.param(outputs(margin=[1, 1, 1, 1.5, 1, 1]), "margin of 1 rows is not from 0 to 1", "u/3.png", id="margin"),
        pytest.param(outputs(entropy=[0, 0, 0, 0, 0, -1]), "entropy of 1 rows is not from 0", "u/5.png", id="entropy"),
        pytest.param(outputs(gradient_lengths=[1, 1, 1, 3, 1, -1]), "of 1 rows is below 0", "u/5.png", id="length"),
        pytest.param(outputs(adversarial_distances=[-1, 1, 1, 3, 1, 1]), "of 1 rows is below 0", "u/0.png", id="distance"),
        pytest.param(outputs(embeddings=EMPTY), "embeddings of 6 rows are empty", "u/0.png", id="no embeddings"),
        pytest.param(outputs(mc_probabilities=[[[0.5, 0.5]]] * 6), "at least 2 do", None, id="one pass"),
        pytest.param(outputs(probabilities=[[0.2, 0.3, 0.5]] * 6), "3 classes, the pool has 2", None, id="classes"),
        pytest.param(outputs(file_name=[*NAMES[:5], "no.png"]), "1 images that the pool does not", "no.png", id="unknown"),
        pytest.param(outputs(file_name=[*NAMES[:5], NAMES[0]]), "1 images more than once", "u/0.png", id="twice"),
        pytest.param(outputs(embeddings=[[1.0]] * 5 + [[1.0, 2.0]]), "rows differ in length", None, id="ragged"),
        pytest.param(outputs(embeddings=[1.0] * 6), "1 axes a row are expected", None, id="flat"),
        pytest.param({"probabilities": LOGITS}, "needs alcli_id or file_name", None, id="no key"),
        pytest.param({"file_name": NAMES, "logits": LOGITS}, "at least one of", None, id="no signal"),
    ],
)  # fmt: skip
def test_a_bad_file_is_rejected_and_leaves_nothing(
    pool: Project, tmp_path: Path, columns: dict[str, Any], message: str, detail: str | None
) -> None:
    with pytest.raises(InputRejected, match=message) as failure:
        external.take_in(pool, write(tmp_path / "o.parquet", columns))
    assert detail is None or failure.value.details[0] == detail
    assert models.all_models(pool) == []
    assert not list(pool.signals.glob("*"))


@pytest.mark.parametrize("name", ["embeddings", "triplet_embeddings"])
@pytest.mark.parametrize(
    ("factor", "told"),
    [
        (1e5, "{name} of 1 rows are beyond 65504, the largest number that float16 keeps"),
        (1e-9, "{name} of 1 rows become 0 in float16, which keeps nothing below 6e-08"),
    ],
)
def test_embeddings_that_float16_does_not_keep(
    pool: Project, tmp_path: Path, name: str, factor: float, told: str
) -> None:
    """The numbers are fine: what is kept of them is said, and what to do. A row of zeros is one in the file."""
    points = np.eye(6)[:, :3]
    points[1] *= factor
    columns = outputs(**{name: points.tolist()})
    command = ["score", "--from", str(write(tmp_path / "o.parquet", columns)), str(pool.pool)]
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, done.stdout) == (5, "")
    assert done.stderr.splitlines() == [
        f"error: {tmp_path / 'o.parquet'}: {told.format(name=name)}",
        f"  {NAMES[1]}",
        "hint: scale the column, for example divide it by its largest norm",
    ]
    assert not pool.models.exists()


def test_an_entropy_that_so_many_classes_cannot_have(pool: Project, tmp_path: Path) -> None:
    """Two classes have at most ln 2 = 0.6931: in bits it would be 1."""
    command = ["score", str(pool.pool), "--from", str(tmp_path / "o.parquet")]
    columns = {"file_name": NAMES, "entropy": [0.0, 0.1, 0.2, 0.3, 0.6931472, 1.0]}
    write(tmp_path / "o.parquet", columns)
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 5
    assert "entropy of 1 rows is not from 0 to 0.6931, the logarithm of 2 classes" in done.stderr
    assert f"  {NAMES[5]}\n" in done.stderr
    assert "hint: entropies are natural logarithms; alcli score --from FILE --classes a,b,c" in done.stderr
    assert CliRunner().invoke(app, [*command, "--classes", "cat,dog,cow"]).exit_code == 0


@pytest.mark.parametrize(
    "said",
    [b"{", b"[" * 100_000, b"5", b"null", b'{"cat": 1}', b"[1, 2]", rb'["\ud800", "dog"]', b"\xff"],
    ids=["torn", "deep", "a number", "null", "an object", "numbers", "half a character", "not UTF-8"],
)
def test_class_names_that_are_none(pool: Project, tmp_path: Path, said: bytes) -> None:
    path = write(tmp_path / "o.parquet", outputs(), {b"alcli.classes": said})
    with pytest.raises(InputRejected, match=r"alcli\.classes are not a JSON list") as failure:
        external.take_in(pool, path)
    assert "--classes" in (failure.value.hint or "")
    assert models.all_models(pool) == []
    assert external.take_in(pool, path, classes=["dog", "cat"]).images == 6


def test_a_column_that_stands_twice(pool: Project, tmp_path: Path) -> None:
    table = pa.table(outputs())
    pq.write_table(table.append_column("probabilities", table["probabilities"]), tmp_path / "o.parquet")
    with pytest.raises(InputRejected, match="probabilities stands more than once"):
        external.take_in(pool, tmp_path / "o.parquet")


def test_damage_behind_the_header_leaves_nothing(pool: Project, tmp_path: Path) -> None:
    path = write(tmp_path / "o.parquet", outputs())
    data = bytearray(path.read_bytes())
    data[10:40] = b"\xff" * 30
    path.write_bytes(data)
    with pytest.raises(InputRejected, match="is damaged"):
        external.take_in(pool, path)
    assert models.all_models(pool) == []
    assert not list(pool.signals.glob("*"))


def test_a_name_or_a_value_that_cannot_be_read(pool: Project, tmp_path: Path) -> None:
    bad = pa.array([b"\xff"] * 6).view(pa.string())
    with pytest.raises(InputRejected, match="column file_name: 'utf-8'"):
        external.take_in(pool, write(tmp_path / "o.parquet", outputs(file_name=bad)))
    late = pa.array([10**18] * 6, pa.timestamp("ms"))
    with pytest.raises(InputRejected, match="column entropy"):
        external.take_in(pool, write(tmp_path / "o.parquet", {"file_name": NAMES, "entropy": late}))


def test_a_file_that_is_not_parquet(pool: Project, tmp_path: Path) -> None:
    (tmp_path / "o.parquet").write_text("file_name,probabilities")
    with pytest.raises(InputRejected, match="not a Parquet file"):
        external.take_in(pool, tmp_path / "o.parquet")
