"""`alcli pseudolabel`: what it says, and the code it ends with."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from alcli import manifest as manifests
from alcli.main import app
from alcli.project import Project
from typer.testing import CliRunner, Result


@pytest.fixture
def pool(scored_pool: Callable[..., Project]) -> Project:
    """Four pool images, sure of class-0 by .99 .9 .8 .7, and two in val, one of them taken wrongly."""
    sure = np.array([0.99, 0.9, 0.8, 0.7, 0.95, 0.85])
    probabilities = np.stack([sure, 1 - sure], axis=1)
    return scored_pool(probabilities, labels={4: "class-0", 5: "class-1"}, splits={4: "val", 5: "val"})


def run(pool: Project, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["pseudolabel", *arguments, str(pool.pool)])


def test_it_says_what_it_labelled_and_how_right_that_is(pool: Project) -> None:
    result = run(pool, "--method", "confidence", "--threshold", "0.79")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines() == [
        "pseudo-labelled 3 of 4 images; now 3",
        "by class: class-0 3; confidence 0.99 to 0.8",
        "precision on validation: 50.0% of 2 accepted (95 % interval 1.3% to 98.7%)",
    ]
    assert manifests.read(pool.manifest).filled("pseudo_label").tolist() == [True] * 3 + [False] * 3


def test_the_summary_is_json_on_standard_output(pool: Project) -> None:
    summary = json.loads(run(pool, "--method", "entropy", "-k", "2", "--json", "-q").stdout)
    assert summary["schema"] == "alcli/pseudolabel/1"
    assert (summary["labelled"], summary["by_class"], summary["precision"]["accepted"]) == (
        2,
        {"class-0": 2},
        1,
    )


def test_a_dry_run_writes_nothing(pool: Project) -> None:
    before = pool.manifest.read_bytes()
    result = run(pool, "--method", "confidence", "-k", "1", "--dry-run")
    assert result.stderr.startswith("would have pseudo-labelled 1 of 4 images")
    assert pool.manifest.read_bytes() == before


def test_clear_alone_removes_them(pool: Project) -> None:
    run(pool, "--method", "confidence", "-k", "2")
    assert run(pool, "--clear").stderr == "removed 2 pseudo-labels\n"
    assert not manifests.read(pool.manifest).filled("pseudo_label").any()
    assert run(pool, "--clear").stderr == "there were no pseudo-labels to remove\n"


def test_precision_below_the_minimum_is_exit_code_5(pool: Project) -> None:
    before = pool.manifest.read_bytes()
    result = run(pool, "--method", "confidence", "-k", "3", "--min-precision", "0.9")
    assert (result.exit_code, pool.manifest.read_bytes()) == (5, before)
    assert "error: precision on validation is 50.0% of 2 accepted, below --min-precision 0.9" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--method is missing"),
        (["-k", "3"], "--method is missing"),
        (["--clear", "--threshold", "0.5"], "--method is missing"),
        (["--clear", "--per-class", "3"], "--method is missing"),
        (["--method", "confidence"], "exactly one of -k and --threshold"),
        (["--method", "confidence", "-k", "0"], "'-k'"),
        (["--method", "sure", "-k", "1"], "'sure'"),
        (["--decay", "linear", "--clear"], "--method is missing"),
        (["--method", "confidence", "--threshold", "0.9", "--decay", "constant"], "--method entropy"),
        (["--method", "entropy", "-k", "5", "--decay", "constant"], "--decay lowers the --threshold"),
        (["--method", "entropy", "--threshold", "0.1", "--rate", "0.01"], "--rate says how fast --decay is"),
        (["--method", "entropy", "--threshold", "0.1", "--decay", "linear", "--rate", "-1"], "--rate -1"),
        (["--method", "entropy", "--threshold", "0.1", "--decay", "slow", "--rate", "1"], "'slow'"),
        (["--method", "confidence", "-k", "1", "--min-precision", "90"], "'--min-precision'"),
        (["--method", "entropy", "-k", "1", "--max-distance-quantile", "0.9"], "--max-distance-quantile"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(pool: Project, arguments: list[str], said: str) -> None:
    result = run(pool, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_the_hint_can_be_pasted(pool: Project) -> None:
    """A threshold beside -k would be refused again."""
    assert run(pool, "-k", "2").stderr.endswith(
        f"hint: alcli pseudolabel -k 2 --method=confidence {pool.pool}\n"
    )
    assert "--method=confidence --threshold=0.99 " in run(pool).stderr


def test_nothing_left_is_exit_code_4(pool: Project) -> None:
    run(pool, "--method", "confidence", "-k", "4")
    result = run(pool, "--method", "confidence", "-k", "4")
    assert result.exit_code == 4
    assert f"hint: alcli pseudolabel --clear {pool.pool}" in result.stderr


def test_where_training_makes_no_triplet_network_more_labels_are_needed(
    scored_pool: Callable[..., Project],
) -> None:
    """Two of class-0 can be told from nothing: of class-1 one is labelled to train on, the other is in val."""
    labels = {2: "class-0", 3: "class-0", 4: "class-1", 5: "class-1"}
    project = scored_pool(np.full((6, 2), 0.5), kind="trained", labels=labels, splits={5: "val"})
    result = run(project, "--method", "triplet-margin", "-k", "1")
    assert result.exit_code == 3
    said = "a triplet network needs two classes with two labelled images each to train on, and there is 1"
    assert f"model 0001-aaaaaa gives no triplet_embeddings: {said}\n" in result.stderr
    assert f"hint: alcli select --strategy random -k 100 {project.pool} and label those" in result.stderr
    assert "train --embedding" not in result.stderr


CEAL = ["--method", "entropy", "--threshold", "0.4", "--decay", "linear", "--rate", "0.2"]


def test_ceal_says_its_threshold_and_when_it_ended(pool: Project) -> None:
    """Entropies of .99 .9 .8 .7 are .056 .325 .500 .611 nats; δ is .4, .2 and 0."""
    first = run(pool, *CEAL)
    assert first.stderr.splitlines()[:2] == [
        "round t = 0 of the schedule: entropy below 0.4 nats",
        "pseudo-labelled 2 of 4 images; now 2",
    ]
    listing = CliRunner().invoke(app, ["select", "--strategy", "random", "-k", "1", str(pool.pool)])
    assert "2 pseudo-labels of CEAL went back to the pool: they last one round" in listing.stderr
    second = json.loads(run(pool, *CEAL, "--json", "-q").stdout)
    assert second["step"] == {"t": 1, "delta": 0.2, "ended": None, "noted": False}
    CliRunner().invoke(app, ["select", "--strategy", "random", "-k", "1", "--add", str(pool.pool)])
    last = run(pool, *CEAL)
    assert (last.exit_code, last.stderr) == (
        0,
        "pseudo-labelling ended at round t = 2; this is t = 2, nothing is labelled\n",
    )
    assert not manifests.read(pool.manifest).filled("pseudo_label").any()
