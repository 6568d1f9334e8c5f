"""The labels of real papers that scripts/quality.py measures against are as their README describes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rpa_shard.model.arxiv_id import parse
from rpa_shard.reading.identifiers.dois import clean_doi
from scripts.quality import Score, near

LABELS = sorted((Path(__file__).parents[1] / "labels").glob("*.json"))


def test_there_are_enough() -> None:
    assert len(LABELS) >= 30
    styles = [json.loads(path.read_text())["style"] for path in LABELS]
    assert {"numbered", "author-year", "alphabetic"} <= set(styles)


@pytest.mark.parametrize("path", LABELS, ids=lambda path: path.stem[:40])
def test_a_label(path: Path) -> None:
    label: dict[str, Any] = json.loads(path.read_text())
    assert label["file"] == f"{path.stem}.pdf"
    assert (label["count"] > 0) == bool(label["first"] and label["last"] and label["pages"])
    for name in label["arxiv_ids"]:
        assert parse(name).canonical == name
        assert not parse(name).version
    for name in label["dois"]:
        assert clean_doi(name) == name
    if label["stamp"]:
        assert label["stamp"].startswith("arXiv:")


def test_how_counts_and_names_are_scored() -> None:
    assert near(41, 40) and near(0, 1) and near(105, 100)
    assert not near(43, 40) and not near(106, 100)
    score = Score()
    score.add({"a", "b", "x"}, {"a", "b", "c"})
    assert (score.right, score.wrong, score.missed) == (2, 1, 1)
    assert "F1 0.667" in score.line
