"""JSON lines: one object a row, with the types of the table."""

from __future__ import annotations

import io
import json

from alcli import rounds
from alcli.exporters.jsonl import jsonl


def test_rows_by_hand() -> None:
    table = rounds.tabulated(
        strategy="margin",
        number=2,
        alcli_id=["x0000000000000001", "x0000000000000002"],
        file_name=["é.jpg", "b\n.jpg"],
        score=[1 / 3, None],
        predicted_label=["cat", None],
        confidence=[0.9, None],
        reason=["rank", "audit"],
    )
    sink = io.BytesIO()
    jsonl(table, sink)
    lines = sink.getvalue().decode().split("\n")
    assert lines[0] == (
        '{"rank": 1, "alcli_id": "x0000000000000001", "file_name": "é.jpg", "score": 0.3333333, '
        '"strategy": "margin", '
        '"round": 2, "predicted_label": "cat", "confidence": 0.9, "label": null, "reason": "rank", '
        '"cluster": null, "nearest_labelled": null, "duplicates": null}'
    )
    second = json.loads(lines[1])
    assert (second["file_name"], second["score"], second["reason"]) == ("b\n.jpg", None, "audit")
    assert lines[2:] == [""]
