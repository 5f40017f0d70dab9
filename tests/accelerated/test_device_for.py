"""Where strategies compute."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from alcli.accelerated import device_for
from alcli.errors import UsageError

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")


@pytest.mark.parametrize("name", ["cpu", "mps"])
def test_everything_but_cuda_computes_on_the_cpu(name: str) -> None:
    assert device_for(name) == "cpu"


def test_auto_does_not_import_torch_where_there_is_no_driver() -> None:
    program = (
        "import os, sys; os.environ['PATH'] = ''; from alcli.accelerated import device_for;"
        "print(device_for('auto'), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "cpu False\n"


@NO_GPU
def test_auto_asks_torch_where_there_is_a_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidia-smi").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert device_for("auto") == "cpu"


@NO_GPU
@pytest.mark.parametrize(("name", "message"), [("cuda", "is not there"), ("tpu", "unknown device")])
def test_a_device_that_is_not_there(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        device_for(name)


@pytest.mark.gpu
def test_a_cuda_device_is_found() -> None:
    assert device_for("cuda") == "cuda"
    assert device_for("auto").startswith("cuda")
