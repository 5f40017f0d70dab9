"""Files are whole or not there at all, whatever the disk does."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest
from alcli import files
from alcli.errors import CannotWrite


def test_a_file_is_replaced_whole_and_its_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    files.write_json(path, {"a": "ä"})
    files.write_json(path, {"b": [1]})
    assert files.read_json(path) == {"b": [1]}
    assert [path.name for path in path.parent.iterdir()] == ["file.json"]


def test_a_temporary_name_does_not_grow_with_the_name(tmp_path: Path) -> None:
    for name in ("n" * 255, "x." + "n" * 253):
        files.write_bytes(tmp_path / name, b"x")
        assert (tmp_path / name).read_bytes() == b"x"


def test_a_name_that_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="the name is too long"):
        files.write_bytes(tmp_path / ("n" * 256), b"x")


def test_a_link_stays_a_link_and_what_it_leads_to_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    os.link(tmp_path / "old", tmp_path / "same")  # shows that the file is replaced, not written into
    (tmp_path / "link").symlink_to("old")
    files.write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert [(tmp_path / name).read_bytes() for name in ("old", "same")] == [b"new", b"old"]


def test_a_failure_in_the_middle_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write_bytes(path, b"old")

    def fail() -> None:
        with files.atomic_path(path) as temporary:
            temporary.write_bytes(b"ne")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_full_or_read_only_disk_is_told_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    path = tmp_path / "file"
    files.write_bytes(path, b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(CannotWrite, match=f"cannot write {path}") as caught:
        files.write_bytes(path, b"new")
    assert caught.value.exit_code == 2
    assert "--state" in (caught.value.hint or "")
    assert path.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_where_a_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(CannotWrite, match="in the way"):
        files.write_bytes(tmp_path / "taken" / "file", b"x")


def test_other_errors_are_not_dressed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "broken disk")))
    with pytest.raises(OSError, match="broken disk"):
        files.write_bytes(tmp_path / "file", b"x")


def test_a_disk_that_cannot_flush_folders_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def picky(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", picky)
    files.write_bytes(tmp_path / "file", b"x")
    assert (tmp_path / "file").read_bytes() == b"x"


def test_a_log_survives_a_torn_line(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    assert files.read_lines(log) == []
    files.append_line(log, '{"a": 1}')
    with log.open("ab") as file:
        file.write(b'{"b": ')  # the power went
    files.append_line(log, '{"c": 3}')
    files.append_line(log, '{"d": 4}')
    assert files.read_lines(log) == [{"a": 1}, {"c": 3}, {"d": 4}]


def test_only_our_own_leftovers_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".tmp-of-somebody").touch()
    (tmp_path / "image.png").touch()
    with files.atomic_path(tmp_path / "x") as temporary:
        temporary.touch()
        left = temporary.name
    (tmp_path / "x").unlink()
    (tmp_path / left).touch()  # as a killed process leaves it
    files.remove_leftovers(tmp_path)
    files.remove_leftovers(tmp_path / "nowhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tmp-of-somebody", "image.png"]


def test_a_digest_depends_on_where_parts_end() -> None:
    assert files.digest("ab", "c") != files.digest("a", "bc")
    assert files.digest("ab") == files.digest(b"ab")
    assert len(files.digest()) == 16


def test_the_digest_of_a_file_is_blake2b_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert files.file_digest(tmp_path / "file") == "d8bb14d833d59559"  # printf abc | b2sum -l 64


def test_a_file_name_that_is_not_utf8_can_be_written_down(tmp_path: Path) -> None:
    odd = os.fsdecode(b"labels\xff.csv")
    files.write_json(tmp_path / "about.json", {"file": odd})
    assert files.read_json(tmp_path / "about.json") == {"file": odd}
    files.append_line(tmp_path / "log.jsonl", json.dumps({"file": odd}, ensure_ascii=False))
    assert files.read_lines(tmp_path / "log.jsonl") == [{"file": odd}]
