"""What every registered strategy promises; a new file in alcli/strategies/ is tested here by being there."""

from __future__ import annotations

import importlib
import json
from typing import Any

import alcli
import numpy as np
import pytest
from alcli.errors import AlcliError, InputRejected
from alcli.planning import Plan
from alcli.ranking import Scores, find, plan, top
from alcli.strategies._batch import Batch
from numpy.typing import NDArray

from tests.strategies import arrays

N = 40
NAMES = alcli.strategies()
WITH_SIGNALS = [name for name in NAMES if find(name).signals]
POINTWISE = [name for name in NAMES if find(name).kind == "pointwise"]
SCORED = [name for name in POINTWISE if find(name).signals]
BATCH = [name for name in NAMES if find(name).kind == "batch"]
PREFIX = [name for name in NAMES if find(name).prefix]
NEEDS_LABELLED = {"triplet-margin", "dal"}  # there is nothing to compare the pool with
QUICKER: dict[str, dict[str, Any]] = {"dal": {"epochs": 30}}  # trains a network for every image of so few
STOCHASTIC = [(name, how) for name in POINTWISE for how in ("power", "softrank")]


def made_of(name: str, signals: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The signals that the strategy reads out of those, and the model's last layer where it does."""
    ready = plan(name, signals)
    read = dict.fromkeys((*ready.row_signals, *ready.labelled_signals))
    classes = signals["probabilities"].shape[1]
    head = arrays.head(classes=classes) if ready.model_inputs else {}
    return {signal: signals[signal] for signal in read} | head


def ranked(name: str, signals: dict[str, NDArray[Any]], labels: NDArray[Any], **more: Any) -> alcli.Selection:
    given = {"k": len(labels), **QUICKER.get(name, {}), **more}
    return alcli.rank(name, labels=labels, **made_of(name, signals), **given)


def fitted(name: str, seed: int = 0, classes: int = arrays.CLASSES) -> Plan:
    """A plan that knows of eight labelled rows."""
    ready = plan(name, arrays.signals(1), seed=seed, options=QUICKER.get(name))
    ready.know(**arrays.head(classes=classes))
    if ready.labelled_signals or ready.needs_labels:
        about = arrays.signals(8, seed=9, classes=classes)
        labelled = {signal: about[signal] for signal in ready.labelled_signals}
        ready.fit(np.arange(8, dtype=np.uint64), labelled, np.arange(8) % min(3, classes), classes)
    return ready


def in_chunks(
    ready: Plan, signals: dict[str, NDArray[Any]], n: int, chunk: int
) -> list[tuple[NDArray[Any], dict[str, NDArray[Any]]]]:
    chunks = [np.arange(start, min(start + chunk, n)) for start in range(0, n, chunk)]
    return [(at, {s: signals[s][at] for s in ready.row_signals}) for at in chunks]


def scored(
    name: str, keys: NDArray[np.uint64], signals: dict[str, NDArray[Any]], chunk: int, seed: int = 0
) -> Scores:
    """The scores of the pool, read in chunks; the first eight rows are labelled."""
    ready = fitted(name, seed, signals["probabilities"].shape[1])
    return ready.score(keys, in_chunks(ready, signals, len(keys), chunk))


def picked(
    name: str, keys: NDArray[np.uint64], signals: dict[str, NDArray[Any]], chunk: int, k: int
) -> Batch:
    """A batch of the pool, read in chunks; rows are positions in `keys`."""
    ready = fitted(name, classes=signals["probabilities"].shape[1])
    return ready.gather(keys, in_chunks(ready, signals, len(keys), chunk)).pick(k)


@pytest.mark.parametrize("name", NAMES)
def test_is_documented(name: str) -> None:
    strategy = find(name)
    assert strategy.name == name
    assert strategy.function.__module__ == "alcli.strategies." + name.replace("-", "_")
    assert strategy.summary.endswith(".")
    assert len(strategy.paper) > 10
    assert strategy.kind in ("pointwise", "batch")
    assert strategy.needs
    assert strategy.reads
    assert strategy.keeps
    assert strategy.cost
    assert strategy.candidates in ("margin", "random")


@pytest.mark.parametrize("name", NAMES)
def test_the_decorator_leaves_the_function_alone(name: str) -> None:
    identifier = name.replace("-", "_")
    module = importlib.import_module(f"alcli.strategies.{identifier}")
    assert getattr(module, identifier) is find(name).function


@pytest.mark.parametrize("k", [-1, 0, 1, 7, N - 10, N + 1])
@pytest.mark.parametrize("name", NAMES)
def test_returns_k_distinct_unlabelled_rows_best_first(name: str, k: int) -> None:
    labels = arrays.labels(N)
    selection = ranked(name, arrays.signals(N), labels, k=k)
    assert len(selection.rows) == min(max(k, 0), (labels < 0).sum())
    assert selection.rows.dtype == np.int64
    assert selection.scores.dtype == np.float64
    assert len(set(selection.rows.tolist())) == len(selection.rows)
    assert (labels[selection.rows] == -1).all()
    assert np.isfinite(selection.scores).all()
    assert name in BATCH or (np.diff(selection.scores) <= 0).all()


@pytest.mark.parametrize(("name", "stochastic"), [*((name, None) for name in PREFIX), *STOCHASTIC])
def test_a_smaller_budget_is_a_prefix_of_a_larger_one(name: str, stochastic: str | None) -> None:
    signals, labels = arrays.signals(N), arrays.labels(N)
    everything = ranked(name, signals, labels, stochastic=stochastic).rows.tolist()
    for k in (1, 5, 20):
        assert ranked(name, signals, labels, stochastic=stochastic, k=k).rows.tolist() == everything[:k]


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_answer(name: str) -> None:
    signals, labels = arrays.signals(N), arrays.labels(N)
    once, again = (ranked(name, signals, labels, seed=3) for _ in range(2))
    assert once.rows.tobytes() == again.rows.tobytes()
    assert once.scores.tobytes() == again.scores.tobytes()


@pytest.mark.parametrize("classes", [1, 2, 10, 33])
@pytest.mark.parametrize("name", POINTWISE)
def test_chunks_do_not_matter_to_the_last_bit(name: str, classes: int) -> None:
    signals = arrays.signals(200, classes=classes)
    keys = np.random.default_rng(0).permutation(200).astype(np.uint64)
    whole = scored(name, keys, signals, 200)
    for chunk in (1, 7):
        parts = scored(name, keys, signals, chunk)
        assert parts.values.tobytes() == whole.values.tobytes()
        assert whole.ties is None or parts.ties is not None
        assert whole.ties is None or parts.ties.tobytes() == whole.ties.tobytes()


@pytest.mark.parametrize("name", SCORED)
def test_layout_in_memory_does_not_matter(name: str) -> None:
    signals = arrays.signals(N)
    keys = np.arange(N, dtype=np.uint64)
    columns_first = {signal: np.asfortranarray(values) for signal, values in signals.items()}
    assert (
        scored(name, keys, columns_first, N).values.tobytes()
        == scored(name, keys, signals, N).values.tobytes()
    )


@pytest.mark.parametrize("name", POINTWISE)
def test_the_order_of_files_does_not_matter(name: str) -> None:
    signals = {signal: np.repeat(values, 2, axis=0) for signal, values in arrays.signals(N // 2).items()}
    keys = np.random.default_rng(1).permutation(N).astype(np.uint64) * np.uint64(7919)
    order = np.random.default_rng(2).permutation(N)
    shuffled = {signal: values[order] for signal, values in signals.items()}
    for k in (1, 13, N):
        straight = keys[top(scored(name, keys, signals, N), keys, k)]
        assert (
            keys[order][top(scored(name, keys[order], shuffled, N), keys[order], k)].tolist()
            == straight.tolist()
        )


@pytest.mark.parametrize("name", WITH_SIGNALS)
def test_arrays_are_not_modified_and_may_be_read_only(name: str) -> None:
    signals, labels = arrays.signals(N), arrays.labels(N)
    before = {signal: values.copy() for signal, values in signals.items()}
    for values in [*signals.values(), labels]:
        values.flags.writeable = False
    ranked(name, signals, labels, stochastic="power" if name in POINTWISE else None)
    assert all(np.array_equal(signals[signal], before[signal]) for signal in signals)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("name", SCORED)
def test_narrow_floats_are_accepted(name: str, dtype: type) -> None:
    signals, labels = arrays.signals(N, classes=3), arrays.labels(N)
    narrow = {signal: values.astype(dtype) for signal, values in signals.items()}
    of_narrow, of_wide = (
        dict(zip(s.rows.tolist(), s.scores.tolist(), strict=True))
        for s in (ranked(name, narrow, labels), ranked(name, signals, labels))
    )
    votes = name == "mc-variation-ratio"  # a vote may flip where float16 makes two classes equal
    assert votes or of_narrow == pytest.approx(of_wide, abs=20 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("name", NAMES)
def test_identical_images_come_in_the_order_of_their_rows(name: str) -> None:
    signals = {signal: np.repeat(values, N, axis=0) for signal, values in arrays.signals(1).items()}
    labels = arrays.labels(N)
    rows = ranked(name, signals, labels).rows.tolist()
    assert sorted(rows) == np.flatnonzero(labels < 0).tolist()
    assert name == "random" or name in BATCH or rows == sorted(rows)


@pytest.mark.parametrize("name", SCORED)
def test_equal_scores_are_told(name: str, caplog: pytest.LogCaptureFixture) -> None:
    signals = {signal: np.repeat(values, N, axis=0) for signal, values in arrays.signals(1).items()}
    ranked(name, signals, arrays.labels(N))
    assert f"{name} gives all 30 images the same score" in caplog.text


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_of_exactly_0_and_1(name: str) -> None:
    signals = arrays.signals(N)
    certain = np.eye(arrays.CLASSES)[np.arange(N) % arrays.CLASSES]
    signals["probabilities"][::2] = certain[::2]
    signals["mc_probabilities"][::2] = certain[::2, None]
    assert np.isfinite(ranked(name, signals, arrays.labels(N)).scores).all()


@pytest.mark.parametrize("name", NAMES)
def test_one_class(name: str) -> None:
    labels = np.minimum(arrays.labels(N), 0)
    assert len(ranked(name, arrays.signals(N, classes=1), labels).rows) == (labels < 0).sum()


@pytest.mark.parametrize("name", NAMES)
def test_one_image(name: str) -> None:
    assert ranked(name, arrays.signals(2), np.array([0, -1])).rows.tolist() == [1]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_left(name: str) -> None:
    selection = ranked(name, arrays.signals(N), np.arange(N) % 3)
    assert selection.rows.tolist() == selection.scores.tolist() == []


@pytest.mark.parametrize("name", NAMES)
def test_no_labels_at_all_works_or_says_why(name: str) -> None:
    labels = np.full(N, -1)
    try:
        assert len(ranked(name, arrays.signals(N), labels).rows) == N
    except AlcliError as refusal:
        assert name in NEEDS_LABELLED
        assert "no labelled images" in str(refusal)  # noqa: PT017


@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize("name", WITH_SIGNALS)
def test_nan_is_refused_and_the_row_named(name: str, poison: float) -> None:
    """Peers sort NaN first or last; here it never reaches a sort (pitfalls.md 1.1)."""
    signals = arrays.signals(N)
    for values in signals.values():
        values.reshape(N, -1)[29, 0] = poison
    with pytest.raises(InputRejected, match="row 29") as caught:
        ranked(name, signals, arrays.labels(N))
    assert caught.value.details == ["row 29"]


@pytest.mark.parametrize("name", [name for name in NAMES if find(name).needs_labels])
def test_nan_in_a_labelled_row_is_refused_too(name: str) -> None:
    signals = arrays.signals(N)
    for values in signals.values():
        values.reshape(N, -1)[4, 0] = np.nan
    with pytest.raises(InputRejected, match="row 4"):
        ranked(name, signals, arrays.labels(N))


@pytest.mark.parametrize("name", NAMES)
def test_options_have_legal_defaults(name: str) -> None:
    for option in find(name).options.values():
        assert option.convert(option.default) == option.default
        assert option.convert(str(option.default)) == option.default


@pytest.mark.parametrize("name", BATCH)
def test_a_batch_does_not_depend_on_chunks_or_the_order_of_files(name: str) -> None:
    signals = {signal: np.repeat(values, 2, axis=0) for signal, values in arrays.signals(N // 2).items()}
    keys = np.random.default_rng(1).permutation(N).astype(np.uint64) * np.uint64(7919)
    order = np.random.default_rng(2).permutation(N)
    shuffled = {signal: values[order] for signal, values in signals.items()}
    for k in (1, 13, N):
        straight = picked(name, keys, signals, N, k)
        for chunk in (1, 7, N):
            other = picked(name, keys[order], shuffled, chunk, k)
            assert keys[order][other.rows].tolist() == keys[straight.rows].tolist()
            assert other.scores.tobytes() == straight.scores.tobytes()


@pytest.mark.parametrize("name", BATCH)
def test_a_batch_says_something_of_each_row(name: str) -> None:
    keys = np.arange(N, dtype=np.uint64)
    batch = picked(name, keys, arrays.signals(N), N, 9)
    assert len(batch.rows) == len(batch.scores) == 9
    assert len(batch.reasons) in (0, 9)
    assert batch.clusters is None or batch.clusters.shape == (9,)
    json.dumps(dict(batch.quality), allow_nan=False)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("name", BATCH)
def test_a_batch_of_narrow_floats(name: str, dtype: type) -> None:
    """Numbers that float16 holds exactly give the same batch in every width."""
    signals, labels = arrays.signals(N, classes=4), arrays.labels(N, classes=4)
    signals["probabilities"] = np.round(signals["probabilities"] * 256) / 256
    signals["probabilities"][:, 0] += 1 - signals["probabilities"].sum(axis=1)
    exact = {signal: values.astype(np.float16).astype(np.float64) for signal, values in signals.items()}
    narrow = {signal: values.astype(dtype) for signal, values in exact.items()}
    assert ranked(name, narrow, labels, k=9).rows.tolist() == ranked(name, exact, labels, k=9).rows.tolist()


@pytest.mark.parametrize("name", BATCH)
def test_a_batch_of_identical_images_is_still_full(name: str) -> None:
    signals = {signal: np.repeat(values, N, axis=0) for signal, values in arrays.signals(1).items()}
    rows = ranked(name, signals, arrays.labels(N), k=12).rows
    assert len(set(rows.tolist())) == 12


@pytest.mark.parametrize("name", ["kcenter", "badge"])
def test_a_row_that_no_chunk_covers_is_refused_not_invented(name: str) -> None:
    ready, signals = fitted(name), arrays.signals(N)
    with pytest.raises(InputRejected, match="no signals were read"):
        ready.gather(np.arange(N, dtype=np.uint64), in_chunks(ready, signals, N, 7)[:-1])
