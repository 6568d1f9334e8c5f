"""Papers damaged at random: each ends, none as a defect of ours, and what was read of it is a valid record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from rpa_shard.extract.result import Extraction
from rpa_shard.extract.runner import extract
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.phases.prep.record import json_schema, make_record
from rpa_shard.reading.clean import clean_of_record
from rpa_shard.system.files import fingerprint_of
from rpa_shard.testing.mutated_papers import mutated
from tests.rig import Rig

IN_ONE_RUN = 300
ONE_BY_ONE = 2000
VALIDATOR = jsonschema.Draft202012Validator(json_schema())


@pytest.mark.parametrize("pool", ["thread", "process"])
def test_none_ends_as_a_bug(rig: Rig, tmp_path: Path, pool: str) -> None:
    folder = tmp_path / "pdfs"
    folder.mkdir()
    for seed in range(IN_ONE_RUN):
        (folder / f"{seed}.pdf").write_bytes(mutated(seed))
    rig.run("add", *map(str, folder.iterdir()))
    code, _, errors = rig.run("run", PREP_EXTRACT_POOL=pool, deadline_seconds=120)
    assert code == 1, errors  # some cannot be read
    rows = rig.rows()
    assert len(rows) == IN_ONE_RUN
    assert {row.status.value for row in rows.values()} == {"prepped", "failed"}
    assert [(name, row.detail) for name, row in rows.items() if row.failure in (Failure.BUG, Failure.POISON)] == []
    assert rig.run("verify")[0] == 0
    rig.assert_nothing_left_behind()


@pytest.mark.parametrize("engine", ["auto", "pypdf"])
def test_what_was_read_is_a_valid_record(tmp_path: Path, engine: str) -> None:
    pdf = tmp_path / "paper.pdf"
    read = 0
    for seed in range(ONE_BY_ONE):
        content = mutated(seed)
        pdf.write_bytes(content)
        try:
            found = extract(pdf, engine)
        except PaperError as error:
            assert error.failure == Failure.BAD_PDF, seed
            assert error.detail.isprintable(), seed
            continue
        read += 1
        assert_valid(found, content)
    assert read > ONE_BY_ONE / 3


def test_the_papers_are_the_same_in_each_process() -> None:
    seeds = range(40)
    code = f"import rpa_shard.testing.mutated_papers as m; print(*(hash(m.mutated(seed)) for seed in {seeds}))"
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    outputs = {subprocess.check_output([sys.executable, "-c", code], env=environment) for _ in range(2)}
    assert len(outputs) == 1


def assert_valid(found: Extraction, pdf: bytes) -> None:
    text = found.text.encode()
    made = make_record(
        "2401.00001",
        found,
        pdf=fingerprint_of(pdf),
        text=fingerprint_of(text),
        source=None,
        download_seconds=0.0,
        extract_seconds=0.0,
        fetched_at=None,
        extracted_at=1_764_000_001.9,
    )
    record = json.loads(json.dumps(made))
    VALIDATOR.validate(record)
    assert Extraction.from_json(json.loads(json.dumps(found.to_json()))) == found
    at = 0
    for start, end in found.page_offsets:
        assert at <= start <= end <= len(found.text)
        at = end
    spans = [(each.page, each.start, each.end) for each in found.references]
    spans += [(each.page, each.start, each.end) for each in found.sections]
    spans += [(each.page, each.start, each.end) for each in found.added_text]
    for page, start, end in spans:
        assert found.page_offsets[page - 1][0] <= start < end <= len(found.text)
    for citation in found.citations:
        start, end = found.page_offsets[citation.page - 1]
        assert start <= citation.offset <= end
        assert 1 <= citation.reference <= len(found.references)
    clean_of_record(found.text, record)
