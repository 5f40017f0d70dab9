"""Two strategies on the same images: whose ranks are compared, how alike they are, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alcli import ledger, selection
from alcli import manifest as manifests
from alcli.errors import InputRejected, PoolExhausted, StepMissing, UsageError
from alcli.project import Project
from alcli.reporting.comparing import Comparison, compare, two_names
from alcli.request import Request
from alcli.signals import SignalStore
from numpy.typing import NDArray
from scipy import stats

Build = Callable[..., Project]
N = 40


@pytest.fixture
def pool(scored_pool: Build) -> Project:
    """40 images in 3 classes with embeddings; the first four are labelled and the fifth is held out."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([2, 1, 0.5], N)
    embeddings = rng.normal(size=(N, 4)).astype(np.float16)
    labels = {row: f"class-{row % 3}" for row in range(4)}
    return scored_pool(probabilities, signals={"embeddings": embeddings}, labels=labels, splits={4: "val"})


def probabilities(project: Project) -> NDArray[np.float64]:
    """Return the stored ones, by row of the manifest."""
    store = SignalStore(project.signals / "0001-aaaaaa")
    return store.read(["probabilities"], manifests.read(project.manifest).keys)["probabilities"].astype(float)


def uncertainties(project: Project) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return 1 - margin and entropy by their definitions."""
    values = probabilities(project)
    ordered = np.sort(values, axis=1)
    return 1 - (ordered[:, -1] - ordered[:, -2]), stats.entropy(values, axis=1)


def picks(project: Project, strategy: str, k: int) -> list[int]:
    """Return the rows that `select` would choose, in order."""
    report = selection.select(project, Request(strategy, k=str(k)), settings=selection.Settings(dry_run=True))
    return [int(name[4:8]) for name in report.table["file_name"].to_pylist()]


def by_row(found: Comparison) -> dict[int, tuple[int, int]]:
    pairs = zip(found.ranks_a.tolist(), found.ranks_b.tolist(), strict=True)
    return dict(zip(found.rows.tolist(), pairs, strict=True))


# What is compared


def test_pointwise_strategies_rank_the_whole_pool(pool: Project) -> None:
    found = compare(pool, ("margin", "entropy"), k="10")
    margin, entropy = (values[5:] for values in uncertainties(pool))
    assert found.names == ("margin", "entropy")
    assert found.rows.tolist() == list(range(5, N))
    assert found.ranks_a.tolist() == stats.rankdata(-margin).astype(int).tolist()
    assert found.ranks_b.tolist() == stats.rankdata(-entropy).astype(int).tolist()
    assert found.rho == pytest.approx(stats.spearmanr(margin, entropy).statistic)
    assert found.about == "ranks of 35 images by margin and by entropy"


def test_the_overlap_is_of_what_each_would_select(pool: Project) -> None:
    found = compare(pool, ("margin", "entropy"), k="10")
    first, second = set(picks(pool, "margin", 10)), set(picks(pool, "entropy", 10))
    assert (found.k, found.overlap) == (10, len(first & second))
    assert found.jaccard == pytest.approx(len(first & second) / len(first | second))
    assert 0 < found.overlap < 10


def test_a_batch_strategy_is_compared_over_its_picks(pool: Project) -> None:
    found = compare(pool, ("kcenter", "margin"), k="8")
    chosen = picks(pool, "kcenter", 8)
    ranks = np.zeros(N, int)
    ranks[5:] = stats.rankdata(-uncertainties(pool)[0][5:])
    assert by_row(found) == {row: (at + 1, ranks[row]) for at, row in enumerate(chosen)}
    assert found.rho == pytest.approx(stats.spearmanr(np.arange(8), ranks[chosen]).statistic)
    assert found.overlap == int((ranks[chosen] <= 8).sum())
    assert (
        found.about == "kcenter ranks 8 of 35 images: their order against their ranks by margin among all 35"
    )


def test_the_order_of_names_is_the_order_of_ranks(pool: Project) -> None:
    there, back = compare(pool, ("margin", "kcenter"), k="8"), compare(pool, ("kcenter", "margin"), k="8")
    assert there.names == ("margin", "kcenter")
    assert (there.ranks_a.tolist(), there.ranks_b.tolist()) == (back.ranks_b.tolist(), back.ranks_a.tolist())
    assert there.about == back.about


def test_two_batch_strategies_share_what_both_pick(pool: Project) -> None:
    found = compare(pool, ("kcenter", "kmeans"), k="12")
    first, second = picks(pool, "kcenter", 12), picks(pool, "kmeans", 12)
    common = sorted(set(first) & set(second))
    assert by_row(found) == {row: (first.index(row) + 1, second.index(row) + 1) for row in common}
    assert found.overlap == len(common) > 1
    assert found.jaccard == pytest.approx(len(common) / (24 - len(common)))
    assert f"the {len(common)} that both rank are compared" in found.about


def test_a_strategy_and_itself_agree(pool: Project) -> None:
    found = compare(pool, ("random", "random"), seed=3)
    assert (found.rho, found.jaccard, found.overlap, found.k) == (pytest.approx(1), 1, 35, 35)
    other = compare(pool, ("random", "random"), seed=4)
    assert other.ranks_a.tolist() != found.ranks_a.tolist()


def test_a_share_of_the_pool(pool: Project) -> None:
    assert compare(pool, ("margin", "entropy"), k="20%").k == 7


def test_without_two_images_in_common_there_is_no_correlation(scored_pool: Build) -> None:
    project = scored_pool(np.array([[0.5, 0.5], [0.9, 0.1]]), labels={1: "class-0"})
    found = compare(project, ("margin", "entropy"))
    assert (found.rho, found.ranks_a.tolist(), found.overlap) == (None, [1], 1)


def test_images_out_for_labelling_take_part(pool: Project) -> None:
    before = compare(pool, ("margin", "kcenter"), k="8")
    selection.select(pool, Request("margin", k="8"))
    after = compare(pool, ("margin", "kcenter"), k="8")
    assert by_row(after) == by_row(before)


def test_nothing_is_written(pool: Project, snapshot: Callable[[Path], dict[str, bytes]]) -> None:
    before = snapshot(pool.pool)
    compare(pool, ("kcenter", "margin"), k="8")
    assert snapshot(pool.pool) == before


# What is refused


def test_two_names_are_read() -> None:
    assert two_names("margin,dal") == ("margin", "dal")
    assert two_names(" margin , auto ") == ("margin", "auto")


@pytest.mark.parametrize("text", ["margin", "", "margin,", "margin,margin", "margin,dal,egl"])
def test_anything_but_two_names_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="does not name two strategies") as failure:
        two_names(text)
    assert failure.value.hint == "--compare margin,entropy"


def test_an_unknown_strategy_is_refused_as_select_does(pool: Project) -> None:
    with pytest.raises(UsageError) as wanted:
        selection.select(pool, Request("margn"))
    for refused in (lambda: two_names("margn,dal"), lambda: compare(pool, ("entropy", "margn"))):
        with pytest.raises(UsageError) as failure:
            refused()
        assert failure.value.message == wanted.value.message


def test_signals_that_were_never_computed_are_refused_as_select_does(pool: Project) -> None:
    with pytest.raises(StepMissing) as wanted:
        selection.select(pool, Request("bald"))
    with pytest.raises(StepMissing) as failure:
        compare(pool, ("margin", "bald"))
    assert (failure.value.message, failure.value.hint) == (wanted.value.message, wanted.value.hint)


def test_images_without_signals_are_refused(scored_pool: Build) -> None:
    values = np.random.default_rng(0).dirichlet([1, 1, 1], 6)
    own = scored_pool(values, order=np.arange(4), name="own")
    with pytest.raises(InputRejected, match="2 images that the ranking needs") as rejected:
        compare(own, ("margin", "entropy"))
    assert rejected.value.details == ["img-0004.jpg", "img-0005.jpg"]
    trained = scored_pool(values, kind="trained", order=np.arange(4), name="trained")
    with pytest.raises(StepMissing, match="2 images have no signals") as missing:
        compare(trained, ("margin", "entropy"))
    assert missing.value.hint == trained.command("score")


def test_candidates_without_a_network_signal_are_refused_with_what_computes_it(scored_pool: Build) -> None:
    project = scored_pool(np.random.default_rng(0).dirichlet([1, 1, 1], 6), kind="trained")
    with pytest.raises(
        StepMissing, match="6 candidates lack adversarial distances, which deepfool"
    ) as failure:
        compare(project, ("margin", "deepfool"), k="2")
    assert failure.value.hint == project.command("select", "--strategy", "deepfool", "-k", "2")


def test_a_pool_without_manifest_model_or_images_is_refused(project: Project, scored_pool: Build) -> None:
    with pytest.raises(StepMissing, match="no label manifest"):
        compare(project, ("margin", "entropy"))
    done = scored_pool(np.array([[0.5, 0.5]]), labels={0: "class-0"})
    with pytest.raises(PoolExhausted, match="nothing left to rank"):
        compare(done, ("margin", "entropy"))


def test_what_is_out_of_date_is_not_compared(scored_pool: Build) -> None:
    project = scored_pool(np.random.default_rng(0).dirichlet([1, 1, 1], 6), kind="trained")
    with ledger.writing(project, "x"):
        changed = manifests.read(project.manifest).assign(np.array([2]), mtime_ns=[10])
        ledger.commit(project, changed, command="x")
    with pytest.raises(StepMissing, match="1 images have no signals yet"):
        compare(project, ("margin", "entropy"))
