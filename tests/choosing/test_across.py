"""What works with every strategy: candidates, class balance, duplicates, `auto`, and why an image was chosen."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alcli import ledger, rounds, selection
from alcli import manifest as manifests
from alcli.errors import StepMissing, UsageError
from alcli.main import app
from alcli.project import Project
from alcli.request import Request
from alcli.selection import DEFAULTS, SelectionReport
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from tests.conftest import draw

Build = Callable[..., Project]
N = 60


@pytest.fixture
def pool(scored_pool: Build) -> Project:
    """60 images in 3 classes with embeddings in 5 clumps; the first nine are labelled."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([2, 1, 0.5], N)
    embeddings = (rng.normal(size=(5, 4))[np.arange(N) % 5] * 5 + rng.normal(size=(N, 4))).astype(np.float16)
    labels = {row: f"class-{row % 3}" for row in range(9)}
    return scored_pool(probabilities, signals={"embeddings": embeddings}, labels=labels)


def select(project: Project, **asked: Any) -> SelectionReport:
    return selection.select(project, Request(**asked))


def rows(report: SelectionReport) -> list[int]:
    return [int(name[4:8]) for name in report.table["file_name"].to_pylist()]


def about(report: SelectionReport) -> dict[str, Any]:
    return dict(json.loads((report.path.parent / rounds.RECORD).read_text()))


def margins(project: Project) -> NDArray[np.float64]:
    probabilities = np.sort(stored(project, "probabilities"), axis=1)
    return np.asarray(probabilities[:, -1] - probabilities[:, -2])


def stored(project: Project, name: str) -> NDArray[Any]:
    from alcli.signals import SignalStore

    store = SignalStore(project.signals / "0001-aaaaaa")
    return store.read([name], manifests.read(project.manifest).keys)[name]


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["select", *map(str, arguments)])


class TestBatchStrategies:
    def test_a_batch_is_recorded_with_all_that_is_known(self, pool: Project) -> None:
        report = select(pool, strategy="kmeans", k="6")
        assert sorted(set(rows(report)) & set(range(9))) == []
        assert len(set(report.table["cluster"].to_pylist())) == 6
        assert set(report.table["reason"].to_pylist()) == {"diverse"}
        embeddings = stored(pool, "embeddings").astype(np.float64)
        nearest = [
            int(np.linalg.norm(embeddings[:9] - embeddings[row], axis=1).argmin()) for row in rows(report)
        ]
        assert report.table["nearest_labelled"].to_pylist() == [f"img-{row:04d}.jpg" for row in nearest]

    def test_the_library_picks_the_same(self, pool: Project) -> None:
        """The rows' order differs, as ids are hashes: so the same embeddings are given in the order of ids."""
        import alcli

        manifest = manifests.read(pool.manifest)
        order = np.argsort(manifest.keys)
        mask = manifest.labelled[order]
        picked = alcli.rank("kmeans", k=6, embeddings=stored(pool, "embeddings")[order], labelled=mask)
        assert order[picked.rows].tolist() == rows(select(pool, strategy="kmeans", k="6"))

    def test_stochastic_is_for_rankings(self, pool: Project) -> None:
        with pytest.raises(UsageError, match="picks its batch as a whole"):
            select(pool, strategy="kmeans", stochastic="power")

    def test_a_pool_beyond_memory_is_refused_before_it_is_read(
        self, pool: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("os.sysconf", lambda name: 1024 if name == "SC_PAGE_SIZE" else 1)
        with pytest.raises(UsageError, match="holds embeddings of 51 images") as caught:
            select(pool, strategy="kmeans", k="6")
        assert "--candidates" in str(caught.value.hint)


class TestCandidates:
    def test_the_smallest_margins_are_kept(self, pool: Project) -> None:
        report = select(pool, strategy="entropy", k="5", candidates=12)
        order = [row for row in np.argsort(margins(pool), kind="stable").tolist() if row >= 9]
        assert set(rows(report)) <= set(order[:12])
        assert about(report)["approximations"] == [
            "only 12 candidates of 51 images, with the smallest margins, were considered"
        ]

    def test_coverage_keeps_a_random_part(self, pool: Project) -> None:
        report = select(pool, strategy="kmeans", k="5", candidates=12)
        assert "drawn at random" in about(report)["approximations"][0]

    def test_random_is_not_bent_towards_small_margins(self, pool: Project) -> None:
        narrowed = select(pool, strategy="random", k="5", candidates=12)
        assert "drawn at random" in about(narrowed)["approximations"][0]
        whole = selection.select(pool, Request("random", "5"), settings=selection.Settings(replace=True))
        assert rows(narrowed) == rows(whole)  # the first twelve of the very same draw

    def test_margins_follow_from_probabilities(self, scored_pool: Build) -> None:
        from alcli import files

        probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 40)
        project = scored_pool(probabilities)
        record = project.signals / "0001-aaaaaa" / "signals.json"
        known = files.read_json(record)
        known["signals"] = {"probabilities": known["signals"]["probabilities"]}
        files.write_json(record, known)
        report = select(project, strategy="entropy", k="5", candidates=12)
        assert "with the smallest margins" in about(report)["approximations"][0]

    def test_the_digest_tells_what_narrowed_the_field(self, pool: Project) -> None:
        digests = [
            about(
                selection.select(
                    pool, Request("random", "5", **more), settings=selection.Settings(replace=True)
                )
            )["signals"]["digest"]
            for more in ({}, {"dedup": True})
        ]
        assert digests[0] != digests[1]
        asked = Request("entropy", "5", candidates=12, dedup=True)
        report = selection.select(pool, asked, settings=selection.Settings(replace=True))
        assert about(report)["signals"]["names"] == ["embeddings", "entropy", "margin"]

    def test_as_many_as_there_are_is_no_approximation(self, pool: Project) -> None:
        assert about(select(pool, strategy="kmeans", k="5", candidates=51))["approximations"] == []

    @pytest.mark.parametrize(("candidates", "message"), [(0, "at least 1"), (4, "fewer than the 5 images")])
    def test_too_few(self, pool: Project, candidates: int, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            select(pool, k="5", candidates=candidates)


class TestClassBalance:
    def predicted(self, project: Project, report: SelectionReport) -> list[int]:
        counts = np.bincount(stored(project, "prediction")[rows(report)], minlength=3)
        return [int(count) for count in counts]

    @pytest.mark.parametrize("strategy", ["margin", "kmeans"])
    def test_classes_end_up_even(self, pool: Project, strategy: str) -> None:
        """Each class has three labels, so each gets a third, whatever the strategy would take."""
        report = select(pool, strategy=strategy, k="12", class_balance=True)
        assert self.predicted(pool, report) == [4, 4, 4]

    def test_scores_decide_within_a_class(self, pool: Project) -> None:
        report = select(pool, k="12", class_balance=True)
        predicted, order = stored(pool, "prediction"), np.argsort(margins(pool), kind="stable")
        for code in range(3):
            best = [row for row in order.tolist() if row >= 9 and predicted[row] == code][:4]
            assert [row for row in rows(report) if predicted[row] == code] == best

    def test_a_batch_keeps_to_so_many_per_class(self, pool: Project) -> None:
        report = select(pool, strategy="kmeans", k="20", per_class=3)
        assert self.predicted(pool, report) == [3, 3, 3]


class TestDuplicates:
    @pytest.fixture
    def doubled(self, scored_pool: Build) -> Project:
        """Rows 10 to 19 repeat rows 0 to 9; row 0 is labelled; the files of rows 5 and 6 are the same."""
        rng = np.random.default_rng(1)
        embeddings = rng.normal(size=(10, 8)).astype(np.float16)
        embeddings[6] = embeddings[5]
        embeddings = np.tile(embeddings, (2, 1))
        probabilities = np.tile(rng.dirichlet(np.ones(3), 10), (2, 1))
        project = scored_pool(probabilities, signals={"embeddings": embeddings}, labels={0: "class-0"})
        with ledger.writing(project, "x"):
            manifest = manifests.read(project.manifest)
            digests = [f"{row:064x}" for row in range(20)]
            digests[6] = digests[5]
            ledger.commit(project, manifest.replace(sha256=digests), command="x")
        return project

    @pytest.mark.parametrize("strategy", ["margin", "kmeans", "random"])
    def test_one_of_each_group(
        self, doubled: Project, strategy: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING, "alcli"):
            report = select(doubled, strategy=strategy, k="19", dedup=True)
        groups = [row % 10 if row % 10 != 6 else 5 for row in rows(report)]
        assert sorted(groups) == [1, 2, 3, 4, 5, 7, 8, 9]  # 0 and 10 show what is labelled already
        assert "11 of 19 images are duplicates: 8 are left to select" in caplog.text
        assert about(report)["counts"]["duplicates"] == 11

    def test_the_smallest_id_stands_for_its_group_and_lists_it(self, doubled: Project) -> None:
        report = select(doubled, k="8", dedup=True)
        keys = manifests.read(doubled.manifest).keys
        for row, listed in zip(rows(report), report.table["duplicates"].to_pylist(), strict=True):
            group = [5, 6, 15, 16] if row % 10 in (5, 6) else [row % 10, row % 10 + 10]
            assert row == min(group, key=lambda member: int(keys[member]))
            others = sorted((m for m in group if m != row), key=lambda member: int(keys[member]))
            assert json.loads(listed) == [f"img-{member:04d}.jpg" for member in others]

    def test_without_a_model_only_the_same_bytes_count(self, doubled: Project) -> None:
        import shutil

        shutil.rmtree(doubled.models)
        report = select(doubled, strategy="random", k="19", dedup=True)
        assert len(rows(report)) == 18

    def test_a_higher_cosine_separates_more(self, pool: Project) -> None:
        loose = select(pool, k="1", dedup=True, dedup_threshold=0.9)
        assert loose.stepped_back > 0
        strict = selection.select(
            pool,
            Request(k="1", dedup=True, dedup_threshold=0.9999),
            settings=selection.Settings(replace=True),
        )
        assert strict.stepped_back == 0

    @pytest.mark.parametrize("threshold", [0.0, 1.5])
    def test_a_threshold_is_a_cosine(self, pool: Project, threshold: float) -> None:
        with pytest.raises(UsageError, match="is not a cosine"):
            select(pool, dedup=True, dedup_threshold=threshold)


class TestAuto:
    def test_says_what_it_chose_and_why(self, pool: Project) -> None:
        done = command("-s", "auto", "-k", 4, pool.pool)
        assert done.exit_code == 0, done.stderr
        assert "auto chose uherding: 9 labels of 3 classes are few" in done.stderr
        again = command("-s", "auto", "-k", 4, pool.pool)
        assert again.stdout == done.stdout
        assert "auto chose uherding" in again.stderr

    def test_is_recorded_under_the_strategy_that_ran(self, pool: Project) -> None:
        report = select(pool, strategy="auto", k="4")
        assert set(report.table["strategy"].to_pylist()) == {"uherding"}
        assert about(report)["request"]["strategy"] == "auto"
        assert "few" in about(report)["because"]

    def test_takes_no_options_of_a_strategy_that_is_not_known_yet(self, pool: Project) -> None:
        with pytest.raises(UsageError, match="settles its own options"):
            select(pool, strategy="auto", options={"h": "1"})

    def test_without_a_model_it_is_random(self, image_folder: Path) -> None:
        assert CliRunner().invoke(app, ["init", str(image_folder)]).exit_code == 0
        done = command("-s", "auto", "-k", 4, image_folder)
        assert "auto chose random: no model" in done.stderr


def test_equal_files_that_nobody_has_read_yet_are_found(tmp_path: Path) -> None:
    """At a cold start there are no signals, and no digests; files of different lengths need not be read."""
    for number in range(6):
        draw(tmp_path / f"{number}.png", shade=40 * number, seed=number)
    (tmp_path / "copy.png").write_bytes((tmp_path / "3.png").read_bytes())
    assert CliRunner().invoke(app, ["init", str(tmp_path)]).exit_code == 0
    done = command("-s", "random", "--dedup", "-k", "7", "--json", tmp_path)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["images"] == 6


class TestExplain:
    def explained(self, project: Project, row: int, **asked: Any) -> dict[str, Any]:
        import dataclasses

        name = f"img-{row:04d}.jpg"
        found = selection.explain(project, Request(**asked), name, settings=DEFAULTS)
        return dataclasses.asdict(found)

    def test_a_chosen_image(self, pool: Project) -> None:
        first, second = rows(select(pool, k="5"))[:2]
        found = self.explained(pool, second)
        assert (found["selected"], found["rank"], found["of"], found["round"]) == (True, 2, 5, 1)
        assert found["why"] == "it ranks 2 of 5 selected images"
        embeddings = stored(pool, "embeddings").astype(np.float64)
        distances = np.linalg.norm(embeddings[:9] - embeddings[second], axis=1)
        assert found["nearest_labelled"]["file_name"] == f"img-{int(distances.argmin()):04d}.jpg"
        assert found["nearest_labelled"]["distance"] == pytest.approx(distances.min(), rel=1e-4)
        assert self.explained(pool, first)["rank"] == 1

    def test_once_answers_came_the_record_tells(self, pool: Project, tmp_path: Path) -> None:
        """Chosen again, the round would have images that it never had."""
        chosen = rows(select(pool, k="5"))
        order = [row for row in np.argsort(margins(pool), kind="stable").tolist() if row >= 9]
        answers = tmp_path / "answers.csv"
        lines = "".join(f"img-{row:04d}.jpg,class-0\n" for row in chosen[:2])
        answers.write_text(f"file_name,label\n{lines}", encoding="utf-8")
        assert CliRunner().invoke(app, ["import-labels", str(answers), str(pool.pool)]).exit_code == 0
        assert [self.explained(pool, row)["rank"] for row in chosen] == [1, 2, 3, 4, 5]
        found = self.explained(pool, order[5])
        assert (found["selected"], found["rank"]) == (False, None)
        assert found["why"].endswith("how it ranked cannot be told any more: answers came back")

    def test_gold_is_not_given_away(self, pool: Project) -> None:
        report = select(pool, k="5", gold="40%")
        names = [str(name) for name in report.table["file_name"].to_pylist()]
        found = [self.explained(pool, int(name[4:8])) for name in names]
        assert len(found) == 7
        assert [one["why"] for one in found] == [f"it ranks {at} of 7 selected images" for at in range(1, 8)]
        assert {(one["score"], one["reason"]) for one in found} == {(None, None)}

    def test_an_image_that_ranks_too_low(self, pool: Project) -> None:
        chosen = rows(select(pool, k="5"))
        order = [row for row in np.argsort(margins(pool), kind="stable").tolist() if row >= 9]
        assert order[:5] == chosen
        found = self.explained(pool, order[7])
        assert (found["selected"], found["rank"], found["of"]) == (False, 8, 51)
        assert found["score"] == pytest.approx(1 - margins(pool)[order[7]], abs=1e-5)
        assert found["cut"] == pytest.approx(1 - margins(pool)[order[4]], abs=1e-5)
        assert "7 images rank before it, and 5 were taken" in found["why"]

    def test_what_would_be_selected_now(self, pool: Project) -> None:
        found = self.explained(pool, 20, k="51")
        assert (found["selected"], found["round"]) == (True, None)
        assert manifests.read(pool.manifest).round == 0

    @pytest.mark.parametrize(
        ("row", "why"), [(0, "a person has labelled it class-0"), (20, "held out in the split val")]
    )
    def test_an_image_that_cannot_be_queried(self, scored_pool: Build, row: int, why: str) -> None:
        probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 30)
        project = scored_pool(probabilities, labels={0: "class-0"}, splits={20: "val"})
        assert why in self.explained(project, row)["why"]

    def test_a_batch(self, pool: Project) -> None:
        chosen = rows(select(pool, strategy="kmeans", k="5"))
        assert self.explained(pool, chosen[2])["why"] == "kmeans picked it as number 3 of the batch"
        other = next(row for row in range(9, N) if row not in chosen)
        found = self.explained(pool, other)
        assert "kmeans picks images together" in found["why"]
        embeddings = stored(pool, "embeddings").astype(np.float64)
        distances = np.linalg.norm(embeddings[chosen] - embeddings[other], axis=1)
        assert found["nearest_selected"]["file_name"] == f"img-{chosen[int(distances.argmin())]:04d}.jpg"

    def test_a_duplicate(self, scored_pool: Build) -> None:
        embeddings = np.random.default_rng(1).normal(size=(30, 8)).astype(np.float16)
        embeddings[20] = embeddings[0]
        probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 30)
        project = scored_pool(probabilities, signals={"embeddings": embeddings}, labels={0: "class-0"})
        found = self.explained(project, 20, dedup=True, k="5")
        assert found["why"] == "it is a duplicate of img-0000.jpg, which stands for it"

    def test_a_duplicate_of_what_is_out_or_held_out(self, scored_pool: Build) -> None:
        """Nobody is paid twice for one image, and none of the validation split is learned from."""
        embeddings = np.random.default_rng(1).normal(size=(30, 8)).astype(np.float16)
        embeddings[[20, 21]] = embeddings[[0, 1]]
        probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 30)
        project = scored_pool(
            probabilities,
            signals={"embeddings": embeddings},
            labels={0: "class-0", 2: "class-0"},
            splits={0: "val"},
        )
        with ledger.writing(project, "test"):
            manifest = ledger.read(project)
            out = manifest.assign(np.array([1]), queried_round=1).replace(round_=1)
            ledger.commit(project, out, command="test")
        settings = dataclasses.replace(DEFAULTS, add=True)
        report = selection.select(project, Request(k="30", dedup=True), settings=settings)
        assert set(rows(report)) == set(range(30)) - {0, 1, 2, 20, 21}

    def test_a_candidate_that_was_none(self, pool: Project) -> None:
        order = [row for row in np.argsort(margins(pool), kind="stable").tolist() if row >= 9]
        found = self.explained(pool, order[-1], k="3", candidates=10)
        assert (found["selected"], found["why"]) == (False, "it was not among the candidates")

    def test_on_the_command_line(self, pool: Project) -> None:
        chosen = rows(select(pool, k="5"))
        name = f"img-{chosen[0]:04d}.jpg"
        before = pool.manifest.read_bytes()
        done = command("--explain", name, pool.pool)
        assert done.exit_code == 0, done.stderr
        lines = done.stdout.splitlines()
        assert lines[0] == f"{name} is in round 1 by margin: it ranks 1 of 5 selected images"
        assert lines[1].startswith("rank 1 of 5, score 0.9")
        assert lines[2].startswith("nearest selected image: img-")
        assert lines[3].startswith("nearest labelled image: img-")
        assert json.loads(command("--explain", name, "--json", pool.pool).stdout)["rank"] == 1
        assert pool.manifest.read_bytes() == before

    def test_a_name_that_is_not_there(self, pool: Project) -> None:
        done = command("--explain", "nothing.jpg", pool.pool)
        assert done.exit_code == 2
        assert "no image nothing.jpg" in done.stderr

    def test_images_that_were_never_scored(self, image_folder: Path) -> None:
        assert CliRunner().invoke(app, ["init", str(image_folder)]).exit_code == 0
        project = Project.open(image_folder)
        with pytest.raises(StepMissing, match="none has been trained"):
            selection.explain(project, Request(), "unlabelled/b000.png", settings=DEFAULTS)
