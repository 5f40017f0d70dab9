"""The decode pool: order, content, crashes, and that no process outlives its use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from alcli.images import pipeline
from alcli.images.decoding import decode
from alcli.images.pipeline import CRASHED, Batch, DecodePool
from alcli.images.transform import Transform
from PIL import Image

from tests.images import decoders

TRANSFORM = Transform(8, 1)


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    """37 readable images, each with its number as its grey, and three that are not."""
    for number in range(40):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number:02}.png")
    (tmp_path / "05.png").write_bytes(b"garbage")
    (tmp_path / "20.png").write_bytes(b"")
    (tmp_path / "39.png").unlink()
    return [str(tmp_path / f"{number:02}.png") for number in range(40)]


def greys(batches: list[Batch]) -> list[int]:
    return [int(image.max()) for batch in batches for image in batch.pixels]


def problems(batches: list[Batch]) -> list[str | None]:
    return [problem for batch in batches for problem in batch.problems]


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and only waits to be collected does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def ended(processes: list[int], *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while any(map(alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(alive, processes))


def children(pool: DecodePool) -> list[int]:
    return [process._child.pid for process in pool._processes]


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("batch_size", [1, 16, 40, 1000])
def test_the_content_depends_on_neither_workers_nor_batch_size(
    images: list[str], workers: int, batch_size: int
) -> None:
    with DecodePool(TRANSFORM, workers=workers) as pool:
        batches = list(pool.stream(images, batch_size=batch_size))
    assert [batch.start for batch in batches] == list(range(0, 40, batch_size))
    assert [len(batch.pixels) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    assert greys(batches) == [0 if number in (5, 20, 39) else number for number in range(40)]
    alone = [decode(path, TRANSFORM) for path in images]
    assert problems(batches) == [one.problem for one in alone]
    assert [digest for batch in batches for digest in batch.sha256] == [one.sha256 for one in alone]
    assert np.concatenate([batch.sizes for batch in batches]).tolist() == [one.size for one in alone]
    assert np.concatenate([batch.mtimes_ns for batch in batches]).tolist() == [one.mtime_ns for one in alone]
    assert batches[0].pixels.dtype == np.uint8
    assert batches[0].sizes.dtype == batches[0].mtimes_ns.dtype == np.int64


def test_colour_images_keep_their_layout(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with DecodePool(Transform(8, 3), workers=1) as pool:
        (batch,) = pool.stream([str(tmp_path / "a.png")] * 3, batch_size=8)
    np.testing.assert_array_equal(batch.pixels, np.stack([pixels] * 3))


@pytest.mark.parametrize("workers", [0, 2])
def test_no_paths_no_batches(workers: int) -> None:
    with DecodePool(TRANSFORM, workers=workers) as pool:
        assert list(pool.stream([], batch_size=4)) == []


def test_a_name_that_is_not_unicode_reaches_its_file(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \n.png")
    with open(path, "wb") as file:  # noqa: PTH123 -- the name is the point
        Image.new("L", (8, 8), 9).save(file, "PNG")
    with DecodePool(TRANSFORM, workers=1) as pool:
        assert greys(list(pool.stream([path], batch_size=1))) == [9]


def test_the_earliest_batch_is_shared_among_the_workers(images: list[str]) -> None:
    with DecodePool(TRANSFORM, workers=2, decode=decoders.naming_process) as pool:
        list(pool.stream(images, batch_size=40))  # both have started
        batches = list(pool.stream(images, batch_size=40))
        assert set(problems(batches)) == {str(child) for child in children(pool)}


def test_a_pool_serves_one_stream_after_the_other(images: list[str]) -> None:
    with DecodePool(TRANSFORM, workers=2) as pool:
        before = children(pool)
        first, second = (list(pool.stream(images, batch_size=7)) for _ in range(2))
        assert children(pool) == before
    assert greys(first) == greys(second)


def test_reading_ahead_is_bounded(images: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    submitted = []
    submit = DecodePool._submit
    monkeypatch.setattr(DecodePool, "_submit", lambda *given: submitted.append(given[2]) or submit(*given))
    with DecodePool(TRANSFORM, workers=2) as pool:
        stream = pool.stream(images * 10, batch_size=16)
        next(stream)
        assert submitted == [0, 16, 32, 48]  # 3 chunks of 8 for each of 2 workers are 3 batches of 16
        monkeypatch.setattr(pipeline, "_BYTES_AHEAD", 1)
        submitted.clear()
        next(pool.stream(images, batch_size=16))
        assert submitted == [0, 16]


# --- crashes --------------------------------------------------------------------------------------


def test_a_crash_costs_one_image(tmp_path: Path, images: list[str]) -> None:
    crashes = [tmp_path / "crash-1.png", tmp_path / "crash-2.png"]
    for crash in crashes:
        crash.write_bytes(b"123")
    paths = [*images[:10], str(crashes[0]), *images[10:30], str(crashes[1]), *images[30:]]
    with DecodePool(TRANSFORM, workers=2, decode=decoders.crashing) as pool:
        batches = list(pool.stream(paths, batch_size=16))
        after = list(pool.stream(images, batch_size=16))
        assert all(map(alive, children(pool)))
    got = problems(batches)
    assert [row for row, problem in enumerate(got) if problem == CRASHED] == [10, 31]
    assert got[:10] + got[11:31] + got[32:] == problems(after)
    shown = greys(batches)
    assert shown[:10] + shown[11:31] + shown[32:] == greys(after)
    assert shown[10] == shown[31] == 0
    assert (batches[0].sizes[10], batches[0].sha256[10]) == (3, None)
    assert batches[0].mtimes_ns[10] == crashes[0].stat().st_mtime_ns


def test_a_worker_that_died_for_another_reason_costs_nothing(tmp_path: Path, images: list[str]) -> None:
    Image.new("L", (8, 8), 77).save(tmp_path / "once.png")
    paths = [*images[:8], str(tmp_path / "once.png")]
    with DecodePool(TRANSFORM, workers=1, decode=decoders.crashing_once) as pool:
        batches = list(pool.stream(paths, batch_size=16))
    assert greys(batches)[8] == 77
    assert problems(batches)[8] is None


def test_a_worker_that_was_killed_while_idle_is_replaced(images: list[str]) -> None:
    with DecodePool(TRANSFORM, workers=1) as pool:
        before = list(pool.stream(images, batch_size=16))
        os.kill(children(pool)[0], signal.SIGKILL)
        after = list(pool.stream(images, batch_size=16))
    assert greys(after) == greys(before)
    assert CRASHED not in problems(after)


def test_a_worker_that_cannot_start_is_an_error(images: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alcli.images.process._PROGRAM", "raise SystemExit(3)")
    with (
        DecodePool(TRANSFORM, workers=2) as pool,
        pytest.raises(RuntimeError, match="ended with 3 as it started"),
    ):
        list(pool.stream(images, batch_size=16))


def test_what_decoders_print_goes_nowhere(images: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with DecodePool(TRANSFORM, workers=1, decode=decoders.noisy) as pool:
        batches = list(pool.stream(images, batch_size=16))
    assert greys(batches)[3] == 3
    assert capfd.readouterr() == ("", "")


# --- processes ------------------------------------------------------------------------------------


def test_workers_import_neither_torch_nor_the_program(images: list[str]) -> None:
    with DecodePool(TRANSFORM, workers=1, decode=decoders.listing_modules) as pool:
        (batch,) = pool.stream(images[:1], batch_size=1)
    assert batch.problems[0] is not None
    loaded = {name.partition(".")[0] for name in batch.problems[0].split()}
    assert loaded.isdisjoint({"torch", "pyarrow", "typer", "rich", "timm", "multiprocessing", "pytest"})
    assert "alcli.main" not in batch.problems[0].split()


def test_a_folder_of_images_is_no_place_to_import_from(
    tmp_path: Path, images: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("json.py", "numpy.py"):
        (tmp_path / module).write_text("raise SystemExit(5)")
    monkeypatch.chdir(tmp_path)
    with DecodePool(TRANSFORM, workers=1) as pool:
        assert greys(list(pool.stream(images[:2], batch_size=2))) == [0, 1]


def test_close_ends_every_process(images: list[str]) -> None:
    pool = DecodePool(TRANSFORM, workers=2)
    list(pool.stream(images, batch_size=16))
    processes = children(pool)
    pool.close()
    pool.close()
    assert not any(map(alive, processes))
    with pytest.raises(RuntimeError):
        next(pool.stream(images, batch_size=16))


def test_a_stream_may_be_abandoned(images: list[str]) -> None:
    with DecodePool(TRANSFORM, workers=2) as pool:
        processes = children(pool)
        stream = pool.stream(images * 50, batch_size=8)
        assert next(stream).start == 0
        stream.close()
        assert greys(list(pool.stream(images, batch_size=8)))[:5] == [0, 1, 2, 3, 4]
    assert not any(map(alive, processes))


def test_close_does_not_wait_for_slow_decoders(images: list[str]) -> None:
    begun = time.monotonic()
    with DecodePool(TRANSFORM, workers=2, decode=decoders.slow) as pool:
        processes = children(pool)
        pool._submit(images, 0)
        time.sleep(0.5)
    assert time.monotonic() - begun < 20
    assert not any(map(alive, processes))


PARENT = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
import sys
from alcli.images.pipeline import DecodePool
from alcli.images.transform import Transform
from tests.images import decoders
with DecodePool(Transform(8, 1), workers=2, decode=getattr(decoders, sys.argv[1])) as pool:
    print(*[process._child.pid for process in pool._processes], flush=True)
    for _ in pool.stream(sys.argv[2:] * 200, batch_size=8):
        print("batch", flush=True)
        if sys.argv[1] == "crashing":
            sys.stdin.readline()
"""


@pytest.fixture
def parent(request: pytest.FixtureRequest, images: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, request.param, *images[:5]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    with process:
        yield process
        process.kill()


def first_line(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    return [int(word) for word in process.stdout.readline().split()]


@pytest.mark.parametrize("parent", ["crashing"], indirect=True)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_a_parent_that_is_killed(parent: subprocess.Popen[str], how: signal.Signals) -> None:
    processes = first_line(parent)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "batch\n"
    assert all(map(alive, processes))
    parent.send_signal(how)
    assert ended(processes, within_s=10)


@pytest.mark.parametrize("parent", ["slow"], indirect=True)
def test_ctrl_c_ends_everything_at_once(parent: subprocess.Popen[str]) -> None:
    processes = first_line(parent)
    time.sleep(1)
    begun = time.monotonic()
    parent.send_signal(signal.SIGINT)
    _, told = parent.communicate(timeout=20)
    assert time.monotonic() - begun < 10
    assert "KeyboardInterrupt" in told
    assert told.count("Traceback") == 1  # the workers say nothing
    assert not any(map(alive, processes))


def test_one_worker_per_core_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline._cores.cache_clear()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 6})
    with DecodePool(TRANSFORM) as pool:
        assert pool.workers == 3
    pipeline._cores.cache_clear()
