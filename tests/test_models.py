"""Records of models, and the last layer that strategies read without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from alcli import models
from alcli.errors import StepMissing
from alcli.models import ModelRecord

WEIGHTS, BIAS = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([1, 2, 3], np.float32)


@pytest.fixture
def record(tmp_path: Path) -> ModelRecord:
    tensors = {"head.weight": WEIGHTS, "head.bias": BIAS, "backbone.conv.weight": np.zeros((4, 1, 3, 3))}
    safetensors.numpy.save_file(tensors, tmp_path / models.CLASSIFIER)
    return ModelRecord(tmp_path, {"id": "0001-aaaaaa", "kind": "trained", "classes": ["a", "b", "c"]})


def test_the_last_layer_is_what_was_saved(record: ModelRecord) -> None:
    head = models.head(record, ["head_weights", "head_bias"])
    assert head["head_weights"].tolist() == WEIGHTS.tolist()
    assert head["head_bias"].tolist() == BIAS.tolist()


def test_nothing_is_read_where_nothing_is_needed(tmp_path: Path) -> None:
    assert models.head(ModelRecord(tmp_path, {"id": "none"}), []) == {}


def test_reading_it_needs_no_torch(record: ModelRecord) -> None:
    program = (
        "import sys; from pathlib import Path; from alcli import models;"
        f"record = models.ModelRecord(Path({str(record.folder)!r}), {{}});"
        "models.head(record, ['head_bias']); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("damage", ["missing", "damaged", "another"])
def test_weights_that_cannot_be_read_name_the_command(record: ModelRecord, damage: str) -> None:
    path = record.folder / models.CLASSIFIER
    if damage == "missing":
        path.unlink()
    elif damage == "damaged":
        path.write_bytes(path.read_bytes()[:20])
    else:
        safetensors.numpy.save_file({"other": BIAS}, path)
    with pytest.raises(StepMissing, match="cannot be read") as caught:
        models.head(record, ["head_weights"])
    assert "alcli train" in str(caught.value.hint)
