"""Several people answer about the same images: every vote is kept, and what they came to is the label."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alcli import labelling, ledger, rounds, votebook
from alcli import manifest as manifests
from alcli.errors import InputRejected, StepMissing
from alcli.labelling import ImportReport, Rules
from alcli.main import app
from alcli.manifest import Manifest
from alcli.project import Project
from typer.testing import CliRunner

Import = Callable[..., ImportReport]
Build = Callable[..., Project]
Snapshot = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def pool(tmp_path: Path) -> Project:
    """Six images: `0` to `2` out in round 1, `3` labelled by ann and out again, `4` labelled, `5` labelled by ann."""
    (tmp_path / "pool").mkdir()
    columns: dict[str, Any] = {
        "file_name": [str(row) for row in range(6)],
        "size": [1] * 6,
        "mtime_ns": [1] * 6,
        "queried_round": [1, 1, 1, 1, None, None],
        "label": [None, None, None, "cat", "cat", "cat"],
        "label_source": [None, None, None, "import:csv", "folder", "import:csv"],
        "annotator": [None, None, None, "ann", None, "ann"],
    }
    project = Project.open(tmp_path / "pool")
    with ledger.writing(project, "init"):
        ledger.commit(project, Manifest.build(columns, ["cat", "dog"]).replace(round_=1), command="init")
    return project


@pytest.fixture
def bring(pool: Project, tmp_path: Path) -> Import:
    return importer(pool, tmp_path)


def importer(project: Project, folder: Path) -> Import:
    def run(rows: str, **options: Any) -> ImportReport:
        path = folder / "labels.csv"
        path.write_text("file_name,label,annotator,labelled_at\n" + rows)
        dry_run = options.pop("dry_run", False)
        return labelling.import_labels(project, path, rules=Rules(**options), dry_run=dry_run)

    return run


def cells(project: Project, image: str, *columns: str) -> list[Any]:
    table = manifests.read(project.manifest).table
    row = table["file_name"].to_pylist().index(image)
    return [table[column][row].as_py() for column in columns]


def record(project: Project) -> list[tuple[str, str]]:
    manifest = manifests.read(project.manifest)
    names = dict(zip(manifest.strings("alcli_id"), manifest.strings("file_name"), strict=True))
    votes = votebook.read(project, manifest).to_pylist()
    return sorted((f"{names[vote['alcli_id']]}{vote['annotator']}", vote["label"]) for vote in votes)


def rejected(found: pytest.ExceptionInfo[InputRejected]) -> str:
    return "\n".join(found.value.details)


THREE = "0,cat,ann,\n0,dog,bo,\n0,cat,cy,\n1,dog,ann,\n"


def test_every_vote_is_kept_beside_its_round(pool: Project, bring: Import) -> None:
    done = bring(THREE, resolve="majority")
    assert (done.labelled, done.votes) == (2, 4)
    assert record(pool) == [("0ann", "cat"), ("0bo", "dog"), ("0cy", "cat"), ("1ann", "dog")]
    assert (pool.round_folder(1) / "votes.parquet").exists()
    assert cells(pool, "0", "label", "annotator") == ["cat", "ann, cy"]
    assert cells(pool, "0", "agreement") == pytest.approx([2 / 3])
    assert cells(pool, "1", "label", "annotator", "agreement") == ["dog", "ann", None]


def test_images_of_no_round_have_a_place_too(pool: Project, bring: Import) -> None:
    bring("4,cat,ann,\n")
    assert (pool.home / "votes" / "votes.parquet").exists()
    assert record(pool) == [("4ann", "cat")]


def test_rows_that_name_nobody_are_no_votes(pool: Project, bring: Import) -> None:
    assert bring("0,cat,,\n1,dog,,\n").votes == 0
    assert record(pool) == []


def test_the_same_file_twice_changes_nothing(pool: Project, bring: Import, snapshot: Snapshot) -> None:
    bring(THREE, resolve="majority")
    before = snapshot(pool.state)
    again = bring(THREE, resolve="majority")
    assert (again.changed, again.votes, again.unchanged) == (False, 0, 2)
    assert snapshot(pool.state) == before


def test_a_correction_within_a_file_is_one_vote(pool: Project, bring: Import, snapshot: Snapshot) -> None:
    rows = "2,dog,bo,2026-01-02\n2,cat,bo,2026-01-01\n"
    bring(rows, resolve="latest")
    assert record(pool) == [("2bo", "dog")]
    before = snapshot(pool.state)
    assert not bring(rows, resolve="latest").changed
    assert snapshot(pool.state) == before


def test_one_file_per_annotator_comes_to_the_same(pool: Project, bring: Import) -> None:
    bring("0,cat,ann,\n")
    assert bring("0,cat,bo,\n").votes == 1
    assert cells(pool, "0", "label", "annotator", "agreement") == ["cat", "ann, bo", 1.0]
    done = bring("0,dog,cy,\n", resolve="majority")
    assert (done.replaced, done.unchanged) == (0, 1)
    assert cells(pool, "0", "label", "agreement") == ["cat", pytest.approx(2 / 3)]


def test_votes_turn_the_label_of_an_image_that_was_sent_again(pool: Project, bring: Import) -> None:
    """ann had said cat; two others say dog, and the label that the image was sent to check gives way."""
    done = bring("3,dog,bo,\n3,dog,cy,\n", resolve="majority")
    assert (done.replaced, done.by_round, done.still_out) == (1, {1: 1}, {1: 3})
    assert cells(pool, "3", "label", "annotator", "queried_round") == ["dog", "bo, cy", None]
    assert cells(pool, "3", "agreement") == pytest.approx([2 / 3])


def test_a_vote_confirms_the_label_of_an_image_that_was_sent_again(pool: Project, bring: Import) -> None:
    done = bring("3,cat,bo,\n")
    assert (done.replaced, done.unchanged, done.by_round) == (0, 1, {1: 1})
    assert cells(pool, "3", "label", "annotator", "agreement", "queried_round") == ["cat", "ann, bo", 1, None]


def test_one_against_one_is_no_majority_and_the_latest_is_the_new_one(pool: Project, bring: Import) -> None:
    for how, told in (("error", "annotators disagree"), ("majority", "no majority")):
        with pytest.raises(InputRejected) as found:
            bring("3,dog,bo,\n", resolve=how)
        assert told in rejected(found)
    bring("3,dog,bo,\n", resolve="latest")
    assert cells(pool, "3", "label", "annotator") == ["dog", "bo"]


def test_a_person_who_changes_their_mind_has_one_vote(pool: Project, bring: Import) -> None:
    bring("3,dog,ann,\n")
    assert cells(pool, "3", "label", "annotator", "agreement") == ["dog", "ann", None]


def test_an_image_that_nobody_sent_keeps_the_rules_of_conflicts(
    pool: Project, bring: Import, snapshot: Snapshot
) -> None:
    bring("0,cat,ann,\n0,cat,bo,\n")
    before = snapshot(pool.state)
    rows = "0,dog,cy,\n0,dog,di,\n0,dog,ed,\n"
    with pytest.raises(InputRejected, match="1 conflict"):
        bring(rows, resolve="majority")
    assert snapshot(pool.state) == before
    assert bring(rows, resolve="majority", on_conflict="keep", dry_run=True).kept == 1
    assert bring(rows, resolve="majority", on_conflict="replace").replaced == 1
    assert cells(pool, "0", "label", "agreement") == ["dog", pytest.approx(3 / 5)]


def test_an_answer_by_nobody_for_an_image_that_was_sent_again_is_a_conflict(
    pool: Project, bring: Import
) -> None:
    with pytest.raises(InputRejected, match="1 conflict"):
        bring("3,dog,,\n")
    assert bring("3,dog,,\n", on_conflict="replace").replaced == 1


def test_undo_takes_the_votes_back(pool: Project, bring: Import) -> None:
    bring(THREE, resolve="majority")
    ledger.undo(pool)
    assert record(pool) == []
    bring("0,dog,di,\n")
    assert record(pool) == [("0di", "dog")]
    assert cells(pool, "0", "label", "agreement") == ["dog", None]


def test_a_kill_before_the_commit_leaves_no_vote(
    pool: Project, bring: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    before = pool.manifest.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(manifests, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            bring(THREE, resolve="majority")
    assert (pool.round_folder(1) / "votes.parquet").exists()  # written, and worth nothing yet
    assert pool.manifest.read_bytes() == before
    assert record(pool) == []
    bring("1,dog,bo,\n")
    assert record(pool) == [("1bo", "dog")]
    bring(THREE, resolve="majority")
    assert len(record(pool)) == 5


def test_a_new_selection_takes_the_place_of_an_undone_one_with_its_votes(
    pool: Project, bring: Import
) -> None:
    bring("0,cat,ann,\n")
    manifest = manifests.read(pool.manifest)
    rounds.write(pool, 1, {}, rounds.tabulated(strategy="", number=1, alcli_id=[]))
    assert len(votebook.read(pool, manifest)) == 0


# CROWDLAB.


@pytest.fixture
def scored(scored_pool: Build) -> Project:
    """Forty images: the model knows the class of each, 0 for the first half; it is out in no round."""
    probabilities = np.full((40, 2), 0.1)
    probabilities[:20, 0] = probabilities[20:, 1] = 0.9
    return scored_pool(probabilities)


def votes_of(*people: tuple[str, Callable[[int], int]], images: int = 40) -> str:
    return "".join(
        f"img-{row:04d}.jpg,class-{answer(row)},{name},\n" for row in range(images) for name, answer in people
    )


def careful(row: int) -> int:
    return int(row >= 20)


def always_zero(_: int) -> int:
    return 0


def test_crowdlab_believes_a_careful_annotator_and_the_model(scored: Project, tmp_path: Path) -> None:
    rows = votes_of(("ann", careful), ("bo", careful), ("cy", always_zero), ("di", always_zero))
    with pytest.raises(InputRejected, match="20 disagreement"):
        importer(scored, tmp_path)(rows, resolve="majority")  # two against two
    done = importer(scored, tmp_path)(rows, resolve="crowdlab")
    assert done.labelled == 40
    assert done.consensus == "CROWDLAB weighed 40 images with the probabilities of model 0001-aaaaaa"
    assert manifests.read(scored.manifest).label_codes.tolist() == [0] * 20 + [1] * 20
    assert cells(scored, "img-0030.jpg", "annotator", "agreement") == ["ann, bo", 0.5]


def test_the_same_file_weighed_twice_changes_nothing(
    scored: Project, tmp_path: Path, snapshot: Snapshot
) -> None:
    rows = votes_of(("ann", careful), ("cy", always_zero))
    importer(scored, tmp_path)(rows, resolve="crowdlab")
    before = snapshot(scored.state)
    assert not importer(scored, tmp_path)(rows, resolve="crowdlab").changed
    assert snapshot(scored.state) == before


def test_one_answer_each_needs_no_model(pool: Project, bring: Import) -> None:
    done = bring("0,cat,ann,\n1,dog,bo,\n", resolve="crowdlab")
    assert (done.labelled, done.consensus) == (2, None)


def test_without_a_model_or_its_probabilities_crowdlab_says_what_to_run(
    pool: Project, bring: Import, scored_pool: Build, tmp_path: Path
) -> None:
    with pytest.raises(StepMissing, match="no model") as found:
        bring(THREE, resolve="crowdlab")
    assert "alcli train" in str(found.value.hint)
    half = scored_pool(np.full((4, 2), 0.5), order=np.arange(2), name="half")
    rows = votes_of(("ann", careful), ("cy", lambda row: 1), images=4)
    with pytest.raises(StepMissing, match="has not given the probabilities of 2 images") as found:
        importer(half, tmp_path)(rows, resolve="crowdlab")
    assert "alcli score" in str(found.value.hint)


def test_an_annotator_of_unknown_weight_rejects_the_file(
    scored: Project, tmp_path: Path, snapshot: Snapshot
) -> None:
    before = snapshot(scored.state)
    rows = votes_of(("ann", careful), ("", always_zero), images=2)
    with pytest.raises(InputRejected, match="2 unknown annotator") as found:
        importer(scored, tmp_path)(rows, resolve="crowdlab")
    assert "nobody knows what the answer weighs" in rejected(found)
    assert "--annotator" in str(found.value.hint)
    assert snapshot(scored.state) == before


def test_an_annotator_who_answers_once_is_no_trouble(scored: Project, tmp_path: Path) -> None:
    rows = votes_of(("ann", careful), ("bo", careful)) + "img-0003.jpg,class-1,once,\n"
    importer(scored, tmp_path)(rows, resolve="crowdlab")
    assert cells(scored, "img-0003.jpg", "label") == ["class-0"]


def test_a_name_for_those_who_have_none_is_the_same_person_as_in_the_file(
    pool: Project, bring: Import
) -> None:
    with pytest.raises(InputRejected, match="1 duplicate row"):
        bring("0,cat,ann,\n0,dog,,\n", resolve="majority", annotator="ann")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((("class-2", "ann"), ("class-1", "bo")), "class-1"),
        ((("zz", "ann"), ("yy", "bo")), "yy"),
        ((("class-0", "ann"), ("class-1", "bo")), "class-0"),
    ],
    ids=["the model excludes both", "the model knows neither", "the model's own"],
)
def test_ties_that_a_sure_model_cannot_break(
    scored_pool: Build, tmp_path: Path, said: tuple[tuple[str, str], ...], expected: str
) -> None:
    """The model is certain of class-0; no row tells how good any of the people is."""
    project = scored_pool(np.eye(3)[[0, 0]])
    path = tmp_path / "answers.csv"
    path.write_text("file_name,label,annotator\n" + "".join(f"img-0000.jpg,{a},{who}\n" for a, who in said))
    arguments = ["import-labels", "--resolve", "crowdlab", "--new-classes", str(path), str(project.pool)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.exception
    assert cells(project, "img-0000.jpg", "label") == [expected]


def test_votes_that_were_overruled_leave_the_label_to_whom_it_is(scored_pool: Build, tmp_path: Path) -> None:
    """Nobody on record gave the label that was kept; a second time, the votes say nothing of it either."""
    project = scored_pool(np.eye(3)[[0, 0]])
    bring = importer(project, tmp_path)
    bring("img-0000.jpg,class-0,,\n")
    rows = "img-0000.jpg,class-1,ann,\nimg-0000.jpg,class-2,bo,\n"
    assert bring(rows, resolve="crowdlab", on_conflict="keep").kept == 1
    done = bring(rows + "img-0001.jpg,class-1,ann,\n", resolve="crowdlab", on_conflict="keep")
    assert (done.labelled, done.unchanged) == (1, 1)
    assert cells(project, "img-0000.jpg", "label", "annotator", "agreement") == ["class-0", None, None]


def test_through_the_command_line(scored: Project, tmp_path: Path) -> None:
    rows = votes_of(("ann", careful), ("bo", careful), ("cy", always_zero))
    path = tmp_path / "answers.csv"
    path.write_text("file_name,label,annotator,\n" + rows)
    done = CliRunner().invoke(app, ["import-labels", "--resolve", "crowdlab", str(path), str(scored.pool)])
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert "CROWDLAB weighed 40 images with the probabilities of model 0001-aaaaaa" in done.stderr
    path.write_text("file_name,label,annotator,\n" + votes_of(("ann", careful), ("", always_zero)))
    done = CliRunner().invoke(app, ["import-labels", "--resolve", "crowdlab", str(path), str(scored.pool)])
    assert done.exit_code == 5
    assert "--annotator=NAME" in done.stderr
