"""Labels coming back: matched to images, checked, and taken in whole or not at all."""

from __future__ import annotations

import csv
import datetime
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from alcli import identity, labelling, ledger
from alcli import manifest as manifests
from alcli.errors import InputRejected, StepMissing, UsageError
from alcli.labelling import ImportReport, Rules, matching
from alcli.manifest import Manifest
from alcli.project import Project

CAFE = unicodedata.normalize("NFC", "café/1.jpg")
NAMES = ["=sum.jpg", "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/3 x.jpg", CAFE, "held/1.jpg", "known/1.jpg", "x.jpg"]
Import = Callable[..., ImportReport]


@pytest.fixture
def pool(tmp_path: Path) -> Project:
    """Nine images: one labelled, one in val, `a/*` and `b/*` out in rounds 1 and 2, one pseudo-labelled."""
    folder = tmp_path / "pool"
    folder.mkdir()
    manifest = Manifest.build({"file_name": NAMES, "size": [1] * 9, "mtime_ns": [1] * 9}, ["cat", "dog"])
    rows = {name: row for row, name in enumerate(manifest.strings("file_name"))}
    columns: dict[str, list[Any]] = {
        name: [None] * 9 for name in ("label", "queried_round", "pseudo_label", "sha256")
    }
    columns["split"] = ["train"] * 9
    columns["label"][rows["known/1.jpg"]] = "cat"
    columns["split"][rows["held/1.jpg"]] = "val"
    columns["pseudo_label"][rows["a/1.jpg"]] = "dog"
    columns["sha256"][rows["a/1.jpg"]] = "ab" * 32
    for name, round_ in (("a/1.jpg", 1), ("a/2.jpg", 1), ("b/1.jpg", 2), ("b/3 x.jpg", 2)):
        columns["queried_round"][rows[name]] = round_
    project = Project.open(folder)
    with ledger.writing(project, "init"):
        ledger.commit(project, manifest.replace(**columns, round_=2), command="init")
    return project


@pytest.fixture
def bring(pool: Project, tmp_path: Path) -> Import:
    """Return a function that writes a file and imports it."""

    def run(content: str | bytes, *, name: str = "labels.csv", **options: Any) -> ImportReport:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        known = {key: options.pop(key) for key in ("kind", "encoding", "report", "dry_run") if key in options}
        return labelling.import_labels(pool, path, rules=Rules(**options), **known)

    return run


def cells(project: Project, *columns: str, image: str = "a/1.jpg") -> list[Any]:
    table = manifests.read(project.manifest).table
    row = table["file_name"].to_pylist().index(image)
    return [table[column][row].as_py() for column in columns]


def labels(project: Project) -> dict[str, str]:
    table = manifests.read(project.manifest).table
    pairs = zip(table["file_name"].to_pylist(), table["label"].to_pylist(), strict=True)
    return {name: label for name, label in pairs if label and name != "known/1.jpg"}


def reasons(rejected: pytest.ExceptionInfo[InputRejected]) -> list[str]:
    return rejected.value.details


# What a label changes.


def test_a_label_is_recorded_with_its_round_and_source(pool: Project, bring: Import) -> None:
    done = bring("file_name,label,annotator,labelled_at\na/1.jpg,cat,ann,2026-11-01T12:00:00+02:00\n")
    columns = ("label", "label_source", "label_round", "annotator", "labelled_at", "agreement")
    noon = datetime.datetime(2026, 11, 1, 10, tzinfo=datetime.UTC)
    assert cells(pool, *columns) == ["cat", "import:csv", 1, "ann", noon, None]
    assert cells(pool, "queried_round", "pseudo_label", "pseudo_confidence", "pseudo_method") == [None] * 4
    assert (done.labelled, done.by_round, done.still_out, done.changed) == (1, {1: 1}, {1: 1, 2: 2}, True)


def test_labels_that_nobody_asked_for_are_taken_and_counted(pool: Project, bring: Import) -> None:
    done = bring("file_name,label\nx.jpg,dog\nheld/1.jpg,cat\na/1.jpg,cat\n")
    assert (done.labelled, done.unsent, done.held_out) == (3, 2, 1)
    assert cells(pool, "label", "label_round", image="x.jpg") == ["dog", 2]  # the newest round
    assert cells(pool, "label", "label_round", image="a/1.jpg") == ["cat", 1]  # the round it went out in


def test_a_correction_still_answers_the_round_that_asked(pool: Project, bring: Import) -> None:
    bring("file_name,label\na/1.jpg,cat\n")
    bring("file_name,label\na/1.jpg,dog\n", on_conflict="replace")
    assert cells(pool, "label", "label_round") == ["dog", 1]  # the newest round is 2


def test_the_same_file_twice_changes_nothing(
    pool: Project, bring: Import, snapshot: Callable[[Path], dict[str, bytes]]
) -> None:
    votes = "a/1.jpg,cat,ann,\na/1.jpg,dog,bo,\na/1.jpg,cat,cy,\n"
    content = f"file_name,label,annotator,status\n{votes}b/1.jpg,,,skipped\n"
    first = bring(content, resolve="majority")
    before = snapshot(pool.state)
    second = bring(content, resolve="majority")
    assert first.changed
    assert not second.changed
    assert (second.labelled, second.unchanged, second.skipped) == (0, 1, 0)
    assert snapshot(pool.state) == before


def test_an_empty_label_is_no_answer(pool: Project, bring: Import) -> None:
    done = bring("file_name,label\na/1.jpg,\na/2.jpg,  \nb/1.jpg,dog\n")
    assert (done.labelled, done.unanswered) == (1, 2)
    assert labels(pool) == {"b/1.jpg": "dog"}
    assert cells(pool, "queried_round") == [1]  # still out


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("status", "Skipped"),
        ("skipped", "true"),
        ("was_cancelled", "1"),
        ("answer", "reject"),
        ("answer", "ignore"),
    ],
)
def test_a_declined_image_is_skipped(pool: Project, bring: Import, column: str, value: str) -> None:
    done = bring(f"file_name,label,{column}\na/1.jpg,cat,{value}\na/2.jpg,dog,\n")
    assert (done.labelled, done.skipped) == (1, 1)
    # What a model took it for goes, too: a person said that it cannot be said.
    assert cells(pool, "label", "status", "queried_round", "pseudo_label") == [None, "skipped", None, None]
    assert cells(pool, "problem")[0]
    assert not manifests.read(pool.manifest).queryable[1]


def test_whoever_declines_may_leave_any_word_in_the_label(pool: Project, bring: Import) -> None:
    assert bring("file_name,label,status\na/1.jpg,n/a,skipped\n").skipped == 1
    assert cells(pool, "label", "status") == [None, "skipped"]


@pytest.mark.parametrize(
    ("column", "value"), [("status", "true"), ("status", "ok"), ("skipped", "false"), ("answer", "accept")]
)
def test_other_words_decline_nothing(pool: Project, bring: Import, column: str, value: str) -> None:
    assert bring(f"file_name,label,{column}\na/1.jpg,cat,{value}\n").labelled == 1
    assert cells(pool, "label", "status") == ["cat", "ok"]


def test_a_label_for_a_skipped_image_brings_it_back(pool: Project, bring: Import) -> None:
    bring("file_name,label,skipped\na/1.jpg,,yes\n")
    bring("file_name,label\na/1.jpg,dog\n")
    assert cells(pool, "label", "status", "problem") == ["dog", "ok", None]


def test_declining_a_labelled_image_keeps_its_label(pool: Project, bring: Import) -> None:
    done = bring("file_name,label,skipped\nknown/1.jpg,,yes\n")
    assert not done.changed
    assert cells(pool, "label", "status", image="known/1.jpg") == ["cat", "ok"]


def test_new_classes_are_appended_in_order(pool: Project, bring: Import) -> None:
    done = bring("file_name,label\na/1.jpg,zebra\na/2.jpg,ant\nb/1.jpg,dog\n", new_classes=True)
    assert done.new_classes == ("ant", "zebra")
    assert manifests.read(pool.manifest).classes == ("cat", "dog", "ant", "zebra")
    assert labels(pool) == {"a/1.jpg": "zebra", "a/2.jpg": "ant", "b/1.jpg": "dog"}


def test_class_names_are_compared_without_blanks_and_in_nfc(pool: Project, bring: Import) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    bring(f"file_name,label\na/1.jpg,{decomposed}\n", new_classes=True)
    done = bring(f"file_name,label\na/2.jpg, {composed} \nb/1.jpg,{decomposed}\n")
    assert done.new_classes == ()
    assert {labels(pool)[name] for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg")} == {composed}


# Which image is meant.


@pytest.mark.parametrize(
    ("written", "image", "prefixes"),
    [
        ("a/1.jpg", "a/1.jpg", []),
        ("./a/1.jpg", "a/1.jpg", []),
        ("a\\1.jpg", "a/1.jpg", []),
        ("b/3%20x.jpg", "b/3 x.jpg", []),
        (unicodedata.normalize("NFD", CAFE), CAFE, []),
        ("caf%C3%A9/1.jpg", CAFE, []),
        ("{pool}/a/1.jpg", "a/1.jpg", []),
        ("file://{pool}/b/3%20x.jpg", "b/3 x.jpg", []),
        ("'=sum.jpg", "=sum.jpg", []),
        ("=sum.jpg", "=sum.jpg", []),
        ("/data/local-files/?d=a/1.jpg", "a/1.jpg", []),
        ("/data/local-files/?d=pool/b/3%20x.jpg", "b/3 x.jpg", ["pool/"]),
        ("/data/local-files/?d=pool/a/1.jpg", "a/1.jpg", ["pool"]),
        ("/data/local-files/?d=pool/a/1.jpg", "a/1.jpg", ["/data/local-files/?d=pool/"]),
        ("/data/local-files/?d=pool/1.jpg", "a/1.jpg", ["/data/local-files/?d=pool/=a/"]),
        ("/data/local-files/?d=m%20y/b/3%20x.jpg", "b/3 x.jpg", ["/data/local-files/?d=m y/"]),
        ("/data/local-files/?d=m%20y/b/3%20x.jpg", "b/3 x.jpg", ["/data/local-files/?d=m%20y/"]),
        ("https://ls/data/local-files/?d=p/a/1.jpg", "a/1.jpg", ["https://ls/data/local-files/?d=p/"]),
        ("file:///data/b/3%20x.jpg", "b/3 x.jpg", ["file:///data/"]),
        ("file:///data/b/3%20x.jpg", "b/3 x.jpg", ["/data/"]),
        ("https://host/x/a/1.jpg?Signature=abc#top", "a/1.jpg", ["https://host/x/"]),
        ("https://host/m%20y/b/3%20x.jpg", "b/3 x.jpg", ["https://host/m y/"]),
        ("https://host/m%20y/b/3%20x.jpg", "b/3 x.jpg", ["https://host/m%20y/"]),
        ("s3://bucket/1.jpg", "a/1.jpg", ["gs://other/", "s3://bucket/=a/"]),
    ],
)
def test_paths_and_urls_are_matched(
    pool: Project, bring: Import, written: str, image: str, prefixes: list[str]
) -> None:
    row = {"image": written.replace("{pool}", str(pool.pool)), "label": "dog"}
    assert bring(json.dumps(row), name="labels.jsonl", prefixes=prefixes).labelled == 1
    assert labels(pool) == {image: "dog"}


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("../pool/a/1.jpg", "leads out of the pool"),
        ("a/../../a/1.jpg", "leads out of the pool"),
        ("..\\a\\1.jpg", "leads out of the pool"),
        ("1.jpg", "not in the pool"),  # never by bare file name
        ("A/1.jpg", "not in the pool"),
        ("/etc/passwd", "not in the pool"),
        ("https://host/a/1.jpg", "not in the pool"),  # that the host's root is the pool would be a guess
        ("b/3%2520x.jpg", "not in the pool"),  # decoded once, not twice
    ],
)
def test_an_unknown_path_is_rejected(pool: Project, bring: Import, written: str, why: str) -> None:
    with pytest.raises(InputRejected, match=r"1 of 2 rows cannot be taken.*1 unknown image") as rejected:
        bring(
            json.dumps({"path": written, "label": "cat"}) + '\n{"path": "a/2.jpg", "label": "cat"}',
            name="l.jsonl",
        )
    assert reasons(rejected) == [f"line 1: {written}: {'the path ' if 'leads' in why else ''}{why}"]
    assert labels(pool) == {}


def test_the_id_counts_before_the_path(pool: Project, bring: Import) -> None:
    known = identity.alcli_id("a/1.jpg")
    bring(f"alcli_id,image,label\n{known.upper()},/upload/77.jpg,dog\n")
    assert labels(pool) == {"a/1.jpg": "dog"}


def test_an_id_and_a_path_that_disagree_are_rejected(bring: Import) -> None:
    with pytest.raises(InputRejected) as rejected:
        bring(f"alcli_id,file_name,label\n{identity.alcli_id('a/1.jpg')},a/2.jpg,dog\n")
    assert reasons(rejected) == ["line 2: a/2.jpg: the alcli_id beside it is that of a/1.jpg"]


@pytest.mark.parametrize("damaged", ["1.23E+15", "x0000000000000000", "a/1.jpg"])
def test_a_damaged_id_is_not_passed_over(bring: Import, damaged: str) -> None:
    with pytest.raises(InputRejected) as rejected:
        bring(f"alcli_id,file_name,label\n{damaged},a/1.jpg,dog\n")
    assert reasons(rejected) == [f"line 2: a/1.jpg: no image of the pool has the alcli_id {damaged}"]


def test_content_digests_match_what_was_renamed(pool: Project, bring: Import) -> None:
    assert bring(f"path,sha256,label\nrenamed.jpg,{'AB' * 32},dog\n").labelled == 1
    assert labels(pool) == {"a/1.jpg": "dog"}
    with pytest.raises(InputRejected, match="unknown image"):
        bring(f"path,sha256,label\nrenamed.jpg,{'cd' * 32},dog\n")


def test_a_bare_file_name_matches_only_if_asked_for_and_unique(pool: Project, bring: Import) -> None:
    assert bring("image,label\nhttp://host/3%20x.jpg,dog\n", basename=True).labelled == 1
    assert labels(pool) == {"b/3 x.jpg": "dog"}
    with pytest.raises(InputRejected) as rejected:
        bring("image,label\nupload/1.jpg,dog\nupload/9.jpg,dog\n", basename=True)
    assert reasons(rejected) == [
        "line 2: upload/1.jpg: 5 images have this name",
        "line 3: upload/9.jpg: not in the pool",
    ]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("s3://b/", ("s3://b/", "")),
        ("s3://b/=a/", ("s3://b/", "a/")),
        ("/data/local-files/?d=pool/", ("/data/local-files/?d=pool/", "")),
        ("/data/local-files/?d=pool/=a/", ("/data/local-files/?d=pool/", "a/")),
    ],
)
def test_prefixes_are_read(text: str, meant: tuple[str, str]) -> None:
    assert matching.parse_prefix(text) == meant


def test_an_empty_prefix_is_refused(bring: Import) -> None:
    with pytest.raises(UsageError, match="--strip-prefix ''"):
        bring("file_name,label\na/1.jpg,cat\n", prefixes=[""])


# What rejects a file.


def test_an_unknown_class_is_rejected_and_near_ones_named(
    pool: Project, bring: Import, snapshot: Callable[[Path], dict[str, bytes]]
) -> None:
    before = snapshot(pool.state)
    with pytest.raises(InputRejected, match="2 unknown class") as rejected:
        bring("file_name,label\na/1.jpg,dog\na/2.jpg,ct\nb/1.jpg,DOG\n")
    assert reasons(rejected) == [
        "line 3: a/2.jpg: unknown class 'ct' (did you mean cat?)",
        "line 4: b/1.jpg: unknown class 'DOG' (did you mean dog?)",
    ]
    assert "--new-classes" in (rejected.value.hint or "")
    assert snapshot(pool.state) == before


def test_every_problem_is_listed_in_the_order_of_the_file(bring: Import, tmp_path: Path) -> None:
    rows = "no.jpg,cat\nknown/1.jpg,dog\na/1.jpg,bird\na/2.jpg,cat\na/2.jpg,cat\n,dog\n"
    content = f"file_name,label\n{rows}"
    with pytest.raises(InputRejected) as rejected:
        bring(content, report=tmp_path / "report.csv")
    assert reasons(rejected) == [
        "line 2: no.jpg: not in the pool",
        "line 3: known/1.jpg: already labelled 'cat', here 'dog'",
        "line 4: a/1.jpg: unknown class 'bird'",
        "line 6: a/2.jpg: stands on line 5 already, as cat",
        "line 7: no image is named",
    ]
    with (tmp_path / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["line"] for row in rows] == ["2", "3", "4", "6", "7"]
    assert rows[2] == {
        "line": "4",
        "image": "a/1.jpg",
        "kind": "unknown class",
        "text": "unknown class 'bird'",
    }


def test_the_report_is_written_as_jsonl_too(bring: Import, tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    with pytest.raises(InputRejected):
        bring("file_name,label\n" + "no.jpg,cat\n" * 25, report=report)
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert [line["line"] for line in lines] == list(range(2, 27))
    bring("file_name,label\na/1.jpg,cat\n", report=report)
    assert report.read_text() == ""


def test_a_report_of_another_kind_is_refused(bring: Import, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.csv or \.jsonl"):
        bring("file_name,label\na/1.jpg,cat\n", report=tmp_path / "report.txt")


def test_report_cells_do_not_run_in_a_spreadsheet(bring: Import, tmp_path: Path) -> None:
    with pytest.raises(InputRejected):
        bring("file_name,label\n=cmd.jpg,cat\n", report=tmp_path / "report.csv")
    assert "2,'=cmd.jpg,unknown image," in (tmp_path / "report.csv").read_text()


def test_an_earlier_label_is_never_overwritten_unasked(pool: Project, bring: Import) -> None:
    content = "file_name,label\nknown/1.jpg,dog\na/1.jpg,dog\n"
    with pytest.raises(InputRejected, match="1 conflict") as rejected:
        bring(content)
    assert "--on-conflict" in (rejected.value.hint or "")
    kept = bring(content, on_conflict="keep")
    assert (kept.labelled, kept.kept, kept.replaced) == (1, 1, 0)
    replaced = bring(content, on_conflict="replace")
    assert (replaced.labelled, replaced.kept, replaced.replaced, replaced.unchanged) == (0, 0, 1, 1)
    assert cells(pool, "label", "label_source", image="known/1.jpg") == ["dog", "import:csv"]


def test_the_same_label_again_is_no_conflict(bring: Import) -> None:
    done = bring("file_name,label\nknown/1.jpg,cat\n")
    assert (done.changed, done.unchanged) == (False, 1)


@pytest.mark.parametrize("second", ["cat", "dog"])
@pytest.mark.parametrize("annotator", ["ann", ""])
@pytest.mark.parametrize("resolve", ["error", "majority", "latest"])
def test_a_row_twice_is_rejected(bring: Import, second: str, annotator: str, resolve: str) -> None:
    content = f"file_name,label,annotator\na/1.jpg,cat,{annotator}\n./a/1.jpg,{second},{annotator}\n"
    with pytest.raises(InputRejected, match="1 duplicate row") as rejected:
        bring(content, resolve=resolve)
    by = " by ann" if annotator else ""
    assert reasons(rejected) == [f"line 3: ./a/1.jpg: stands on line 2 already{by}, as cat"]


# Several people.

VOTES = """file_name,label,annotator,labelled_at
a/1.jpg,cat,ann,2026-11-01T10:00:00Z
a/1.jpg,dog,bo,2026-11-03T10:00:00Z
a/1.jpg,cat,cy,2026-11-02T10:00:00Z
"""


def test_people_who_agree_are_one_answer(pool: Project, bring: Import) -> None:
    done = bring(VOTES.replace("dog", "cat"))
    assert (done.rows, done.images, done.labelled) == (3, 1, 1)
    third = datetime.datetime(2026, 11, 3, 10, tzinfo=datetime.UTC)
    assert cells(pool, "label", "annotator", "agreement", "labelled_at") == ["cat", "ann, bo, cy", 1.0, third]


def test_people_who_disagree_are_rejected(bring: Import) -> None:
    with pytest.raises(InputRejected, match="1 disagreement") as rejected:
        bring(VOTES)
    assert reasons(rejected) == ["line 4: a/1.jpg: annotators disagree: 2 cat, 1 dog"]
    assert "--resolve" in (rejected.value.hint or "")


def test_the_majority_counts_if_asked_for(pool: Project, bring: Import) -> None:
    bring(VOTES, resolve="majority")
    assert cells(pool, "label", "annotator") == ["cat", "ann, cy"]
    assert cells(pool, "agreement")[0] == pytest.approx(2 / 3)
    second = datetime.datetime(2026, 11, 2, 10, tzinfo=datetime.UTC)
    assert cells(pool, "labelled_at") == [second]


def test_a_tie_is_no_majority(bring: Import) -> None:
    with pytest.raises(InputRejected) as rejected:
        bring("\n".join(VOTES.splitlines()[:3]), resolve="majority")
    assert reasons(rejected) == ["line 3: a/1.jpg: no majority: 1 cat, 1 dog"]


def test_the_latest_counts_if_asked_for(pool: Project, bring: Import) -> None:
    bring(VOTES, resolve="latest")
    assert cells(pool, "label", "annotator") == ["dog", "bo"]
    assert cells(pool, "agreement")[0] == pytest.approx(1 / 3)


def test_the_latest_understands_a_correction_by_the_same_person(pool: Project, bring: Import) -> None:
    bring(VOTES.replace("bo", "ann").replace("cy", "ann"), resolve="latest")
    assert cells(pool, "label", "annotator", "agreement") == ["dog", "ann", None]


@pytest.mark.parametrize("times", [("2026-11-01", ""), ("2026-11-01", "2026-11-01")])
def test_the_latest_is_never_guessed(bring: Import, times: tuple[str, str]) -> None:
    content = (
        f"file_name,label,annotator,labelled_at\na/1.jpg,cat,ann,{times[0]}\na/1.jpg,dog,bo,{times[1]}\n"
    )
    with pytest.raises(InputRejected, match="1 disagreement"):
        bring(content, resolve="latest")


def test_rows_without_a_name_get_the_one_given(pool: Project, bring: Import) -> None:
    bring("file_name,label,annotator\na/1.jpg,cat,\na/2.jpg,cat,bo\n", annotator="vendor")
    assert cells(pool, "annotator") == ["vendor"]
    assert cells(pool, "annotator", image="a/2.jpg") == ["bo"]


def test_a_time_that_cannot_be_read_is_unknown_and_said(
    pool: Project, bring: Import, caplog: pytest.LogCaptureFixture
) -> None:
    bring("file_name,label,created_at\na/1.jpg,cat,last week\n")
    assert cells(pool, "label", "labelled_at") == ["cat", None]
    assert "'last week'" in caplog.text


# Files as people and tools write them.


@pytest.mark.parametrize(
    "content",
    [
        "\ufefffile_name,label\na/1.jpg,cat\n".encode(),
        b"file_name,label\r\na/1.jpg,cat\r\n",
        b"file_name;label\na/1.jpg;cat\n",
        b"Filename\tClass\na/1.jpg\tcat\n",
        "file_name,label\na/1.jpg,cat\n".encode("utf-16"),
        b"rank,alcli_id,file_name,score,strategy,round,predicted_label,confidence,label\n1,,a/1.jpg,0.5,margin,1,dog,0.9,cat\n",
    ],
)
def test_csv_dialects_are_understood(pool: Project, bring: Import, content: bytes) -> None:
    assert bring(content).labelled == 1
    assert cells(pool, "label") == ["cat"]


def test_another_encoding_must_be_said(pool: Project, bring: Import) -> None:
    content = f"file_name,label\n{CAFE},cat\n".encode("cp1252")
    with pytest.raises(InputRejected, match="not UTF-8") as rejected:
        bring(content)
    assert "--encoding" in (rejected.value.hint or "")
    bring(content, encoding="cp1252")
    assert labels(pool) == {CAFE: "cat"}


def test_parquet_is_read_and_its_rows_are_numbered(pool: Project, bring: Import, tmp_path: Path) -> None:
    path = tmp_path / "given.parquet"
    when = datetime.datetime(2026, 11, 1, 10, tzinfo=datetime.UTC)
    pq.write_table(
        pa.table({"path": ["a/1.jpg", "a/2.jpg"], "label": ["cat", None], "labelled_at": [when, None]}), path
    )
    assert bring(path.read_bytes(), name="labels.parquet").labelled == 1
    assert cells(pool, "label", "label_source", "labelled_at") == ["cat", "import:parquet", when]
    pq.write_table(pa.table({"path": ["a/2.jpg", "no.jpg"], "label": ["cat", "cat"]}), path)
    with pytest.raises(InputRejected) as rejected:
        bring(path.read_bytes(), name="labels.parquet")
    assert reasons(rejected) == ["row 2: no.jpg: not in the pool"]


@pytest.mark.parametrize(
    ("content", "what"),
    [("picture,label\na,cat\n", "names the image"), ("file_name,answer\na/1.jpg,cat\n", "holds the label")],
)
def test_a_file_without_the_columns_is_rejected(bring: Import, content: str, what: str) -> None:
    with pytest.raises(InputRejected, match=f"no column that {what}; it has"):
        bring(content)


def test_a_row_of_another_length_rejects_the_file(pool: Project, bring: Import) -> None:
    with pytest.raises(InputRejected):
        bring("file_name,label\na/1.jpg,cat\na/2.jpg\n")
    assert labels(pool) == {}


def test_a_selection_filled_in_comes_back_whole(pool: Project, bring: Import) -> None:
    """What csv-safe quoting did to names and classes is undone, and ids stand for themselves."""
    ids = {name: identity.alcli_id(name) for name in NAMES}
    content = f"alcli_id,file_name,label\n{ids['=sum.jpg']},'=sum.jpg,'-x\n{ids['a/1.jpg']},a/1.jpg,cat\n"
    bring(content, new_classes=True)
    assert labels(pool) == {"=sum.jpg": "-x", "a/1.jpg": "cat"}


def test_a_dry_run_changes_nothing(
    pool: Project, bring: Import, snapshot: Callable[[Path], dict[str, bytes]]
) -> None:
    before = snapshot(pool.state)
    done = bring("file_name,label\na/1.jpg,cat\n", dry_run=True)
    assert (done.labelled, done.changed) == (1, True)
    assert snapshot(pool.state) == before


def test_a_pool_without_a_manifest_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(StepMissing, match="no label manifest"):
        labelling.import_labels(Project.open(tmp_path / "empty"), tmp_path / "labels.csv")


def test_the_journal_says_what_was_imported(pool: Project, bring: Import) -> None:
    bring("file_name,label\na/1.jpg,cat\nx.jpg,dog\n")
    last = json.loads(pool.journal.read_text().splitlines()[-1])
    assert (last["command"], last["labelled"], last["by_round"]) == ("import-labels", 2, {"1": 1})
    assert last["file"].endswith("labels.csv")


def test_undo_takes_an_import_back(pool: Project, bring: Import) -> None:
    bring("file_name,label\na/1.jpg,cat\n")
    assert ledger.undo(pool) == "import-labels"
    assert cells(pool, "label", "queried_round", "pseudo_label") == [None, 1, "dog"]
