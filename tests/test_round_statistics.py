"""What a round's record keeps of the pool: histogram, uncertainty, and predictions on the stop set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from alcli import files, ledger, models, rounds, selection, stopping
from alcli import manifest as manifests
from alcli.main import app
from alcli.project import Project
from alcli.request import Request
from alcli.selection import SelectionReport, Settings
from alcli.selection.statistics import histogram, kappa
from scipy.stats import entropy
from sklearn.metrics import cohen_kappa_score
from typer.testing import CliRunner

from tests.conftest import draw

Build = Callable[..., Project]


def random_probabilities(n: int, classes: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), n).astype(np.float32)


def select(project: Project, *, settings: Settings | None = None, **asked: Any) -> SelectionReport:
    return selection.select(project, Request(**asked), settings=settings or Settings())


def recorded(report: SelectionReport) -> dict[str, Any]:
    return dict(json.loads((report.path.parent / rounds.RECORD).read_text())["statistics"])


def stop_set(report: SelectionReport) -> dict[str, str]:
    table = pq.read_table(report.path.parent / rounds.STOP_SET).to_pydict()
    return dict(zip(table["alcli_id"], table["predicted_label"], strict=True))


def change_model(project: Project, probabilities: np.ndarray, number: int) -> None:
    """Take in another model's outputs, as `score --from` does."""
    table = {
        "file_name": manifests.read(project.manifest).strings("file_name"),
        "probabilities": list(probabilities.astype(np.float32)),
    }
    path = project.state / f"outputs-{number}.parquet"
    pq.write_table(pa.table(table), path)
    done = CliRunner().invoke(app, ["score", "--from", str(path), str(project.pool)], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr


# Histogram


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e12])
def test_the_histogram_is_numpys(scale: float) -> None:
    scores = np.random.default_rng(0).normal(size=1000) * scale
    chosen = np.sort(scores)[-50:]
    found = histogram(scores, chosen)
    counts, edges = np.histogram(scores, bins=64)
    assert found is not None
    assert found["edges"] == pytest.approx(edges.tolist(), rel=1e-12)
    assert found["counts"] == counts.tolist()
    assert found["selected"] == np.histogram(chosen, bins=64, range=(scores.min(), scores.max()))[0].tolist()
    assert found["cut"] == chosen[0]


@pytest.mark.parametrize("value", [0.0, 0.3, -7.0, 1e20])
def test_equal_scores_have_a_histogram_too(value: float) -> None:
    found = histogram(np.full(9, value), np.full(4, value))
    assert found is not None
    assert (sum(found["counts"]), sum(found["selected"]), found["cut"]) == (9, 4, value)
    assert len(found["edges"]) == 65
    assert np.all(np.diff(found["edges"]) > 0)


def test_scores_that_differ_by_rounding_only_have_a_histogram() -> None:
    found = histogram(np.array([1e9, np.nextafter(1e9, 2e9)]), np.array([1e9]))
    assert found is not None
    assert (sum(found["counts"]), sum(found["selected"])) == (2, 1)


def test_nothing_ranked_has_no_histogram() -> None:
    assert histogram(None, np.ones(3)) is None
    assert histogram(np.empty(0), np.empty(0)) is None
    nothing_chosen = histogram(np.arange(3.0), np.empty(0))
    assert nothing_chosen is not None
    assert nothing_chosen["cut"] is None


# Kappa


def test_the_golden_kappa() -> None:
    assert kappa(np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 2, 1])) == 0.75


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_scikit_learns(seed: int) -> None:
    random = np.random.default_rng(seed)
    one = random.integers(0, 2 + seed, 60)
    other = np.where(random.random(60) < 0.3, random.integers(0, 5, 60), one)
    names = np.array(["a", "b", "c", "d", "e", "f"])
    assert kappa(names[one], names[other]) == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)


def test_perfect_agreement_is_one_even_of_one_class() -> None:
    assert kappa(np.zeros(5), np.zeros(5)) == 1.0
    assert kappa(np.array([0, 1]), np.array([0, 1])) == 1.0
    assert kappa(np.array([0, 0]), np.array([1, 1])) == 0.0
    assert kappa(np.empty(0), np.empty(0)) is None


# A round's record


def test_uncertainty_by_scipy(scored_pool: Build) -> None:
    probabilities = random_probabilities(50)
    report = select(scored_pool(probabilities, labels={0: "class-0", 1: "class-1"}, splits={2: "val"}), k="5")
    found = recorded(report)
    normal = entropy(probabilities.T) / np.log(3)
    batch = [int(name[4:8]) for name in report.table["file_name"].to_pylist()]
    assert found["uncertainty"] == pytest.approx(normal[3:].mean(), rel=1e-6)
    assert found["batch_uncertainty"] == pytest.approx(normal[batch].max(), rel=1e-6)
    assert (found["model"], found["labels"], found["held_out"]) == ("0001-aaaaaa", 2, None)
    assert found["classes"] == {"class-0": 1, "class-1": 1, "class-2": 0}


def test_the_scores_of_all_that_were_ranked(scored_pool: Build) -> None:
    probabilities = random_probabilities(60)
    found = recorded(select(scored_pool(probabilities), k="20", audit="25%", strategy="least-confidence"))
    assert sum(found["histogram"]["counts"]) == 55
    assert sum(found["histogram"]["selected"]) == 15
    everything = np.sort(1 - probabilities.max(axis=1))
    assert found["histogram"]["cut"] <= everything[-15]


def test_what_limits_a_class_limits_the_selected_only(scored_pool: Build) -> None:
    found = recorded(select(scored_pool(random_probabilities(60)), k="20", per_class=4))
    assert sum(found["histogram"]["counts"]) == 60
    assert sum(found["histogram"]["selected"]) == 12


def test_a_batch_strategy_has_no_histogram_and_all_the_rest(scored_pool: Build) -> None:
    embeddings = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float16)
    project = scored_pool(random_probabilities(30), signals={"embeddings": embeddings}, labels={0: "class-0"})
    found = recorded(select(project, k="5", strategy="kcenter"))
    assert found["histogram"] is None
    assert found["stop_set"]["images"] == 30
    assert 0 < found["uncertainty"] < 1


def test_without_a_model_nothing_is_known(scored_pool: Build) -> None:
    project = scored_pool(random_probabilities(10))
    (project.models / "0001-aaaaaa" / models.RECORD).unlink()
    report = select(project, k="3", strategy="random")
    found = recorded(report)
    assert found.pop("histogram")["counts"]
    assert (found.pop("labels"), found.pop("compared")) == (0, 0)
    assert set(found.pop("classes").values()) == {0}
    assert set(found.values()) == {None}
    assert not (report.path.parent / rounds.STOP_SET).exists()


def test_one_class_leaves_no_uncertainty(scored_pool: Build) -> None:
    found = recorded(select(scored_pool(np.ones((6, 1))), k="2", strategy="random"))
    assert (found["uncertainty"], found["batch_uncertainty"]) == (0, 0)


def test_outputs_without_probabilities(image_folder: Path) -> None:
    CliRunner().invoke(app, ["init", str(image_folder)], catch_exceptions=False)
    project = Project.open(image_folder)
    names = manifests.read(project.manifest).strings("file_name")
    path = image_folder.parent / "margins.parquet"
    pq.write_table(pa.table({"file_name": names, "margin": np.linspace(0, 1, len(names))}), path)
    CliRunner().invoke(app, ["score", "--from", str(path), str(image_folder)], catch_exceptions=False)
    found = recorded(select(project, k="4"))
    assert found["histogram"]["cut"] is not None
    assert (found["uncertainty"], found["stop_set"], found["kappa"]) == (None, None, None)


def test_classes_that_a_users_model_makes_up_are_left_out(scored_pool: Build) -> None:
    codes = np.array([0, 1, -1, 7, 1, 0], np.int32)
    project = scored_pool(random_probabilities(6, 2), signals={"prediction": codes})
    assert (
        sorted(stop_set(select(project, k="1", strategy="random")).values())
        == ["class-0"] * 2 + ["class-1"] * 2
    )


def test_the_accuracy_on_the_validation_split_and_never_on_the_test_split(scored_pool: Build) -> None:
    project = scored_pool(random_probabilities(10), kind="trained")
    path = project.models / "0001-aaaaaa" / models.RECORD
    metrics = {"val_accuracy": 0.75, "test_accuracy": 0.5}
    about = {**files.read_json(path), "metrics": metrics, "labelled": {"train": 20, "val": 8, "test": 6}}
    files.write_json(path, about)
    found = recorded(select(project, k="2"))
    assert found["held_out"] == {"split": "val", "accuracy": 0.75, "n": 8}
    assert "0.5," not in json.dumps({**found, "histogram": None})


# The stop set


def test_the_stop_set_is_the_train_split_where_that_is_small(scored_pool: Build) -> None:
    probabilities = random_probabilities(40)
    project = scored_pool(probabilities, labels={0: "class-0"}, splits={1: "val", 2: "test"})
    ids = manifests.read(project.manifest).strings("alcli_id")
    expected = {ids[row]: f"class-{probabilities[row].argmax()}" for row in range(40) if row not in (1, 2)}
    assert stop_set(select(project, k="5")) == expected


def test_the_stop_set_stays_the_same_when_images_are_labelled(
    scored_pool: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alcli.selection.statistics.STOP_SET_SIZE", 10)
    project = scored_pool(random_probabilities(40))
    first = select(project, k="20", seed=1)
    with ledger.writing(project, "import-labels"):
        back = manifests.read(project.manifest)
        ledger.commit(
            project, back.assign(back.out, label="class-0", label_round=1, queried_round=None), command="x"
        )
    second = select(project, k="20", seed=2)
    assert len(stop_set(first)) == 10
    assert stop_set(second) == stop_set(first)


def test_neither_parts_nor_their_order_show(scored_pool: Build) -> None:
    probabilities = random_probabilities(300)
    plain = recorded(select(scored_pool(probabilities, name="a"), k="9"))
    shuffled = np.random.default_rng(5).permutation(300)
    assert recorded(select(scored_pool(probabilities, name="b", per_part=7, order=shuffled), k="9")) == plain


def test_a_stop_set_of_a_killed_run_does_not_stay(scored_pool: Build) -> None:
    project = scored_pool(random_probabilities(10))
    left = select(project, k="3").path.parent / rounds.STOP_SET
    ledger.undo(project)
    (project.models / "0001-aaaaaa" / models.RECORD).unlink()
    select(project, k="3", strategy="random")
    assert not left.exists()


# From round to round


def test_rounds_are_compared_by_the_names_of_classes(scored_pool: Build) -> None:
    before, after = random_probabilities(200), random_probabilities(200)
    after[:30] = after[:30, ::-1]
    project = scored_pool(before)
    first = recorded(select(project, k="5"))
    change_model(project, after, 2)
    second = recorded(select(project, k="5", settings=Settings(add=True)))
    one, other = before.argmax(axis=1), after.argmax(axis=1)
    assert (first["compared_with"], first["kappa"], first["changed"]) == (None, None, None)
    assert (second["compared_with"], second["compared"]) == (1, 200)
    assert second["kappa"] == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)
    assert second["changed"] == (one != other).sum()


def test_a_model_is_not_compared_with_itself(scored_pool: Build) -> None:
    probabilities = random_probabilities(200)
    project = scored_pool(probabilities)
    select(project, k="5")
    again = recorded(select(project, k="6", settings=Settings(add=True)))
    assert (again["compared_with"], again["kappa"]) == (None, None)
    change_model(project, probabilities, 2)
    found = [recorded(select(project, k=str(k), settings=Settings(add=True))) for k in (7, 8)]
    assert [(each["compared_with"], each["kappa"]) for each in found] == [(2, 1.0), (2, 1.0)]


def test_images_that_came_or_went_are_not_compared(scored_pool: Build) -> None:
    probabilities = random_probabilities(200)
    project = scored_pool(probabilities)
    select(project, k="5")
    with ledger.writing(project, "x"):
        gone = manifests.read(project.manifest).assign(np.arange(50), status="missing")
        ledger.commit(project, gone, command="x")
    change_model(project, probabilities, 2)
    assert recorded(select(project, k="5", settings=Settings(add=True)))["compared"] == 150


@pytest.mark.parametrize("damage", ["not Parquet", None])
def test_a_lost_stop_set_is_compared_with_nothing(scored_pool: Build, damage: str | None) -> None:
    project = scored_pool(random_probabilities(50))
    path = select(project, k="5").path.parent / rounds.STOP_SET
    path.write_text(damage) if damage else path.unlink()
    change_model(project, random_probabilities(50), 2)
    found = recorded(select(project, k="5", settings=Settings(add=True)))
    assert (found["kappa"], found["compared"]) == (None, 0)


# Written once


def test_the_same_selection_in_a_fresh_state_has_the_same_bytes(scored_pool: Build) -> None:
    found = [
        select(scored_pool(random_probabilities(80), name=name), k="5").path.parent
        for name in ("one", "other")
    ]
    for name in (rounds.RECORD, rounds.STOP_SET):
        assert (found[0] / name).read_bytes() == (found[1] / name).read_bytes()


def test_a_repeated_call_and_a_dry_run_record_nothing_new(
    scored_pool: Build, snapshot: Callable[[Path], dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = scored_pool(random_probabilities(80))
    select(project, k="5")
    before = snapshot(project.pool)
    monkeypatch.setattr("alcli.selection.statistics.of_round", None)  # not callable
    select(project, k="5")
    select(project, k="6", settings=Settings(add=True, dry_run=True))
    assert snapshot(project.pool) == before


# Three rounds through the command line


def alcli(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_four_rounds_of_a_users_model_end_in_advice(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    for number in range(200):
        draw(pool / f"{'ab'[number % 2]}{number:03d}.png", shade=(40, 200)[number % 2], seed=number, side=4)
    alcli("init", pool)
    names = manifests.read(pool / "metadata.parquet").strings("file_name")
    truth = np.array([str(name)[0] == "b" for name in names])
    for number in range(1, 5):
        sure = 1 - np.linspace(0, 4.0**-number, len(names))
        both = np.where(truth[:, None], np.stack([1 - sure, sure], 1), np.stack([sure, 1 - sure], 1))
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"file_name": names, "probabilities": list(both)}), path)
        alcli("score", "--from", path, "--classes", "a,b", pool)
        listing = Path(alcli("select", "-k", 40, pool).strip())
        table = pa.table({"file_name": pq.read_table(listing.with_suffix(".parquet"))["file_name"]})
        labels = [name[0] for name in table["file_name"].to_pylist()]
        pq.write_table(table.append_column("label", pa.array(labels)), tmp_path / "answers.parquet")
        alcli("import-labels", "--new-classes", tmp_path / "answers.parquet", pool)
    told = json.loads(alcli("status", "--json", pool))["stopping"]
    rules = {rule["name"]: rule for rule in told["rules"]}
    assert rules["kappa"] | {"sentence": ""} == {
        "name": "kappa", "kind": "predictions", "threshold": 0.99, "rounds": [2, 3, 4], "value": 1.0,
        "says": "stop", "sentence": "",
    }  # fmt: skip
    assert rules["classification-change"]["value"] == 0
    assert rules["overall-uncertainty"]["says"] == "stop"
    assert rules["plateau"]["says"] == "undecided"  # a user's own model has no validation accuracy
    assert rules["batch-accuracy"]["value"] == 1.0
    assert told["says"] == stopping.STOP
    said = alcli("status", pool)
    assert "stopping        stop, kappa and " in said
    assert "  batch-accuracy        stop       the model was right on 40 of 40 images" in said
