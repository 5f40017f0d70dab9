"""What `init` does: find the images, read the labels that came with them, write or bring up the manifest."""

from __future__ import annotations

import dataclasses
import logging
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from alcli import files, ledger
from alcli import manifest as manifests
from alcli.errors import InputRejected, UsageError
from alcli.images import metadata
from alcli.images.folders import Layout
from alcli.images.scan import Scan, scan
from alcli.intake import replacing, settings, validation
from alcli.intake.labels import FileLabels, Source, find_metadata, read_labels
from alcli.intake.syncing import Changes, pair, sync
from alcli.manifest import Manifest
from alcli.project import Project

__all__ = ["Report", "Request", "take_in"]

logger = logging.getLogger("alcli")


@dataclass(frozen=True)
class Request:
    """What the user asks of `init`.

    Attributes:
        labels: A file with labels; folder names then mean no class.
        encoding: Of that file; None is UTF-8.
        unlabelled: Further names of folders whose images have no label.
        test: A folder in the pool whose images are the test split.
        val_fraction: Share of the labelled images to set aside, in [0, 1); None goes by `validation.size`.
        seed: Drives the draw of the validation split.
    """

    labels: Path | None = None
    encoding: str | None = None
    unlabelled: tuple[str, ...] = ()
    test: Path | None = None
    val_fraction: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class Report:
    """What `init` found, and what it changed.

    Attributes:
        images: Rows of the manifest.
        labelled: Of these, with a human label.
        classes: In model order.
        splits: Images by split.
        changes: What differs from the manifest before; in the first run all images are new.
        drawn: Images set aside for validation in this run.
        others: Files passed over that are no images.
        left_out: Files left out because of their names or because they cannot be reached.
        first: Whether there was no manifest before.
    """

    images: int
    labelled: int
    classes: tuple[str, ...]
    splits: dict[str, int]
    changes: Changes
    drawn: int
    others: int
    left_out: int
    first: bool

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return self.first or bool(self.changes) or self.drawn > 0


def take_in(project: Project, request: Request, *, dry_run: bool = False) -> Report:
    """Take the images of the pool into its manifest, and make the manifest if there is none.

    Everything is read and checked before the first byte is written.

    Args:
        project: The pool.
        request: What the user asks for.
        dry_run: Write nothing.

    Raises:
        InputRejected: No images, labels that cannot be taken, or two paths that are the same in Unicode.
        UsageError: `request` names what is not there.
        LockHeld: Another alcli is writing.
        CannotWrite: The disk is full or read-only.
    """
    try:
        found = scan(project.pool)
    except OSError as error:
        raise UsageError(f"cannot read the pool {project.pool}: {error.strerror}") from error
    if not len(found):
        raise _no_images(project, found)
    _warn_of(found)
    stamp = _stamp(project.manifest)
    manifest, report = _plan(project, request, found)
    if report.changed and not dry_run:
        with ledger.writing(project, "init"):
            if _stamp(project.manifest) != stamp:  # another alcli was here since
                manifest, report = _plan(project, request, found)
            if not project.config.exists():
                files.write_bytes(project.config, settings.TEMPLATE.encode(), flush=False)
            facts = {**dataclasses.asdict(report.changes), "drawn": report.drawn}
            ledger.commit(project, manifest, command="init", **facts)
    return report


def _plan(project: Project, request: Request, found: Scan) -> tuple[Manifest, Report]:
    """Return the manifest as it is to be, and what is to be told."""
    before = manifests.read(project.manifest) if manifests.is_manifest(project.manifest) else None
    listed, said = _listing(project, request, found, before)
    if before is None:
        manifest, changes = listed, Changes(new=len(listed))
        _warn_of_labels(manifest)
    else:
        _check_labels(project, before, listed, said, request.encoding)
        manifest, changes = sync(before, listed)
    manifest, drawn = _with_validation(manifest, request, first=before is None)
    return manifest, Report(
        images=len(manifest),
        labelled=int(manifest.labelled.sum()),
        classes=manifest.classes,
        splits={name: int(manifest.equals("split", name).sum()) for name in manifests.SPLITS},
        changes=changes,
        drawn=drawn,
        others=found.others,
        left_out=len(found.not_utf8) + len(found.unreachable),
        first=before is None,
    )


def _listing(
    project: Project, request: Request, found: Scan, before: Manifest | None
) -> tuple[Manifest, FileLabels]:
    """Return the images in the folder as a manifest of its own, and what labels files say of them."""
    if request.labels:
        sources = [Source(request.labels, metadata.prefix_of(request.labels, project.pool))]
    else:
        sources = find_metadata(project.pool)
    known = before.strings("file_name") if before and sources else []
    gone = {name for name in known if name}.difference(found.file_names)
    said = read_labels(
        sources,
        found.file_names,
        encoding=request.encoding,
        gone=gone,
        replaced=replacing.replaced(project),
    )
    layout = Layout(
        found.file_names,
        unlabelled=request.unlabelled,
        test=_inside(project.pool, request.test) if request.test else None,
        classes=not said.sources,
    )
    labels, splits = layout.read()
    if said.sources:
        labels = said.labels
        splits = [said_split or split for said_split, split in zip(said.splits, splits, strict=True)]
    elif layout.has_class_train:
        logger.info("the folder train holds images and stands beside class folders: taken as a class")
    source = "labels-file" if said.sources else "folder"
    columns = {
        "file_name": found.file_names,
        "size": found.sizes,
        "mtime_ns": found.mtimes_ns,
        "label": labels,
        "label_source": [label and source for label in labels],
        "label_round": [label and 0 for label in labels],
        "split": splits,
    }
    if said.sources:
        columns |= {"annotator": said.annotators, "labelled_at": said.times}
    if before is None:
        columns |= replacing.own_columns(project, said)
    return Manifest.build(columns, sorted({label for label in labels if label})), said


def _check_labels(
    project: Project, before: Manifest, listed: Manifest, said: FileLabels, encoding: str | None
) -> None:
    """Compare what labels files say about images that are in the manifest already.

    Raises:
        InputRejected: A file that the user named says something else than the manifest.
    """
    if not said.sources:
        return
    pairing = pair(before, listed)
    names = before.strings("file_name", pairing.old)
    labels = before.strings("label", pairing.old), listed.strings("label", pairing.found)
    read_as = [f"--encoding={encoding}"] if encoding else []
    for source in said.sources:
        rows = said.rows[source.path]
        differing = [
            f"{name}: {_quoted(old)} in the manifest, {_quoted(new)} in the file"
            for name, old, new, at in zip(names, *labels, pairing.found.tolist(), strict=True)
            if rows[at] >= 0 and new is not None and new != old
        ]
        if not differing:
            continue
        what = f"{source.path} has other labels than the manifest for {len(differing)} images"
        hint = project.command("import-labels", *read_as, shlex.quote(str(source.path)))
        if source.asked:
            raise InputRejected(f"{what}; init only labels new ones", hint=hint, details=differing)
        logger.warning("%s: `%s`", what, hint)


def _quoted(label: str | None) -> str:
    return "no label" if label is None else f"'{label}'"


def _with_validation(manifest: Manifest, request: Request, *, first: bool) -> tuple[Manifest, int]:
    """Set images aside for validation if there are none: in the first run, later only if asked to."""
    if manifest.equals("split", "val").any():
        if request.val_fraction:
            logger.info("there are validation images already; --val-fraction changes nothing")
        return manifest, 0
    if not first and request.val_fraction is None:
        return manifest, 0
    rows = validation.draw(manifest, fraction=request.val_fraction, seed=request.seed)
    return manifest.assign(rows, split="val"), len(rows)


def _inside(pool: Path, folder: Path) -> str:
    """Return a folder that the user named, relative to the pool, with `/` between the parts.

    Raises:
        UsageError: It is no folder in the pool.
    """
    for place in (pool / folder, folder):
        inside = os.path.relpath(place, pool)
        if place.is_dir() and inside not in (".", "..") and not inside.startswith("../"):
            return Path(inside).as_posix()
    raise UsageError(f"--test {folder}: no such folder in {pool}")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what tells whether a file was replaced; None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _no_images(project: Project, found: Scan) -> InputRejected:
    what = f"no images in {project.pool}"
    what += f", but {found.others} other files" if found.others else ": the folder is empty"
    if project.manifest.exists():
        return InputRejected(f"{what}; the manifest lists some", hint="is the disk mounted?")
    return InputRejected(
        what, hint="give the folder that holds the images, such as alcli init path/to/images"
    )


def _warn_of(found: Scan) -> None:
    """Tell what was passed over and why."""
    if found.not_utf8:
        shown = ", ".join(map(ascii, found.not_utf8[:3]))
        logger.warning("%d names are not UTF-8 and left out, such as %s", len(found.not_utf8), shown)
    if found.unreachable:
        shown = "; ".join(found.unreachable[:3])
        logger.warning("%d files or folders cannot be reached, such as %s", len(found.unreachable), shown)
    if found.repeated:
        shown = ", ".join(found.repeated[:3])
        logger.info("%d folders were reached twice and taken once, such as %s", len(found.repeated), shown)


def _warn_of_labels(manifest: Manifest) -> None:
    if not manifest.classes:
        logger.warning("no image has a label yet: one folder per class, or --labels FILE, gives them labels")
    elif len(manifest.classes) == 1:
        logger.warning("all labels are '%s'; training needs two classes", manifest.classes[0])
