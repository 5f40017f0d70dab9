"""What became of pseudo-labels that were refined: a table in the model's folder."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alcli.training.job import Job
from alcli.training.refining import Refiner

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger("alcli")

TABLE = "refined.parquet"


def note(job: Job, refiner: Refiner) -> None:
    """Tell how many pseudo-labels changed, and leave the table with the job; the manifest is not written."""
    after, confidence = refiner.refined()
    changed = int((after != refiner.codes).sum())
    logger.info(
        "%d of %d pseudo-labels changed while training; %s in the model's folder tells which",
        changed,
        len(after),
        TABLE,
    )
    job.metrics |= {"refined_pseudo_labels": len(after), "changed_pseudo_labels": changed}
    job.tables[TABLE] = _table(job, refiner, after, confidence)


def _table(job: Job, refiner: Refiner, after: NDArray[np.int64], confidence: NDArray[np.float32]) -> pa.Table:
    """Return `alcli_id`, `pseudo_label`, `refined_label` and `confidence`, ordered by id."""
    import pyarrow as pa

    rows = job.splits["train"].rows[refiner.positions]
    order = np.argsort(job.manifest.keys[rows], kind="stable")
    names = job.manifest.classes
    return pa.table(
        {
            "alcli_id": pa.array(job.manifest.strings("alcli_id", rows[order]), pa.string()),
            "pseudo_label": pa.array([names[code] for code in refiner.codes[order]], pa.string()),
            "refined_label": pa.array([names[code] for code in after[order]], pa.string()),
            "confidence": pa.array(confidence[order], pa.float32()),
        }
    )
