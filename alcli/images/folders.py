"""What the names of folders say about the images in them: a class, a split, or nothing.

The first folder is the class; deeper ones are the user's own business. `train`, `val` and `test` at the top
set the split, and the class is the folder below. Images directly in the pool or in a split have no label.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

UNLABELLED = ("unlabeled", "unlabelled", "_unlabeled", "_unlabelled", "no_label", "unsorted", "pool")
SPLIT_NAMES = {
    **dict.fromkeys(["train", "training"], "train"),
    **dict.fromkeys(["val", "valid", "validation", "dev"], "val"),
    **dict.fromkeys(["test", "testing"], "test"),
}


class Meaning(NamedTuple):
    """What a folder says: the label, or None; and the split."""

    label: str | None
    split: str


class Layout:
    """Reads labels and splits off paths.

    A folder `train` stands for a class, and not for the split, if images lie directly in it and other class
    folders beside it: it is a pool of vehicles.

    Args:
        file_names: Paths relative to the pool.
        unlabelled: Further names of folders whose images have no label; case does not count.
        test: A folder, relative to the pool, whose images are the test split; the class is the folder below
            it, or else the one that any other image there would have.
        classes: Whether folders are classes at all; they are not where a file has the labels.
    """

    def __init__(
        self,
        file_names: Sequence[str],
        *,
        unlabelled: Iterable[str] = (),
        test: str | None = None,
        classes: bool = True,
    ) -> None:
        self._classes = classes
        self._unlabelled = {name.casefold() for name in (*UNLABELLED, *unlabelled)}
        self._test = f"{test}/" if test else None
        self._folders = [name[: name.rfind("/") + 1] for name in file_names]
        self._distinct = set(self._folders)
        self._splits = self._split_folders()

    def read(self) -> tuple[list[str | None], list[str]]:
        """Return the label and the split of each image."""
        meanings = {folder: self._meaning(folder) for folder in self._distinct}
        each = [meanings[folder] for folder in self._folders]
        return [label for label, _ in each], [split for _, split in each]

    @property
    def has_class_train(self) -> bool:
        """Whether a folder at the top looks like the training split but is a class."""
        tops = {folder.split("/", 1)[0] for folder in self._distinct}
        return any(SPLIT_NAMES.get(top.casefold()) == "train" and top not in self._splits for top in tops)

    def _split_folders(self) -> dict[str, str]:
        """Return the folders at the top that are splits, and which."""
        tops = {folder.split("/", 1)[0] for folder in self._distinct} - {""}
        splits = {top: SPLIT_NAMES[top.casefold()] for top in tops if top.casefold() in SPLIT_NAMES}
        classes = [top for top in tops - splits.keys() if top.casefold() not in self._unlabelled]
        for top, split in list(splits.items()):
            if split == "train" and self._classes and classes and f"{top}/" in self._distinct:
                del splits[top]
        return splits

    def _meaning(self, folder: str) -> Meaning:
        if self._test and folder.startswith(self._test):
            below = folder[len(self._test) :]
            if below or self._test.count("/") == 1:
                return Meaning(self._class(below), "test")
            return Meaning(self._by_top(folder).label, "test")
        return self._by_top(folder)

    def _by_top(self, folder: str) -> Meaning:
        top, _, below = folder.partition("/")
        if top in self._splits:
            return Meaning(self._class(below), self._splits[top])
        return Meaning(self._class(folder), "train")

    def _class(self, folder: str) -> str | None:
        """Return the class that the first part of a path names, in Unicode's NFC form."""
        name = folder.partition("/")[0]
        if not self._classes or not name or name.casefold() in self._unlabelled:
            return None
        return unicodedata.normalize("NFC", name)
