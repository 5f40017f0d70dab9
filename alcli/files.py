"""Writing files so that a reader, or the next run after a power cut, sees all of a file or none of it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from alcli.errors import CannotWrite

_TEMPORARY = ".alcli-tmp-"  # ours beyond doubt: leftovers are removed from the pool too
_FULL_OR_READ_ONLY = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EFBIG: "the file would be larger than allowed",
    errno.EEXIST: "something else of this name is in the way",
    errno.ENOTDIR: "something else of this name is in the way",
    errno.EISDIR: "a folder of this name is in the way",
    errno.ENAMETOOLONG: "the name is too long",
}
_ODD_NAMES = "backslashreplace"  # spells bytes of a file name that are not UTF-8 as JSON does
_CANNOT_FLUSH_FOLDERS = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}  # some network file systems


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk into an error that says what to do.

    Raises:
        CannotWrite: The disk under `path` is full, read-only or not ours to write.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL_OR_READ_ONLY:
            raise
        raise CannotWrite(
            f"cannot write {path}: {_FULL_OR_READ_ONLY[error.errno]}",
            hint="free some space, or keep alcli's files elsewhere with --state DIR",
        ) from error


@contextlib.contextmanager
def atomic_path(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success flush it to disk and rename it to `path`.

    The folder is made if it is missing. On failure the temporary file is removed and `path` is untouched.
    Without `flush` a power cut may leave the file empty: for what can be made again.

    Raises:
        CannotWrite: The disk is full or read-only.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex[:16]}")  # short, however long the name is
        try:
            yield temporary
            if flush:
                _flush(temporary)
            move(temporary, path, flush=flush)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def opened(path: Path, *, flush: bool = True) -> Iterator[BinaryIO]:
    """Open what people asked for; on success `path` holds all of it, on failure what it held before.

    A link stays a link, and the file it leads to is replaced. A pipe or a device is written as it goes.

    Raises:
        CannotWrite: The disk is full or read-only.
    """
    with storage_errors(path):
        if is_stream(path):
            with path.open("wb") as sink:
                yield sink
        else:
            with atomic_path(place_of(path), flush=flush) as temporary, temporary.open("wb") as sink:
                yield sink


def place_of(path: Path) -> Path:
    """Return where a file belongs that people want at `path`: where a link leads to, so that it stays a link."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def is_stream(path: Path) -> bool:
    """Return whether a pipe or a device is at `path`, or a link to one."""
    mode = mode_of(path)
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def mode_of(path: Path) -> int:
    """Return what is at `path`, or where a link leads to, for the questions of `stat`; 0 where nothing can be."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def require_place(path: Path) -> None:
    """Refuse, before any work is done, a place where no file can be written.

    Raises:
        CannotWrite: A name is too long, or a folder is none or may not be written to.
    """
    target = Path(os.path.realpath(path))
    folder = next(parent for parent in target.parents if mode_of(parent))
    names = [folder / name for name in target.relative_to(folder).parts]  # the disk knows the limit of each
    if not folder.is_dir():
        why = f"{folder} is not a folder"
    elif not os.access(folder, os.W_OK | os.X_OK):
        why = f"{folder} may not be written to"
    elif any(map(_is_too_long, [path, *names])):
        why = "the name is too long"
    else:
        return
    raise CannotWrite(f"cannot write {path}: {why}", hint="choose another place")


def move(source: Path, target: Path, *, flush: bool = True) -> None:
    """Rename a file within one disk, replacing `target`; if `flush`, a power cut does not undo it.

    Raises:
        CannotWrite: The folder is read-only.
    """
    with storage_errors(target):
        source.replace(target)
        if not flush:
            return
        try:
            _flush(target.parent)
        except OSError as error:
            if error.errno not in _CANNOT_FLUSH_FOLDERS:
                raise


def write_bytes(path: Path, data: bytes, *, flush: bool = True) -> None:
    """Write `data` to `path`, whole or not at all; see `opened`."""
    with opened(path, flush=flush) as sink:
        sink.write(data)


def write_json(path: Path, value: Any, *, flush: bool = True) -> None:
    """Write `value` to `path` as readable JSON, whole or not at all; see `opened`."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(path, text.encode(errors=_ODD_NAMES), flush=flush)


def read_json(path: Path) -> Any:
    """Read a JSON file that `write_json` wrote."""
    return json.loads(path.read_bytes())


def read_record(path: Path, needed: Iterable[str] = ()) -> dict[str, Any]:
    """Read a JSON object that `write_json` wrote.

    Args:
        path: The file.
        needed: Its keys that everything relies on.

    Raises:
        ValueError: It is no JSON, or lacks a key.
        TypeError: It is no object.
    """
    record = read_json(path)
    if not isinstance(record, dict):
        raise TypeError("it is no JSON object")
    if missing := [name for name in needed if name not in record]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    return record


def append_line(path: Path, line: str) -> None:
    """Append one line to a log and flush it to disk; a torn last line is closed off first."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as log:
            if log.tell():
                log.seek(-1, os.SEEK_END)
                torn = log.read(1) != b"\n"
                log.write(b"\n" if torn else b"")
            log.write(line.encode(errors=_ODD_NAMES) + b"\n")
            log.flush()
            os.fsync(log.fileno())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a JSON-lines log; lines torn by a power cut are passed over."""
    if not path.exists():
        return []
    records = []
    for line in path.read_bytes().split(b"\n"):
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                records.append(record)
    return records


def digest(*parts: bytes | str) -> str:
    """Return 16 hex digits of BLAKE2b over `parts`, each preceded by its length."""
    state = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def file_digest(path: Path) -> str:
    """Return 16 hex digits of BLAKE2b of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def sha256(path: Path) -> str:
    """Return the 64 hex digits of SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a killed run left in `folder`; only the holder of the lock may."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:  # a flat pool has millions; `glob` would be ten times slower
            if entry.name.startswith(_TEMPORARY):
                Path(entry.path).unlink(missing_ok=True)


def _is_too_long(path: Path) -> bool:
    try:
        path.lstat()
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False


def _flush(path: Path) -> None:
    """Ask the operating system to put `path`, a file or a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
