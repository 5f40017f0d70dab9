"""The newest audit on the page: rates, and the first suspects with their pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from alcli import auditing, ledger
from alcli.manifest import Manifest
from alcli.project import Project
from alcli.reporting import Options, report
from alcli.reporting.composing import compose
from alcli.reporting.label_quality import MOST, label_quality
from alcli.reporting.newest import Withheld
from alcli.reporting.page import LabelQuality, Page

from tests.conftest import draw
from tests.digit_pools import Digits, N

Build = Callable[..., Digits]
QUICK = Options(map="none", workers=0)


def changed(project: Project, manifest: Manifest) -> None:
    with ledger.writing(project, "test"):
        ledger.commit(project, manifest, command="test")


def page_of(project: Project) -> Page:
    return compose(project, project.pool.parent / "report.html", QUICK)


def quality_of(project: Project) -> LabelQuality:
    found = page_of(project).quality
    assert found is not None
    return found


@pytest.fixture
def pool(digits: Build) -> Digits:
    """A pool with wrong labels, most of them by eve."""
    made = digits(0.2)
    who = np.where(made.wrong, "eve", "ann").astype(object)
    changed(made.project, ledger.read(made.project).replace(annotator=who))
    return made


def test_nothing_is_told_where_nobody_looked(digits: Build) -> None:
    assert page_of(digits(0.2).project).quality is None


def test_rates_and_the_first_suspects_are_those_of_the_audit(pool: Digits) -> None:
    done = auditing.audit(pool.project, "rad-voting", everything=True)
    found = quality_of(pool.project)
    assert found.about == f"audit 1 by rad-voting with model {done.model}"
    assert (found.suspected, found.labels) == (done.suspects, N)
    assert (found.overall.wrong, found.overall.low) == (done.errors.overall.wrong, done.errors.overall.low)
    assert [one.name for one in found.by_annotator] == ["eve", "ann"]
    assert found.by_annotator[0].rate == done.errors.by_annotator["eve"].rate
    rates = [one.rate for one in found.by_class]
    assert rates == sorted((rate.rate for rate in done.errors.by_class.values()), reverse=True)
    listed = [row for row in done.table.to_pylist() if row["decision"] != "keep"]
    assert [
        (one.file_name, one.label, one.suggested, one.decision, one.annotator) for one in found.suspects
    ] == [
        (row["file_name"], row["label"], row["suggested_label"], row["decision"], row["annotator"])
        for row in listed[:MOST]
    ]
    assert len(found.suspects) == MOST == 20
    assert {one.thumbnail for one in found.suspects} == {""}  # this pool has no files


def test_pictures_are_there_where_the_files_are(pool: Digits) -> None:
    auditing.audit(pool.project)
    first, second, *_ = quality_of(pool.project).suspects
    draw(pool.project.pool / first.file_name, shade=99)
    again = quality_of(pool.project).suspects
    assert again[0].thumbnail.startswith("data:image/webp;base64,")
    assert (again[1].file_name, again[1].thumbnail) == (second.file_name, "")


def test_the_newest_audit_counts_and_says_if_it_is_old(pool: Digits) -> None:
    auditing.audit(pool.project)
    auditing.audit(pool.project, "rad")
    assert quality_of(pool.project).about.startswith("audit 2 by rad with model ")
    assert not quality_of(pool.project).about.endswith("the manifest has changed since")
    changed(pool.project, ledger.read(pool.project).assign(np.array([0]), label=None))
    assert quality_of(pool.project).about.endswith("; the manifest has changed since")


def test_what_people_are_to_check_now_is_not_listed(pool: Digits) -> None:
    auditing.audit(pool.project)
    before = [one.file_name for one in quality_of(pool.project).suspects]
    out = np.array([int(before[3][4:8])])
    changed(pool.project, ledger.read(pool.project).assign(out, queried_round=1).replace(round_=1))
    after = [one.file_name for one in quality_of(pool.project).suspects]
    assert after[:-1] == before[:3] + before[4:]
    assert len(after) == MOST
    assert before[3] not in after


def test_no_guess_is_shown_of_a_copy_of_what_people_label_now(pool: Digits) -> None:
    auditing.audit(pool.project)
    suspects = quality_of(pool.project).suspects
    out, copy = (np.array([int(one.file_name[4:8])]) for one in suspects[2:4])
    manifest = ledger.read(pool.project).assign(np.concatenate([out, copy]), sha256="0" * 64)
    changed(pool.project, manifest.assign(out, queried_round=1).replace(round_=1))
    found = {one.file_name: one.suggested for one in quality_of(pool.project).suspects}
    assert [name for name, suggested in found.items() if suggested is None] == [suspects[3].file_name]


@pytest.mark.parametrize(
    "content", [None, b"", b"rank\n1\n", b"\xff\xfe\x00", b"alcli_id,decision\nx1,ask\n"]
)
def test_a_list_that_was_lost_or_damaged_takes_no_rates_away(pool: Digits, content: bytes | None) -> None:
    path = auditing.audit(pool.project).path
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    found = quality_of(pool.project)
    assert found.suspects == []
    assert found.overall.labels == N


def test_names_from_the_list_are_text(pool: Digits, tmp_path: Path) -> None:
    """Of an image that is in the pool no more, what the list calls it is shown, quoted as for spreadsheets."""
    evil = "<script>alert(1)</script>.png"
    path = auditing.audit(pool.project).path
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    column = {name: at for at, name in enumerate(rows[0])}
    for name, value in (
        ("alcli_id", f"x{0:016x}"),
        ("file_name", f"'={evil}"),
        ("label", evil),
        ("annotator", evil),
    ):
        rows[1][column[name]] = value
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    suspect = quality_of(pool.project).suspects[0]
    assert (suspect.file_name, suspect.label, suspect.suggested) == (f"={evil}", evil, None)
    output = tmp_path / "page.html"
    report(pool.project, output, QUICK)
    text = output.read_text()
    assert "alert(1)" in text
    assert "<script>alert" not in text


def test_a_list_without_suspects(digits: Build) -> None:
    pool = digits(0)
    path = auditing.audit(pool.project).path
    about = json.loads((path.parent / "audit.json").read_text())
    path.write_text(path.read_text().splitlines()[0] + "\n")
    (path.parent / "audit.json").write_text(json.dumps({**about, "suspects": 0}))
    manifest = ledger.read(pool.project)
    found = label_quality(pool.project, manifest, Withheld(*np.zeros((2, N), np.bool_)), digest="another")
    assert found is not None
    assert (found.suspected, found.suspects, found.by_annotator) == (0, [], [])
