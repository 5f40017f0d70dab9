"""Wrong labels on purpose: how many, which, and the same for every method."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from alcli import identity, randomness
from alcli.errors import InputRejected, UsageError
from alcli.simulation.noise import Noise, derangement, read_matrix
from scipy import stats

CLASSES = ("ant", "bee", "cat")


def keys(n: int) -> np.ndarray:
    return identity.text_keys([f"img-{row}" for row in range(n)])


def answers(noise: Noise, truth: np.ndarray, *, seed: int = 0, batch: int = 0, c: int = 10) -> np.ndarray:
    return noise.answers(truth.astype(np.int32), keys(len(truth)), classes=c, seed=seed, batch=batch)


def balanced(n: int, c: int = 10) -> np.ndarray:
    return np.arange(n) % c


def test_uniform_noise_is_as_frequent_as_it_says_and_prefers_no_class() -> None:
    """Of 30,000 labels 9,000 +- 79 are wrong; the nine other classes of each are alike, by a chi-square test."""
    truth = balanced(30_000)
    found = answers(Noise("uniform", 0.3), truth)
    wrong = found != truth
    assert abs(int(wrong.sum()) - 9_000) < 5 * 79.4
    steps = np.bincount((found - truth)[wrong] % 10, minlength=10)
    assert steps[0] == 0
    assert stats.chisquare(steps[1:]).pvalue > 1e-4
    assert stats.chisquare(np.bincount(truth[wrong])).pvalue > 1e-4


@pytest.mark.parametrize("model", ["uniform", "rad", "permutation"])
def test_all_labels_may_be_wrong(model: str) -> None:
    truth = balanced(400)
    found = answers(Noise(model, 1.0), truth)  # type: ignore[arg-type]
    wrong = int((found != truth).sum())
    assert wrong == 400 if model != "rad" else wrong > 150
    assert set(found.tolist()) <= set(range(10))


@pytest.mark.parametrize("model", ["uniform", "permutation"])
def test_an_image_is_answered_alike_in_every_batch(model: str) -> None:
    noise, truth = Noise(model, 0.4), balanced(500)  # type: ignore[arg-type]
    whole = noise.answers(truth.astype(np.int32), keys(500), classes=10, seed=3, batch=1)
    some = np.random.default_rng(0).permutation(500)[:70]
    part = noise.answers(truth[some].astype(np.int32), keys(500)[some], classes=10, seed=3, batch=7)
    assert (part == whole[some]).all()
    assert (answers(noise, truth, seed=4) != answers(noise, truth, seed=3)).any()


def test_the_noise_has_a_stream_of_its_own() -> None:
    """Nothing else that is drawn from a lane's seed is drawn from this one."""
    own, truth = randomness.derive_seed(3, "label-noise"), balanced(500)
    wrong = answers(Noise("uniform", 0.4), truth, seed=3) != truth
    assert (wrong == (randomness.uniform(own, "which", keys(500)) < 0.4)).all()
    permuted = answers(Noise("permutation", 1.0), truth, seed=3)
    assert (permuted == derangement(10, own)[truth]).all()


def test_more_noise_adds_to_less() -> None:
    """What is wrong at 10 % is wrong at 40 % too, and alike: levels can be compared."""
    truth = balanced(2_000)
    few, many = answers(Noise("uniform", 0.1), truth), answers(Noise("uniform", 0.4), truth)
    wrong = few != truth
    assert (many[wrong] == few[wrong]).all()


def test_rad_spoils_as_many_of_a_batch_as_the_paper_says() -> None:
    """Of batches of 400 at 10 %, 40 +- 8 labels are wrong (A.15): N(40, 8²), rounded."""
    noise, truth = Noise("rad", 0.1), balanced(400)
    counts = np.array([(answers(noise, truth, batch=batch) != truth).sum() for batch in range(600)])
    assert abs(counts.mean() - 40) < 5 * 8 / np.sqrt(600)
    assert abs(counts.std() - 8) < 5 * 8 / np.sqrt(1_200)
    assert (
        stats.kstest(counts + np.random.default_rng(0).uniform(-0.5, 0.5, 600), "norm", (40, 8)).pvalue > 1e-4
    )


def test_rad_depends_on_the_batch_and_its_mistakes_on_the_image() -> None:
    noise, truth = Noise("rad", 0.3), balanced(400)
    one, other = answers(noise, truth, batch=1), answers(noise, truth, batch=2)
    both = (one != truth) & (other != truth)
    assert (one[both] == other[both]).all()
    assert (one != truth).sum() != (other != truth).sum()
    assert (answers(noise, truth, batch=1) == one).all()
    turned = noise.answers(truth[::-1].astype(np.int32), keys(400)[::-1], classes=10, seed=0, batch=1)
    assert (turned[::-1] == one).all()


def test_a_permutation_replaces_each_class_by_one_other() -> None:
    """45 % of 20,000: 9,000 +- 70."""
    truth = balanced(20_000)
    found = answers(Noise("permutation", 0.45), truth)
    wrong = found != truth
    assert abs(int(wrong.sum()) - 9_000) < 5 * 70.4
    pairs = {(int(a), int(b)) for a, b in zip(truth[wrong], found[wrong], strict=True)}
    assert len(pairs) == 10
    assert {given for _, given in pairs} == set(range(10))
    assert all(true != given for true, given in pairs)


def test_derangements_are_drawn_alike() -> None:
    """Of four classes there are nine, none with a fixed point."""
    possible = [order for order in permutations(range(4)) if all(row != at for at, row in enumerate(order))]
    drawn = [tuple(derangement(4, seed).tolist()) for seed in range(1_800)]
    assert set(drawn) == set(possible)
    assert stats.chisquare([drawn.count(order) for order in possible]).pvalue > 1e-4
    assert derangement(2, 5).tolist() == [1, 0]


def test_a_matrix_is_followed_row_by_row() -> None:
    matrix = ((0.7, 0.2, 0.1), (0.0, 1.0, 0.0), (0.0, 0.5, 0.5))
    truth = balanced(30_000, 3)
    found = answers(Noise("matrix", matrix=matrix), truth, c=3)
    for code, row in enumerate(matrix):
        counts = np.bincount(found[truth == code], minlength=3)
        assert counts[np.array(row) == 0].sum() == 0
        seen = np.array(row) > 0
        if seen.sum() > 1:
            assert stats.chisquare(counts[seen], 10_000 * np.array(row)[seen]).pvalue > 1e-4


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_matrix_is_read_by_name_and_brought_to_sum_one(tmp_path: Path) -> None:
    file = written(tmp_path / "m.csv", "true,cat,ant,bee\nbee,0,1,3\nant,0,10,0\ncat,2,1,1\n")
    assert read_matrix(file, CLASSES) == ((1, 0, 0), (0.25, 0.75, 0), (0.25, 0.25, 0.5))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (",ant,bee,cow\nant,1,0,0\nbee,0,1,0\ncat,0,0,1\n", "in its columns, no class of the pool: 'cow'"),
        (",ant,bee\nant,1,0\nbee,0,1\ncat,0,1\n", "in its columns, missing: 'cat'"),
        (",ant,bee,cat\nant,1,0,0\nbee,0,1,0\n", "in its rows, missing: 'cat'"),
        (",ant,bee,cat\nant,1,0,0\nbee,0,1,0\ncow,0,0,1\n", "in its rows, no class of the pool: 'cow'"),
        (",ant,bee,cat\nant,1,0,0\nbee,0,1,0\ncat,0,0,1\nant,1,0,0\n", "in its rows, there twice: 'ant'"),
        (",ant,ant,cat\nant,1,0,0\n", "'ant' stands more than once in the header"),
        (",ant,bee,cat\nant,1,0,0\nbee,0,-1,0\ncat,0,0,1\n", "line 3: '-1' under 'bee' is no number from 0"),
        (",ant,bee,cat\nant,1,0,0\nbee,0,x,0\ncat,0,0,1\n", "line 3: 'x' under 'bee' is no number from 0"),
        (",ant,bee,cat\nant,1,0,0\nbee,0,nan,0\ncat,0,0,1\n", "'nan' under 'bee'"),
        (",ant,bee,cat\nant,1,0,0\nbee,0,,0\ncat,0,0,1\n", "None under 'bee'"),
        (",ant,bee,cat\nant,1,0,0\nbee,0,0,0\ncat,0,0,1\n", "line 3: all numbers are 0"),
        ("", "is empty"),
    ],
)
def test_what_is_no_matrix_of_these_classes_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputRejected, match=told):
        read_matrix(written(tmp_path / "m.csv", text), CLASSES)


def test_how_it_is_asked_for(tmp_path: Path) -> None:
    file = written(tmp_path / "m.csv", ",ant,bee,cat\n")
    assert Noise.parse(None, None) is None
    assert Noise.parse("0%", None) is None
    assert Noise.parse("0%", "rad") is None
    assert Noise.parse("30%", None) == Noise("uniform", 0.3)
    assert Noise.parse("2.5%", "permutation") == Noise("permutation", 0.025)
    assert Noise.parse(None, str(file)) == Noise("matrix", file=file)
    for rate, model, told in [
        (None, "rad", "--noise-model rad needs --label-noise"),
        ("0.3", None, "0.3 is not a share"),
        ("101%", None, "101% is not a share"),
        ("-5%", None, "-5% is not a share"),
        ("30%", str(file), "says already how often"),
        ("30%", "gaussian", "there is no such model, and no such file"),
        (None, "matrix", "there is no such model, and no such file"),
    ]:
        with pytest.raises(UsageError, match=told):
            Noise.parse(rate, model)


def test_one_class_cannot_be_mistaken() -> None:
    with pytest.raises(InputRejected, match="two classes at least"):
        Noise("uniform", 0.3).settled(("ant",))
