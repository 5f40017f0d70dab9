"""What a simulation starts from: who is shown a label, and who is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from alcli.errors import InputRejected, StepMissing, UsageError
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.simulation.budget import check_budget, check_first_labels
from alcli.simulation.experiment import Experiment, begin, ground
from alcli.simulation.noise import Noise


@pytest.fixture
def known() -> Manifest:
    """Ninety images in three classes of 20, 30 and 40, nine of them for testing; all labels are known."""
    labels = ["a"] * 20 + ["b"] * 30 + ["c"] * 40
    names = [f"{label}/{number:03d}.png" for number, label in enumerate(labels)]
    split = ["test" if number % 10 == 0 else "val" if number % 10 == 1 else "train" for number in range(90)]
    columns = {
        "file_name": names,
        "label": labels,
        "label_source": ["folder"] * 90,
        "annotator": ["ann"] * 90,
        "queried_round": [1] + [None] * 89,
        "pseudo_label": [None] * 89 + ["a"],
        "split": split,
        "size": np.full(90, 7),
        "mtime_ns": np.full(90, 7),
    }
    return Manifest.build(columns, ["a", "b", "c"])


def shown(manifest: Manifest) -> list[str]:
    rows = np.flatnonzero(manifest.labelled & manifest.equals("split", "train"))
    return [str(name) for name in manifest.strings("file_name", rows)]


def laid(project: Project, known: Manifest, **how: object) -> tuple[Manifest, Experiment]:
    experiment = Experiment(**how)  # type: ignore[arg-type]
    return ground(project, known, experiment), experiment


def test_validation_images_join_the_pool_and_traces_of_people_go(project: Project, known: Manifest) -> None:
    found, _ = laid(project, known)
    assert int(found.equals("split", "test").sum()) == 9
    assert int(found.equals("split", "train").sum()) == 81
    for column in ("annotator", "queried_round", "pseudo_label"):
        assert not found.filled(column).any()


def test_the_first_labels_are_the_only_ones_shown(project: Project, known: Manifest) -> None:
    found, experiment = laid(project, known, initial=12, batch=1, rounds=1)
    start = begin(found, experiment, seed=0)
    assert len(shown(start)) == 12
    assert len(start) == 90
    assert int((start.labelled & start.equals("split", "test")).sum()) == 9
    assert not start.filled("label_source")[~start.labelled].any()
    assert shown(begin(found, experiment, seed=0)) == shown(start)
    assert shown(begin(found, experiment, seed=1)) != shown(start)


def test_a_larger_start_holds_the_smaller_one(project: Project, known: Manifest) -> None:
    """Budgets are comparable: who begins with more begins with those and more."""
    found, few = laid(project, known, initial=5, rounds=0)
    _, many = laid(project, known, initial=25, rounds=0)
    assert set(shown(begin(found, few, 0))) < set(shown(begin(found, many, 0)))


def test_so_many_of_each_class(project: Project, known: Manifest) -> None:
    found, experiment = laid(project, known, initial_per_class=4, rounds=0)
    names = shown(begin(found, experiment, seed=0))
    assert [sum(name.startswith(one) for name in names) for one in "abc"] == [4, 4, 4]


def test_a_pool_is_drawn_for_each_seed(project: Project, known: Manifest) -> None:
    found, experiment = laid(project, known, initial=5, pool_size=30, rounds=0)
    first, second = (begin(found, experiment, seed) for seed in (0, 1))
    assert len(first) == len(second) == 39
    assert first.strings("file_name") != second.strings("file_name")
    everything = begin(found, experiment, 0, everything=True)
    assert len(shown(everything)) == 30


def test_draws_are_uniform(project: Project, known: Manifest) -> None:
    """Each of 81 images is among the first 27 in a third of 600 seeds: 200 +- 11.5, so within 5 deviations."""
    found, experiment = laid(project, known, initial=27, rounds=0)
    counts: dict[str, int] = {}
    for seed in range(600):
        for name in shown(begin(found, experiment, seed)):
            counts[name] = counts.get(name, 0) + 1
    assert len(counts) == 81
    assert all(142 < count < 258 for count in counts.values())


def test_test_images_are_drawn_where_there_are_none(project: Project, known: Manifest) -> None:
    bare = known.replace(split=["train"] * 90)
    found, _ = laid(project, bare, test_fraction=0.2)
    again, _ = laid(project, bare, test_fraction=0.2, initial=3)
    assert int(found.equals("split", "test").sum()) == 18
    assert (found.equals("split", "test") == again.equals("split", "test")).all()
    with pytest.raises(StepMissing):
        laid(project, bare)
    with pytest.raises(UsageError):
        laid(project, known, test_fraction=0.2)


def test_more_labels_than_there_are(project: Project, known: Manifest) -> None:
    for how, fits in [
        ({"initial": 21, "batch": 20, "rounds": 3}, True),
        ({"initial": 22, "batch": 20, "rounds": 3}, False),
        ({"initial_per_class": 30, "batch": 1, "rounds": 0}, True),
        ({"initial": 5, "batch": 5, "rounds": 2, "pool_size": 14}, False),
    ]:
        found, experiment = laid(project, known, **how)
        if fits:
            check_budget(found, experiment)
        else:
            with pytest.raises(InputRejected):
                check_budget(found, experiment)


def test_the_hint_is_what_fits(project: Project, known: Manifest) -> None:
    found, experiment = laid(project, known, initial=21, batch=20, rounds=4)
    for how, rounds in [({}, 3), ({"learns_of_rest": "vaal"}, 2)]:
        with pytest.raises(InputRejected, match="the pool has 81") as caught:
            check_budget(found, experiment, **how)  # type: ignore[arg-type]
        assert f"--rounds {rounds}, or a smaller --batch" in str(caught.value.hint)
        check_budget(found, replace(experiment, rounds=rounds), **how)  # type: ignore[arg-type]
    with pytest.raises(InputRejected) as caught:
        check_budget(found, replace(experiment, initial=82, rounds=0))
    assert str(caught.value.hint).startswith("--initial 40")


def test_first_labels_of_one_class_are_found_in_every_seed(project: Project, known: Manifest) -> None:
    """Of two labels out of 18, 27 and 36 images of three classes, about one pair in three is of one class."""
    found, experiment = laid(project, known, initial=2, rounds=0)
    alike = [len({name[0] for name in shown(begin(found, experiment, seed))}) == 1 for seed in range(20)]
    assert 1 < sum(alike) < 15
    for seed, one in enumerate(alike):
        if one:
            with pytest.raises(InputRejected, match=f"of seed {seed} are of one class") as caught:
                check_first_labels(found, experiment, [seed])
            assert caught.value.hint == "--initial-per-class 1"
        else:
            check_first_labels(found, experiment, [seed])


def test_mistakes_may_leave_one_class(project: Project, known: Manifest) -> None:
    noise = Noise("matrix", matrix=((1, 0, 0), (1, 0, 0), (1, 0, 0)))
    found, experiment = laid(project, known, initial_per_class=2, rounds=0, noise=noise)
    with pytest.raises(InputRejected, match="all 6 first labels of seed 0 are of one class, 'a'") as caught:
        check_first_labels(found, experiment, [0])
    assert caught.value.hint == "--initial-per-class 4, or less --label-noise"


def test_a_pool_of_one_class_is_refused(project: Project, known: Manifest) -> None:
    """The test images do not count: nobody learns from them."""
    test = known.equals("split", "test")
    alone = known.replace(label=np.where(test, known.strings("label"), "b").tolist())
    with pytest.raises(InputRejected, match="all 81 labelled images of the pool are of one class, 'b'"):
        laid(project, alone)


def test_other_labels_are_another_experiment(project: Project, known: Manifest) -> None:
    found, experiment = laid(project, known)
    labels = known.strings("label")
    other, _ = laid(project, known.replace(label=["b", *labels[1:]]))
    assert experiment.record(found) == experiment.record(found)
    assert experiment.record(found)["pool"] != experiment.record(other)["pool"]


def test_other_images_are_another_experiment(project: Project, known: Manifest) -> None:
    told = known.replace(sha256=[f"{number:064x}" for number in range(90)])
    found, experiment = laid(project, told)
    touched, _ = laid(project, told.replace(mtime_ns=np.full(90, 8)))
    assert experiment.record(found) == experiment.record(touched)
    changed, _ = laid(project, told.assign(np.array([5]), sha256=f"{90:064x}"))
    assert experiment.record(found)["pool"] != experiment.record(changed)["pool"]


def test_first_labels_may_be_wrong_and_test_labels_are_not(project: Project, known: Manifest) -> None:
    noise = Noise("permutation", 1.0)
    found, experiment = laid(project, known, initial=40, noise=noise)
    start, clean = begin(found, experiment, 0), begin(found, replace(experiment, noise=None), 0)
    assert shown(start) == shown(clean)
    rows = np.flatnonzero(start.labelled & start.equals("split", "train"))
    assert (start.label_codes[rows] != clean.label_codes[rows]).all()
    test = start.equals("split", "test")
    assert (start.label_codes[test] == clean.label_codes[test]).all()
    everything = begin(found, experiment, 0, everything=True)
    same = everything.label_codes[rows] == start.label_codes[rows]
    assert same.all()


def test_noise_is_part_of_the_experiment_and_none_is_not(project: Project, known: Manifest) -> None:
    """An experiment without noise is what it was before there was any: its table goes on."""
    found, experiment = laid(project, known)
    told = experiment.record(found)
    assert "noise" not in told
    records = [
        replace(experiment, noise=noise).record(found)
        for noise in (
            Noise("uniform", 0.3),
            Noise("uniform", 0.2),
            Noise("rad", 0.3),
            Noise("matrix", matrix=((1, 0, 0), (0, 1, 0), (0.5, 0, 0.5))),
            Noise("matrix", matrix=((1, 0, 0), (0, 1, 0), (0.4, 0, 0.6))),
        )
    ]
    assert len({record["noise"] for record in records}) == 5
    assert all(
        {name: value for name, value in record.items() if name != "noise"} == told for record in records
    )


@pytest.mark.parametrize(
    "how",
    [
        {"initial": 0},
        {"batch": 0},
        {"rounds": -1},
        {"initial_per_class": 0},
        {"pool_size": 1},
        {"mc_samples": 1},
        {"test_fraction": 0.0},
        {"test_fraction": 1.0},
        {"embedding": "nonsense"},
    ],
)
def test_numbers_out_of_range(how: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Experiment(**how)  # type: ignore[arg-type]
