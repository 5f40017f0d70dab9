"""Finding the images in a folder by their names, without opening one.

Links are followed; a folder that is reached a second time, by a link or a cycle of links, is passed over: an
image is taken once, under its real place if that is in the pool.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# What Pillow decodes and people keep photographs, drawings and textures in; what is inside decides later.
EXTENSIONS = frozenset(
    [
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
        *(".webp", ".avif", ".jp2", ".j2k", ".jpx", ".jpf", ".jpc", ".j2c", ".ppm", ".pgm", ".pbm", ".pnm"),
        *(".pfm", ".tga", ".pcx", ".psd", ".dds", ".sgi", ".ico", ".qoi"),
    ]
)
_KIND, _REGULAR = stat.S_IFMT(0o777777), stat.S_IFREG
_BY_SYSTEMS = frozenset(["Thumbs.db", "desktop.ini", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "lost+found"])
_HUGGING_FACE = frozenset(f"metadata.{kind}" for kind in ("parquet", "csv", "jsonl"))


@dataclass(frozen=True)
class Scan:
    """The images of a folder, sorted by the UTF-8 bytes of their names.

    Attributes:
        file_names: n paths relative to the folder, `/` between the parts.
        sizes: (n,) bytes.
        mtimes_ns: (n,) when each was last changed.
        others: Number of files that are no images by their extension; hidden and system files do not count.
        not_utf8: Names that are not UTF-8, other bytes as lone surrogates; left out.
        unreachable: Links to nothing, and what the system does not let us look at, each with the reason.
        repeated: Folders that were passed over because they were reached before.
    """

    file_names: list[str]
    sizes: NDArray[np.int64]
    mtimes_ns: NDArray[np.int64]
    others: int = 0
    not_utf8: list[str] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.file_names)


def scan(pool: Path) -> Scan:
    """Find the images in `pool` and below.

    Raises:
        OSError: The folder itself cannot be read.
    """
    walk = _Walk(os.fspath(pool))
    walk.run()
    names = walk.names
    order = sorted(range(len(names)), key=names.__getitem__)  # by code points is by UTF-8 bytes
    bad = [] if all(map(str.isascii, names)) else [name for name in names if not _is_utf8(name)]
    if bad:
        order = [at for at in order if _is_utf8(names[at])]
    return Scan(
        file_names=[names[at] for at in order],
        sizes=np.array(walk.sizes, np.int64)[order],
        mtimes_ns=np.array(walk.mtimes_ns, np.int64)[order],
        others=walk.others,
        not_utf8=sorted(walk.not_utf8 + bad),
        unreachable=sorted(walk.unreachable),
        repeated=sorted(walk.repeated),
    )


class _Walk:
    """One walk over a tree: first what is really there, then what links lead to, in the order of names."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.names: list[str] = []
        self.sizes: list[int] = []
        self.mtimes_ns: list[int] = []
        self.others = 0
        self.not_utf8: list[str] = []
        self.unreachable: list[str] = []
        self.repeated: list[str] = []
        self._seen: set[tuple[int, int]] = set()
        self._links: deque[str] = deque()

    def run(self) -> None:
        os.scandir(self.root).close()  # here an error is the caller's; further down it is a finding
        self._folders([""])
        while self._links:
            waiting, self._links = sorted(self._links), deque()
            for link in waiting:
                self._folders([link])

    def _folders(self, waiting: list[str]) -> None:
        """Visit folders and the real folders below; each is "" or ends with `/`."""
        while waiting:
            prefix = waiting.pop()
            path = os.path.join(self.root, prefix)  # noqa: PTH118 (plain text is fast)
            try:
                status = os.stat(path)  # noqa: PTH116
                if (status.st_dev, status.st_ino) in self._seen:
                    self.repeated.append(prefix)
                    continue
                self._seen.add((status.st_dev, status.st_ino))
                with os.scandir(path) as entries:
                    self._entries(entries, prefix, waiting)
            except OSError as error:
                self.unreachable.append(f"{prefix}: {error.strerror}")

    def _entries(self, entries: os._ScandirIterator[str], prefix: str, waiting: list[str]) -> None:
        """Sort the entries of one folder. The loop runs for every image there is, hence the local names."""
        extensions, add_name, add_size = EXTENSIONS, self.names.append, self.sizes.append
        add_mtime_ns, kind, regular = self.mtimes_ns.append, _KIND, _REGULAR
        for entry in entries:
            name = entry.name
            if name[0] == ".":
                continue
            if name[name.rfind(".") :].lower() in extensions:
                try:
                    status = entry.stat()
                except OSError as error:
                    self.unreachable.append(f"{prefix}{name}: {error.strerror}")
                    continue
                if status.st_mode & kind == regular:  # no folder, and no pipe: reading that would not end
                    add_name(prefix + name)
                    add_size(status.st_size)
                    add_mtime_ns(status.st_mtime_ns)
                    continue
            self._no_image(entry, prefix, waiting)

    def _no_image(self, entry: os.DirEntry[str], prefix: str, waiting: list[str]) -> None:
        name = entry.name
        if name in _BY_SYSTEMS:
            return
        if not _is_folder(entry):
            self.others += bool(prefix) or name not in _HUGGING_FACE
        elif not _is_utf8(name):
            self.not_utf8.append(prefix + name)
        else:
            (self._links if entry.is_symlink() else waiting).append(f"{prefix}{name}/")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_utf8(name: str) -> bool:
    """Return whether a name that the system gave is UTF-8; other bytes come as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
