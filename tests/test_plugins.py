"""Plug-ins are found by their file names."""

from __future__ import annotations

import sys
from pathlib import Path

import alcli
import pytest
from alcli import plugins
from alcli.errors import UsageError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "toys"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "_helper.py").touch()
    (folder / "red_ball.py").write_text("def red_ball():\n    return 'bounces'\n")
    (folder / "rope.py").write_text("raise RuntimeError\n")
    monkeypatch.setattr(plugins, "__file__", str(tmp_path / "plugins.py"))
    monkeypatch.setattr(alcli, "__path__", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "alcli.toys", raising=False)
    return "alcli.toys"


def test_names_are_spelled_as_on_the_command_line_and_import_nothing(package: str) -> None:
    assert plugins.names(package) == ["red-ball", "rope"]


def test_a_plug_in_is_the_object_of_its_files_name(package: str) -> None:
    assert plugins.load(package, "red-ball", kind="toy")() == "bounces"


def test_an_unknown_name_is_told_with_its_near_matches(package: str) -> None:
    with pytest.raises(UsageError, match=r"unknown toy 'red-bal'; did you mean red-ball\?") as caught:
        plugins.load(package, "red-bal", kind="toy")
    assert caught.value.hint == "one of: red-ball, rope"


def test_nothing_near_nothing_meant() -> None:
    assert plugins.unknown("toy", "zzz", ["rope"]) == "unknown toy 'zzz'"
