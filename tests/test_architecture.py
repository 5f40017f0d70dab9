"""The house: imports go down, heavy packages stay where they are needed, and starting is quick."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import alcli
import pytest

PACKAGE = Path(alcli.__file__).parent

FLOORS = {
    6: {"main", "__main__"},
    5: {"commands", "console"},
    4: {"demonstration", "simulation", "reporting"},
    3: {
        "intake",
        "training",
        "scoring",
        "external",
        "probing",
        "selection",
        "choosing",
        "labelling",
        "pseudolabelling",
        "auditing",
    },
    2: {
        "inference",
        "ranking",
        "planning",
        "strategies",
        "losses",
        "exporters",
        "verdict",
        "pictures",
        "quality",
    },
    1: {
        "project",
        "manifest",
        "guesses",
        "schema",
        "ledger",
        "summary",
        "rounds",
        "hindsight",
        "votebook",
        "gold",
        "signals",
        "models",
        "identity",
        "images",
        "networks",
        "accelerated",
        "tables",
        "stopping",
    },
    0: {
        "errors",
        "files",
        "parameters",
        "plugins",
        "randomness",
        "progress",
        "uncertainty",
        "request",
        "fingerprint",
        "geometry",
        "quotas",
        "__init__",
    },
}
FLOOR_OF = {name: floor for floor, names in FLOORS.items() for name in names}
SIDEWAYS = {
    ("selection", "scoring"),
    ("selection", "choosing"),
    ("selection", "probing"),
    ("labelling", "auditing"),
}

# Who may import a package at module level.
HEAVY = {
    "torch": {"networks", "accelerated", "losses", "training", "scoring"},
    "timm": {"networks", "training"},
    "torchvision": {"networks", "training"},
    "matplotlib": {"pictures"},
    "jinja2": {"reporting"},
    "typer": {"main", "commands"},
    "rich": {"main", "commands", "console"},
    "PIL": {"images", "training"},
    "pyarrow": {
        "manifest", "schema", "ledger", "summary", "rounds", "hindsight", "votebook", "gold", "signals", "identity", "tables", "external", "exporters",
        "intake", "labelling", "selection", "simulation", "auditing",
    },
}  # fmt: skip


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, *, module_level: bool) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    for node in tree.body if module_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_its_own_floor_or_a_lower_one(path: Path) -> None:
    here = place(path)
    assert here in FLOOR_OF, f"{here} has no floor yet; give it one in FLOORS"
    for name in imports(path, module_level=False):
        parts = name.split(".")
        if parts[0] != "alcli" or len(parts) < 2 or parts[1] not in FLOOR_OF:
            continue
        there = parts[1]
        if here in (there, "__init__"):
            continue
        below = FLOOR_OF[there] < FLOOR_OF[here]
        beside = FLOOR_OF[there] == FLOOR_OF[here] and FLOOR_OF[here] != 3
        assert below or beside or (here, there) in SIDEWAYS, f"{here} must not import {there}"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_packages_stay_in_their_rooms(path: Path) -> None:
    for name in imports(path, module_level=True):
        package = name.split(".")[0]
        if package in HEAVY:
            assert place(path) in HEAVY[package], f"{path} imports {package} at module level"


@pytest.mark.parametrize("path", sorted((PACKAGE / "strategies").glob("*.py")), ids=lambda path: path.name)
def test_strategies_see_arrays_and_nothing_else(path: Path) -> None:
    if path.name == "__init__.py":
        return  # makes the package answer a call, computes nothing
    allowed = (
        "numpy",
        "alcli",
        "__future__",
        "typing",
        "collections",
        "dataclasses",
        "math",
        "inspect",
        "functools",
        "heapq",
        "logging",
        "scipy",
        "time",
    )
    for name in imports(path, module_level=False):
        assert name.split(".")[0] in allowed, f"{path.name} imports {name}"


def imported_by(*code: str) -> set[str]:
    program = "; ".join([*code, "import sys; print('\\n'.join(sys.modules))"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {line.split(".")[0] for line in done.stdout.splitlines()}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["select", "--help"], ["select", "--list"]])
def test_starting_imports_nothing_heavy(arguments: list[str]) -> None:
    loaded = imported_by(
        "import contextlib",
        "from alcli.main import app",
        f"contextlib.suppress(SystemExit).__enter__(); app({arguments!r}, standalone_mode=False)",
    )
    assert loaded.isdisjoint({"torch", "timm", "torchvision", "pyarrow", "PIL", "scipy", "sklearn"})


def test_the_library_starts_without_torch_and_pyarrow() -> None:
    loaded = imported_by(
        "import numpy, alcli",
        "alcli.rank('margin', k=1, probabilities=numpy.array([[.5, .5], [.9, .1]]))",
    )
    assert loaded.isdisjoint({"torch", "pyarrow"})
    assert "numpy" not in imported_by("import alcli")
