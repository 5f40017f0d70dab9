"""Metadata files of Hugging Face's ImageFolder: what they are called, and what the paths in them are relative to."""

from __future__ import annotations

from pathlib import Path

from alcli.images.folders import SPLIT_NAMES

NAMES = ("metadata.parquet", "metadata.csv", "metadata.jsonl")


def prefix_of(path: Path, pool: Path) -> str:
    """Return what the paths in a labels file are relative to: "" for the pool, or `train/` or the like.

    Args:
        path: The file; only one of `NAMES` in a split of the pool is read as Hugging Face has it.
        pool: The image folder.
    """
    folder = path.absolute().parent
    is_metadata = path.name in NAMES and folder.name in SPLIT_NAMES and folder.is_dir()
    return f"{folder.name}/" if is_metadata and folder.parent.samefile(pool) else ""
