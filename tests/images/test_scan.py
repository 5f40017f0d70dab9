"""Finding images: what counts as one, what is passed over, links, cycles, and names that are not UTF-8."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from alcli.images import scan as scanning
from alcli.images.scan import scan


def put(pool: Path, *names: str) -> Path:
    for name in names:
        path = pool / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return pool


def test_images_are_known_by_their_extension_in_any_case(tmp_path: Path) -> None:
    put(
        tmp_path,
        "a.JPG",
        "b.jpeg",
        "c/d.Png",
        "c/e.tiff",
        "f.webp",
        "notes.txt",
        "c/list.csv",
        "jpg",
        "g.jpg.bak",
    )
    found = scan(tmp_path)
    assert found.file_names == ["a.JPG", "b.jpeg", "c/d.Png", "c/e.tiff", "f.webp"]
    assert found.others == 4


def test_names_are_sorted_by_their_utf8_bytes(tmp_path: Path) -> None:
    names = [
        "b.png",
        "a/z.png",
        "a-b.png",
        "a.png",
        "B.png",
        "\u00e9.png",
        "z.png",
        "\ufb01.png",
        "\U0001f600.png",
    ]
    found = scan(put(tmp_path, *names))
    assert found.file_names == sorted(names, key=str.encode)


def test_sizes_and_times_stand_beside_their_images(tmp_path: Path) -> None:
    for name, size in (("b.png", 3), ("a.png", 0), ("c.png", 7)):
        (tmp_path / name).write_bytes(b"x" * size)
        os.utime(tmp_path / name, ns=(0, 1_000_000_007 + size))
    found = scan(tmp_path)
    assert found.sizes.tolist() == [0, 3, 7]
    assert found.mtimes_ns.tolist() == [1_000_000_007, 1_000_000_010, 1_000_000_014]


def test_hidden_and_system_files_are_passed_over_in_silence(tmp_path: Path) -> None:
    put(
        tmp_path,
        *("a.png", "._a.png", ".hidden.png", ".git/b.png", "__MACOSX/c.png", "@eaDir/d.png", "Thumbs.db"),
        *("desktop.ini", ".DS_Store", ".ipynb_checkpoints/e.png", ".alcli/f.png", "metadata.parquet"),
    )
    found = scan(tmp_path)
    assert found.file_names == ["a.png"]
    assert found.others == 0


def test_a_folder_called_like_an_image_is_a_folder(tmp_path: Path) -> None:
    assert scan(put(tmp_path, "cats.jpg/1.png")).file_names == ["cats.jpg/1.png"]


def test_a_pipe_called_like_an_image_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    found = scan(put(tmp_path, "a.png"))
    assert found.file_names == ["a.png"]
    assert found.others == 1


def test_links_are_followed(tmp_path: Path) -> None:
    put(tmp_path / "outside", "1.png", "deep/2.png")
    pool = put(tmp_path / "pool", "a.png")
    (pool / "linked").symlink_to(tmp_path / "outside")
    (pool / "b.png").symlink_to(tmp_path / "outside" / "1.png")
    assert scan(pool).file_names == ["a.png", "b.png", "linked/1.png", "linked/deep/2.png"]


def test_cycles_of_links_end(tmp_path: Path) -> None:
    pool = put(tmp_path / "pool", "a/1.png", "b/2.png")
    (pool / "a" / "up").symlink_to("..")
    (pool / "a" / "over").symlink_to("../b")
    (pool / "b" / "back").symlink_to("../a")
    found = scan(pool)
    assert found.file_names == ["a/1.png", "b/2.png"]
    assert found.repeated == ["a/over/", "a/up/", "b/back/"]


def test_a_folder_that_is_linked_twice_is_taken_once_under_its_real_or_first_name(tmp_path: Path) -> None:
    put(tmp_path / "outside", "1.png")
    pool = tmp_path / "pool"
    pool.mkdir()
    for name in ("z", "m"):
        (pool / name).symlink_to(tmp_path / "outside")
    found = scan(pool)
    assert found.file_names == ["m/1.png"]
    assert found.repeated == ["z/"]


def test_links_to_nothing_and_to_themselves_are_told_and_stop_nothing(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "loop.png").symlink_to("loop.png")
    found = scan(tmp_path)
    assert found.file_names == ["a.png"]
    assert [text.split(":")[0] for text in found.unreachable] == ["gone.png", "loop.png"]


def test_names_that_are_not_utf8_are_told_and_left_out(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    folder = os.fsencode(tmp_path)
    (Path(os.fsdecode(folder + b"/caf\xe9.png"))).write_bytes(b"x")
    Path(os.fsdecode(folder + b"/d\xff")).mkdir()
    Path(os.fsdecode(folder + b"/d\xff/b.png")).write_bytes(b"x")
    found = scan(tmp_path)
    assert found.file_names == ["a.png"]
    assert [os.fsencode(name) for name in found.not_utf8] == [b"caf\xe9.png", b"d\xff"]


def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a/1.png", "b/2.png")
    real = os.scandir

    def guarded(path: str) -> object:
        if path.endswith("b/"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(scanning.os, "scandir", guarded)
    found = scan(tmp_path)
    assert found.file_names == ["a/1.png"]
    assert found.unreachable == ["b/: Permission denied"]


def test_a_pool_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scan(tmp_path / "nowhere")
