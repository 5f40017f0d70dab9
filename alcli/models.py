"""The records of trained models: where they are, and what each says of itself."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alcli import files
from alcli.errors import InputRejected, StepMissing
from alcli.project import Project

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from alcli.manifest import Manifest

RECORD = "model.json"
CLASSIFIER = "classifier.safetensors"
LEARNED = "learned.npy"
_NEEDED = ("id", "kind", "classes")


@dataclass(frozen=True)
class ModelRecord:
    """A model's folder and the content of its `model.json`.

    Attributes:
        folder: `models/<id>`.
        about: `id`, `kind` (`trained` or `external`), `classes` in model order, and for trained ones
            `architecture`, `objective`, `transform`, `seed`, `temperature`, `metrics`, `options`,
            `labels_digest`.
    """

    folder: Path
    about: dict[str, Any]

    @property
    def id(self) -> str:
        """The model's id, such as `0003-9f2c41`."""
        return str(self.about["id"])

    @property
    def external(self) -> bool:
        """Whether the signals came from a user's own model, which alcli cannot run."""
        return bool(self.about["kind"] == "external")

    @property
    def objective(self) -> str:
        """What a trained model was trained for: `classifier`, `ccl` or `vaal`."""
        return str(self.about.get("objective", "classifier"))

    @property
    def classes(self) -> list[str]:
        """Class names in the order of the model's outputs."""
        return list(self.about["classes"])

    def signals(self, project: Project) -> Path:
        """Return the folder of this model's signals."""
        return project.signals / self.id

    def probed(self, project: Project, signal: str) -> Path:
        """Return the folder of a signal that is computed for candidates only."""
        return project.signals / f"{self.id}-{signal}"


def all_models(project: Project) -> list[ModelRecord]:
    """Return every finished model, oldest first.

    Raises:
        InputRejected: A record is damaged.
    """
    return [_read(path) for path in sorted(project.models.glob(f"[0-9]*/{RECORD}"))]


def _read(path: Path) -> ModelRecord:
    try:
        return ModelRecord(path.parent, files.read_record(path, _NEEDED))
    except (OSError, ValueError, TypeError) as error:
        raise InputRejected(
            f"{path} cannot be read: {error}",
            hint=f"rm -r {shlex.quote(str(path.parent))} takes this model away; the others stay",
        ) from error


def newest(project: Project) -> ModelRecord:
    """Return the model made last.

    Raises:
        StepMissing: There is none; the hint says which command makes one.
    """
    records = all_models(project)
    if not records:
        raise StepMissing("no model has been trained on this pool yet", hint=project.command("train"))
    return records[-1]


def repeats_labels(project: Project, record: ModelRecord) -> bool:
    """Return whether a model's embeddings were learned with labels of this pool, and so may repeat wrong ones.

    A frozen backbone's were not, unless it is of a network that was trained here.
    """
    if record.external:
        return False
    if not record.about.get("frozen", False):
        return True
    digest = record.about.get("options", {}).get("weights_digest")
    own = (path for other in all_models(project) for path in other.folder.glob("*.safetensors"))
    return bool(digest) and any(files.file_digest(path) == digest for path in own)


def learned(record: ModelRecord) -> NDArray[np.uint64] | None:
    """Return the keys of the images whose labels a model learned from, ascending; None where nothing tells."""
    import numpy as np

    try:
        return np.asarray(np.load(record.folder / LEARNED, allow_pickle=False), np.uint64)
    except (OSError, ValueError):  # made by the user, by an earlier version, or damaged
        return None


def triplets_missing(project: Project, manifest: Manifest, what: str) -> StepMissing:
    """Return the refusal of what goes by a triplet network where there is none; more training helps only if labels do.

    Args:
        project: The pool.
        manifest: Its manifest.
        what: What is missing, in words.
    """
    import numpy as np

    teachers = manifest.labelled & manifest.equals("split", "train") & manifest.readable
    paired = int((np.bincount(manifest.label_codes[teachers]) >= 2).sum())
    if paired >= 2:
        return StepMissing(what, hint=project.command("train", "--embedding", "triplet"))
    return StepMissing(
        f"{what}: a triplet network needs two classes with two labelled images each to train on, and there "
        f"{'is 1' if paired else 'is none'}",
        hint=f"{project.command('select', '--strategy', 'random', '-k', '100')} and label those",
    )


def next_id(project: Project, identity: str) -> str:
    """Return the id of the next model: its number, and the first digits of a digest of what makes it."""
    numbers = [int(path.parent.name.split("-")[0]) for path in project.models.glob(f"[0-9]*/{RECORD}")]
    return f"{max(numbers, default=0) + 1:04d}-{identity[:6]}"


def head(record: ModelRecord, names: Iterable[str]) -> dict[str, NDArray[np.float32]]:
    """Return `head_weights` (c, d) or `head_bias` (c,) of a trained model: its last layer, without torch.

    Raises:
        StepMissing: The weights were deleted or damaged.
    """
    tensors = {"head_weights": "head.weight", "head_bias": "head.bias"}
    wanted = list(names)
    if not wanted:
        return {}
    import numpy as np
    import safetensors

    path = record.folder / CLASSIFIER
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return {name: np.asarray(file.get_tensor(tensors[name]), np.float32) for name in wanted}
    except (OSError, safetensors.SafetensorError) as error:
        raise StepMissing(
            f"the weights in {path} cannot be read: {error}", hint="alcli train POOL"
        ) from error
