"""The program as a whole: exit codes, standard output and error, settings and where they come from."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from alcli import __version__
from alcli import manifest as manifests
from alcli.main import app
from alcli.project import Project
from typer.testing import CliRunner, Result


def alcli(*arguments: object, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=env)


def interruptible(*arguments: object) -> list[str]:
    """Return a command line that hears Ctrl-C even where the tests run in the background, which ignores it."""
    program = (
        "import signal as s; s.signal(s.SIGINT, s.default_int_handler); from alcli.main import run; run()"
    )
    return [sys.executable, "-c", program, *map(str, arguments)]


@pytest.fixture
def pool(image_folder: Path) -> Path:
    assert alcli("init", image_folder).exit_code == 0
    return image_folder


def test_version() -> None:
    done = alcli("--version")
    assert (done.exit_code, done.stdout) == (0, f"alcli {__version__}\n")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_the_commands_in_the_order_of_the_loop(flag: str) -> None:
    done = alcli(flag)
    assert done.exit_code == 0
    places = [
        done.stdout.index(f" {verb} ")
        for verb in ("init", "train", "score", "select", "import-labels", "demo")
    ]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(["nonsense"], 2, id="no such command"),
        pytest.param(["select", "--nonsense"], 2, id="no such option"),
        pytest.param(["select", "-k", "0"], 2, id="a value out of range"),
        pytest.param(["select", "--strategy", "margni"], 2, id="no such strategy"),
        pytest.param(["train", "--model", "resnet81"], 2, id="no such model"),
        pytest.param(["status", "/no/such/pool"], 2, id="no such pool"),
        pytest.param(["score"], 3, id="no model yet"),
        pytest.param(["import-labels", "/no/such/file.csv"], 2, id="no such labels file"),
    ],
)
def test_exit_codes(pool: Path, arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pool)
    done = alcli(*arguments)
    assert done.exit_code == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_near_matches_are_named(pool: Path) -> None:
    assert "margin" in alcli("select", "--strategy", "margni", pool).stderr
    assert "resnet18" in alcli("train", "--model", "resnet81", pool).stderr


def test_options_may_stand_before_or_after_the_pool(pool: Path) -> None:
    for arguments in (
        ["select", "-n", "--strategy", "random", pool],
        ["select", pool, "--strategy", "random", "-n"],
    ):
        assert alcli(*arguments).exit_code == 0


def test_standard_output_is_data_only(pool: Path) -> None:
    done = alcli("select", "--strategy", "random", "-k", 2, "--json", pool)
    assert json.loads(done.stdout)["schema"] == "alcli/select/1"
    assert "round 1" in done.stderr


def test_quiet_is_quiet(pool: Path) -> None:
    assert alcli("select", "--strategy", "random", "-q", "-k", 2, pool).stderr == ""


def strategy_of(done: Result) -> str:
    assert done.exit_code == 0, done.stderr
    return str(json.loads(done.stdout)["strategy"])


def test_flag_over_environment_over_file_over_default(pool: Path) -> None:
    ask = ["select", "--json", "-n", "-k", 1, pool]
    config = pool / ".alcli/config.toml"
    config.write_text('[select]\nstrategy = "random"\n')
    assert strategy_of(alcli(*ask)) == "random"
    failed = alcli(*ask, env={"ALCLI_SELECT_STRATEGY": "margin"})
    assert failed.exit_code == 3  # margin needs a model
    assert (
        strategy_of(alcli(*ask, "--strategy", "random", env={"ALCLI_SELECT_STRATEGY": "margin"})) == "random"
    )


def test_a_shared_setting_stands_outside_the_sections(pool: Path) -> None:
    (pool / ".alcli/config.toml").write_text("seed = 7\n")
    recorded = Path(alcli("select", "--strategy", "random", "-k", 1, pool).stdout.strip())
    assert json.loads(recorded.with_name("selection.json").read_text())["seed"] == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[select]\nstratgy = 'random'\n", "stratgy"),
        ("[select]\nper_class = 'many'\n", "per_class"),
        ("sede = 1\n", "sede"),
        ("[select\n", "cannot be read as TOML"),
        ("k = " + 5_000 * "[" + 5_000 * "]", "nested too deep"),
        (".".join(5_000 * "k") + " = 1", "unknown section [k]"),
        ("[import_labels]\nresolve = 'latest'\n", "unknown section [import_labels]"),
    ],
)
def test_a_wrong_configuration_is_said(pool: Path, text: str, said: str) -> None:
    (pool / ".alcli/config.toml").write_text(text)
    done = alcli("select", "--strategy", "random", pool)
    assert done.exit_code == 2
    assert said in done.stderr


def test_names_are_printed_as_text_not_as_markup(pool: Path) -> None:
    name = "cats[bold].jpg"
    (pool / "unlabelled" / name).write_bytes(b"broken")
    alcli("init", pool)
    project = Project.open(pool)
    manifest = manifests.read(project.manifest)
    from alcli import ledger

    with ledger.writing(project, "test"):
        row = manifest.equals("file_name", f"unlabelled/{name}")
        ledger.commit(project, manifest.assign(row, status="unreadable", problem="x [red] y"), command="test")
    done = alcli("status", pool)
    assert name in done.stdout
    assert "x [red] y" in done.stdout


def test_two_commands_at_once(pool: Path) -> None:
    project = Project.open(pool)
    with project.locked("train"):
        done = alcli("select", "--strategy", "random", pool)
    assert done.exit_code == 6
    assert "`train`" in done.stderr
    assert str(os.getpid()) in done.stderr


def test_a_closed_pipe_ends_quietly(pool: Path) -> None:
    line = f"{sys.executable} -m alcli select --strategy random -k 30 -q -o - {pool} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 141)
    assert done.stdout.startswith("rank,alcli_id")
    assert done.stderr == ""


@pytest.mark.parametrize("verb", ["train", "score"])
def test_ctrl_c_ends_with_130_and_leaves_nobody_behind(pool: Path, verb: str) -> None:
    before = (pool / "metadata.parquet").read_bytes()
    if verb == "score":
        assert alcli("train", "--epochs", 1, pool).exit_code == 0
        for index in range(400):
            (pool / "unlabelled" / f"more{index}.png").write_bytes(
                (pool / "unlabelled" / "b000.png").read_bytes()
            )
        alcli("init", pool)
        before = (pool / "metadata.parquet").read_bytes()
    options = ["--epochs", 2000] if verb == "train" else ["--batch-size", 1]
    running = subprocess.Popen(
        interruptible(verb, *options, pool), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    marks = {"train": "models/.partial*", "score": "signals/*/signals.json"}[verb]
    deadline = time.monotonic() + 60
    while not list((pool / ".alcli").glob(marks)) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "Traceback" not in said
    assert (pool / "metadata.parquet").read_bytes() == before
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)


class TestStreamsThatCannotBeWritten:
    """Through the shell, as people redirect them."""

    @pytest.fixture
    def said(self, pool: Path) -> Callable[[str], tuple[int, str, str]]:
        def run(line: str) -> tuple[int, str, str]:
            program = f"{sys.executable} -m alcli {line.format(pool=pool)}"
            done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=False)
            return done.returncode, done.stdout, done.stderr

        return run

    @pytest.mark.parametrize(
        "line",
        [
            "select -q -s random -k 3 -o - {pool} >/dev/full",
            "select -q -s random -k 3 -o - --format parquet {pool} >/dev/full",
            "select -q -s random -k 3 --json {pool} >/dev/full",
            "select -q -s random -k 3 -o - {pool} >&-",
            "status {pool} >/dev/full",
            "status {pool} >&-",
            "--version >/dev/full",
            "--help >/dev/full",
        ],
    )
    def test_standard_output(self, said: Callable[[str], tuple[int, str, str]], line: str) -> None:
        why = "it is closed" if ">&-" in line else "No space left on device"
        code, out, err = said(line)
        assert (code, out) == (2, "")
        first, *more = err.splitlines()
        assert first == f"error: cannot write to standard output: {why}"
        assert all(other.startswith("hint: ") for other in more)

    @pytest.mark.parametrize("where", ["2>&-", "2>/dev/full", "<&- 2>&-"])
    def test_standard_error_has_messages_only(
        self, said: Callable[[str], tuple[int, str, str]], where: str
    ) -> None:
        code, out, err = said(f"select -s random -k 3 -o - {{pool}} {where}")
        assert (code, err) == (0, "")
        assert len(out.splitlines()) == 4

    def test_decoding_processes_start_without_it(self, said: Callable[[str], tuple[int, str, str]]) -> None:
        assert said("train --epochs 1 --workers 1 {pool} 2>&-")[::2] == (0, "")

    @pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
    def test_a_failure_has_its_code_all_the_same(
        self, said: Callable[[str], tuple[int, str, str]], where: str
    ) -> None:
        assert said(f"select -k 0 {{pool}} {where}") == (2, "", "")
        assert said(f"score {{pool}} {where}") == (3, "", "")
        assert said(f"nonsense {where}") == (2, "", "")
