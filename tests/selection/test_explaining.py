"""`alcli select --explain`: what it says of an image is true, and no more than the list of its round tells."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from alcli import files, ledger, models, rounds
from alcli.main import app
from alcli.project import Project
from alcli.signals import Part, SignalStore
from numpy.typing import NDArray
from typer.testing import CliRunner

Build = Callable[..., Project]
N, LABELLED = 60, 30
RELABEL = ("-s", "activelab", "--relabel")


def vectors() -> NDArray[np.float16]:
    return np.random.default_rng(1).normal(size=(N, 4)).astype(np.float16)


def probabilities() -> NDArray[np.float64]:
    return np.random.default_rng(0).dirichlet(np.ones(3), N)


def built(scored_pool: Build, embeddings: NDArray[np.float16]) -> Project:
    labels = {row: f"class-{row % 3}" for row in range(LABELLED)}
    return scored_pool(probabilities(), signals={"embeddings": embeddings}, labels=labels)


@pytest.fixture
def pool(scored_pool: Build) -> Project:
    """Sixty images with embeddings; the first thirty are labelled."""
    return built(scored_pool, vectors())


def named(row: int) -> str:
    return f"img-{row:04d}.jpg"


def run(command: str, pool: Project, *words: object) -> str:
    done = CliRunner().invoke(app, [command, *map(str, words), str(pool.pool)])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def select(pool: Project, *words: object) -> list[int]:
    """Select a round and return its rows, in the order of the list."""
    run("select", pool, *words)
    record = rounds.read(pool, ledger.read(pool).round)
    return [int(name[4:8]) for name in record.table["file_name"].to_pylist()]


def explained(pool: Project, row: int, *words: object) -> dict[str, Any]:
    return dict(json.loads(run("select", pool, "--explain", named(row), "--json", *words)))


def answer(pool: Project, answers: dict[int, str], *words: object) -> None:
    """Bring answers in; with words of `import-labels`."""
    path = pool.pool / "answers.csv"
    lines = "".join(f"{named(row)},{label}\n" for row, label in answers.items())
    path.write_text(f"file_name,label\n{lines}", encoding="utf-8")
    run("import-labels", pool, *words, path)


def planted(pool: Project, number: int) -> list[int]:
    """Return the gold rows of a round."""
    record = rounds.read(pool, number).table
    ids = pq.read_table(pool.round_folder(number) / rounds.GOLD)["alcli_id"].to_pylist()
    names = dict(zip(record["alcli_id"].to_pylist(), record["file_name"].to_pylist(), strict=True))
    return [int(names[one][4:8]) for one in ids]


def nearest(row: int, others: list[int]) -> str:
    """Return the name of the nearest of `others`, by hand."""
    points = vectors().astype(np.float64)
    distances = np.linalg.norm(points[others] - points[row], axis=1)
    return named(others[int(distances.argmin())])


class TestGold:
    def test_of_the_images_sent_the_rank_is_told_and_nothing_else(self, pool: Project) -> None:
        sent = select(pool, "-k", 10, "--gold", "30%", "-s", "typiclust", "--audit", "20%")
        assert len(sent) == 13
        assert len(planted(pool, 1)) == 3
        for at, row in enumerate(sent):
            found = explained(pool, row)
            assert found["why"] == f"it ranks {at + 1} of 13 selected images"
            known = {name for name, value in found.items() if value is not None}
            assert known == {"schema", "file_name", "strategy", "round", "selected", "why", "rank", "of"}
            line = f"{named(row)} is in round 1 by typiclust: it ranks {at + 1} of 13 selected images\n"
            assert run("select", pool, "--explain", named(row)) == line

    def test_no_neighbours_are_told_of_the_others(self, pool: Project) -> None:
        """A nearest selected image would be none of the gold rows, a nearest labelled one might be."""
        sent = select(pool, "-k", 10, "--gold", "30%")
        for row in sorted(set(range(LABELLED, N)) - set(sent)):
            found = explained(pool, row)
            assert found["rank"] > 10
            assert (found["nearest_selected"], found["nearest_labelled"]) == (None, None)

    def test_an_image_that_stands_for_another_is_not_named(self, scored_pool: Build) -> None:
        """It would be none of the gold rows; the list does not tell duplicates either."""
        embeddings = vectors()
        embeddings[50] = embeddings[40]
        pool = built(scored_pool, embeddings)
        sent = select(pool, "-k", 29, "--dedup", "--dedup-threshold", 1, "--gold", "10%")
        (double,) = {40, 50} - set(sent)
        assert explained(pool, double)["why"] == "it is a duplicate of another image, which stands for it"

    def test_an_answer_changes_nothing_while_the_round_is_open(self, pool: Project) -> None:
        """The label on record, beside what was answered, would say that it was gold."""
        select(pool, "-k", 10, "--gold", "30%")
        row = planted(pool, 1)[0]
        before = explained(pool, row)
        answer(pool, {row: f"class-{(row + 1) % 3}"})
        assert explained(pool, row) == before
        select(pool, "-k", 3, "--add")
        assert explained(pool, row) == before


class TestSeveralOpenRounds:
    def test_an_image_that_is_out_is_explained_by_its_own_round(self, pool: Project) -> None:
        first = select(pool, "-k", 10, "--gold", "30%")
        second = select(pool, "-k", 5, "--add", "-s", "entropy")
        for at, row in enumerate(first):
            found = explained(pool, row)
            assert (found["round"], found["strategy"]) == (1, "margin")
            assert found["why"] == f"it ranks {at + 1} of 13 selected images"
            assert found["nearest_labelled"] is None
        for at, row in enumerate(second):
            found = explained(pool, row)
            assert (found["round"], found["rank"], found["of"]) == (2, at + 1, 5)
            assert found["score"] is not None

    def test_any_other_image_by_the_newest(self, pool: Project) -> None:
        first = select(pool, "-k", 10)
        second = select(pool, "-k", 5, "--add", "-s", "entropy")
        for row in sorted(set(range(LABELLED, N)) - {*first, *second}):
            found = explained(pool, row)
            assert (found["round"], found["selected"], found["of"]) == (2, False, 20)
            assert found["nearest_selected"]["file_name"] == nearest(row, second)

    def test_a_nearest_labelled_image_is_never_one_that_is_out(self, pool: Project) -> None:
        first = select(pool, "-k", 10, "--gold", "100%")
        select(pool, "-k", 5, "--add")
        labelled = sorted(set(range(LABELLED)) - set(first))
        assert len(labelled) == 20
        for row in sorted(set(range(LABELLED, N)) - set(first)):
            assert explained(pool, row)["nearest_labelled"]["file_name"] == nearest(row, labelled)


class TestChangedSince:
    """A rank among images, labels or signals that are not those of the round is no rank of the round."""

    @pytest.mark.parametrize("how", [("-s", "random"), ("-s", "margin"), RELABEL], ids=lambda how: how[1])
    def test_a_label_from_outside_the_round(self, pool: Project, how: tuple[str, ...]) -> None:
        sent = select(pool, "-k", 5, *how)
        first, *others = sorted(set(range(LABELLED, N)) - set(sent))
        assert explained(pool, others[0])["rank"] > 5
        answer(pool, {first: "class-0"})
        for row in others:
            found = explained(pool, row)
            assert (found["selected"], found["rank"], found["score"], found["cut"]) == (
                False, None, None, None,
            )  # fmt: skip
            assert found["why"] == (
                "it is not among its 5 images; how it ranked cannot be told any more: labels changed"
            )
        assert [explained(pool, row)["rank"] for row in sent] == [1, 2, 3, 4, 5]
        if how != RELABEL:
            assert explained(pool, first)["why"] == "a person has labelled it class-0"

    def test_a_label_that_was_corrected(self, pool: Project) -> None:
        """ActiveLab goes by all labels; as many are there as before, of the same images."""
        sent = select(pool, "-k", 5, *RELABEL)
        one, *others = sorted(set(range(LABELLED)) - set(sent))
        answer(pool, {one: f"class-{(one + 1) % 3}"}, "--on-conflict", "replace")
        found = explained(pool, others[0])
        assert found["rank"] is None
        assert found["why"].endswith("cannot be told any more: images, labels or signals changed")

    def test_signals_that_were_computed_anew(self, pool: Project) -> None:
        """The images of the round keep theirs, so that it would have the same ones."""
        sent = select(pool, "-k", 5)
        others = sorted(set(range(LABELLED, N)) - set(sent))
        store = SignalStore(pool.signals / "0001-aaaaaa")
        names, keys = list(store.shapes), ledger.read(pool).keys[others[:1]]
        arrays = store.read(names, keys)
        arrays["margin"] = np.full_like(arrays["margin"], 1)
        full = np.full(1, 100), np.full(1, 9)
        store.append(Part(keys, arrays, *full, [None]))
        found = explained(pool, others[-1])
        assert found["rank"] is None
        assert found["why"].endswith("cannot be told any more: images, labels or signals changed")

    @pytest.mark.parametrize("strategy", ["random", "margin"])
    def test_an_image_that_came(self, pool: Project, strategy: str) -> None:
        """It has no signals, nor does the random strategy need any."""
        sent = select(pool, "-k", 5, "-s", strategy)
        with ledger.writing(pool, "test"):
            manifest = ledger.read(pool)
            new = {"file_name": ["new.jpg"], "size": [100], "mtime_ns": [9]}
            ledger.commit(pool, manifest.extended(new, manifest.classes), command="test")
        other = min(set(range(LABELLED, N)) - set(sent))
        why = explained(pool, other)["why"]
        assert why.endswith("cannot be told any more: images, labels or signals changed")

    def test_another_model(self, scored_pool: Build) -> None:
        """What is out is explained all the same, though the new model lacks what the strategy needs."""
        labels = {row: f"class-{row % 3}" for row in range(LABELLED)}
        pool = scored_pool(probabilities(), signals={"triplet_embeddings": vectors()}, labels=labels)
        sent = select(pool, "-k", 5, "-s", "triplet-margin")
        about = dict(files.read_json(pool.models / "0001-aaaaaa" / models.RECORD))
        files.write_json(pool.models / "0002-bbbbbb" / models.RECORD, {**about, "id": "0002-bbbbbb"})
        assert [explained(pool, row)["rank"] for row in sent] == [1, 2, 3, 4, 5]
        why = explained(pool, min(set(range(LABELLED, N)) - set(sent)))["why"]
        assert why.endswith("cannot be told any more: it was by model 0001-aaaaaa, which is not the newest")


@pytest.mark.parametrize(
    ("words", "lacks"),
    [(["deepfool"], "adversarial distances"), (["egl", "-O", "scope=network"], "gradient lengths")],
)
def test_signals_that_only_candidates_have_are_not_called_scores(
    scored_pool: Build, words: list[str], lacks: str
) -> None:
    """All images are scored, `score` would change nothing; ten times k of them are candidates."""
    pool = scored_pool(probabilities(), signals={"embeddings": vectors()}, kind="trained")
    asked = ["select", "--explain", named(0), "-k", "5", "--strategy", *words, str(pool.pool)]
    done = CliRunner().invoke(app, asked)
    assert (done.exit_code, done.stdout) == (3, "")
    assert f"error: 50 candidates lack {lacks}\n" in done.stderr
    assert "hint: select computes them, but not with --dry-run or --explain" in done.stderr


@pytest.mark.parametrize(
    ("kind", "way"), [("trained", "score "), ("external", "score --from OUTPUTS.parquet ")]
)
def test_who_scores_is_who_made_the_model(scored_pool: Build, kind: str, way: str) -> None:
    pool = scored_pool(probabilities(), order=np.arange(50), kind=kind)
    done = CliRunner().invoke(app, ["select", "--explain", named(0), str(pool.pool)])
    assert (done.exit_code, done.stdout) == (3, "")
    assert f"10 images have no signals yet\nhint: alcli {way}{pool.pool}\n" in done.stderr


class TestWhatTheListHides:
    """A labelled neighbour lies in a folder that is often called like its class: it tells a guess."""

    @pytest.mark.parametrize("is_open", [True, False])
    def test_a_blind_selection_has_no_labelled_neighbours(self, pool: Project, is_open: bool) -> None:
        asked = ("-k", 5, "--blind")
        if is_open:
            select(pool, *asked)
        for row in range(LABELLED, N):
            found = explained(pool, row, *asked)
            assert found["nearest_selected"] is not None
            assert found["nearest_labelled"] is None

    @pytest.mark.parametrize("is_open", [True, False])
    def test_nor_have_images_of_the_audit(self, pool: Project, is_open: bool) -> None:
        asked = ("-k", 8, "--audit", "25%")
        if is_open:
            select(pool, *asked)
        found = [explained(pool, row, *asked) for row in range(LABELLED, N)]
        audit = [one for one in found if one["reason"] == "audit"]
        assert [one["nearest_labelled"] for one in audit] == [None, None]
        for one in found:
            if one not in audit:
                row = int(one["file_name"][4:8])
                assert one["nearest_labelled"]["file_name"] == nearest(row, list(range(LABELLED)))

    @pytest.mark.parametrize("is_open", [True, False])
    def test_nor_have_images_to_be_labelled_again(self, pool: Project, is_open: bool) -> None:
        asked = ("-k", 20, *RELABEL)
        if is_open:
            select(pool, *asked)
        found = [explained(pool, row, *asked) for row in range(0, LABELLED, 3)]
        again = [one for one in found if one["reason"] == rounds.AGAIN]
        assert len(again) > 2
        assert all(one["nearest_labelled"] is None for one in again)

    @pytest.mark.parametrize("is_open", [True, False])
    def test_no_image_is_its_own_neighbour(self, pool: Project, is_open: bool) -> None:
        """Labelled images that were ranked for another label and passed over have a labelled neighbour."""
        asked = ("-k", 5, *RELABEL)
        sent = select(pool, *asked) if is_open else []
        labelled = [row for row in range(LABELLED) if row not in sent]
        found = [explained(pool, row, *asked) for row in labelled[::4]]
        passed_over = [one for one in found if not one["selected"]]
        assert len(passed_over) > 4
        for one in passed_over:
            row = int(one["file_name"][4:8])
            others = [other for other in labelled if other != row]
            assert one["nearest_labelled"]["file_name"] == nearest(row, others)

    def test_nor_is_one_that_was_answered(self, pool: Project) -> None:
        sent = select(pool, "-k", 5)
        answer(pool, {sent[0]: "class-0"})
        found = explained(pool, sent[0])
        assert found["nearest_labelled"]["file_name"] == nearest(sent[0], list(range(LABELLED)))


def test_where_all_were_drawn_there_is_no_lowest_score(pool: Project) -> None:
    sent = select(pool, "-k", 5, "--audit", "100%")
    found = explained(pool, min(set(range(LABELLED, N)) - set(sent)))
    assert (found["of"], found["cut"]) == (25, None)


def test_out_in_a_round_that_does_not_list_it(pool: Project) -> None:
    """Another tool wrote the manifest back; the label of what is out is not told."""
    select(pool, "-k", 5)
    with ledger.writing(pool, "test"):
        manifest = ledger.read(pool).assign(np.array([2]), queried_round=1)
        ledger.commit(pool, manifest, command="test")
    assert explained(pool, 2)["why"] == "it is out for labelling in round 1"


def test_a_labelled_image_that_is_not_out(pool: Project) -> None:
    select(pool, "-k", 5)
    found = explained(pool, 2)
    assert (found["round"], found["why"]) == (1, "a person has labelled it class-2")
