"""What choosing papers costs at one size: `list` by each condition, and its `--count`.

Guarantee: real commands in their own processes, over real shard files and a real catalogue. Limit: the states of the
rows are made by SQL: most papers are prepped, and a few in a thousand are failed, flagged, or changed lately.

    python -m scripts.benchmarks.choosing FOLDER            (gives the papers of a folder states and metadata)
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from rpa_shard.store.catalogue import PaperMetadata
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of
from rpa_shard.store.sqlite.files import SQLiteFiles
from scripts.benchmarks.growth import COMMAND
from scripts.benchmarks.measuring import Figures, measure
from scripts.benchmarks.papers import id_stream

METADATA_BATCH = 10_000
# All but two of them choose one to three papers in a thousand.
CHOICES: Mapping[str, Sequence[str]] = {
    "failed": ["--status", "failed"],
    "reason": ["--reason", "not_found"],
    "flag": ["--flag", "garbled"],
    "since": ["--since", "1d"],
    "category": ["--category", "cs.FL"],
    "query": ["--query", "tidal clocks"],
    "category_failed": ["--category", "cs", "--status", "failed"],
    "count_prepped": ["--status", "prepped", "--count"],
    "count_reason": ["--reason", "not_found", "--count"],
}
_RESULT = (
    '{"prep": {"text_sha256": "%1$s", "pages": 12, "characters": 41234, "references": 31, "flags": %2$s, '
    '"source": "arxiv", "pdf": {"sha256": "%1$s", "size_bytes": 1234567}, "record": {"sha256": "%1$s", '
    '"size_bytes": 45678}, "engine": "pdfium", "stages": {"download": 1.25, "extract": 0.31, "write": 0.01}}}'
).replace("%1$s", "0" * 64)
_STATES = """
UPDATE papers SET
    status = CASE n % 1000 WHEN 0 THEN 'failed' WHEN 1 THEN 'pending' ELSE 'prepped' END,
    failure = CASE n % 1000 WHEN 0 THEN CASE n % 2000 WHEN 0 THEN 'not_found' ELSE 'bad_pdf' END END,
    failed_phase = CASE n % 1000 WHEN 0 THEN 'prep' END,
    results = CASE WHEN n % 1000 < 2 THEN '{}'
                   ELSE replace(:result, '%2$s', CASE n % 1000 WHEN 2 THEN '["garbled"]' ELSE '[]' END) END,
    changed_at = CASE n % 1000 WHEN 3 THEN :now - 60 ELSE :now - 100000 - n % 7000 END,
    next_attempt_at = CASE n % 1000 WHEN 3 THEN :now - 60 ELSE :now - 100000 - n % 7000 END
FROM (SELECT id AS of, row_number() OVER (ORDER BY id) AS n FROM papers) WHERE id = of
"""
_ABSTRACT = "We study the tides of distant seas and the clocks by which they are told. " * 15


def give_states(folder: Path) -> None:
    """Gives the papers of a folder, which were only added, states and metadata."""
    files = SQLiteFiles(folder)
    stored = files.read_manifest()
    assert stored is not None
    for shard in range(stored.layout.shards):
        with closing(sqlite3.connect(files.shard_file(shard))) as connection, connection:
            connection.execute(_STATES, {"now": time.time(), "result": _RESULT})
    with engine_of(DataFolder(folder)).open_ledger() as ledger:
        papers = sum(ledger.counts().by_status.values())
    with engine_of(DataFolder(folder)).open_catalogue(create=True) as catalogue:
        assert catalogue is not None
        rows = _metadata(papers)
        while batch := list(islice(rows, METADATA_BATCH)):
            catalogue.add_metadata(batch)


def _metadata(papers: int) -> Iterator[PaperMetadata]:
    for number, paper_id in enumerate(id_stream(papers)):
        of = "cs.FL stat.ML" if number % 1000 == 5 else f"cs.{'AI LG CV RO'.split()[number % 4]} math.ST"
        categories = of if number % 3 == 0 or number % 1000 == 5 else "hep-th math-ph"
        words = "Tidal clocks" if number % 1000 == 7 else "Distant seas"
        title = f"{words} and their learning: part {number % 9973}"
        yield PaperMetadata(paper_id, title, "A. Author, B. Writer", _ABSTRACT, categories, None, 1)


def choose(folder: Path, rows: int, name: str) -> Figures:
    """`list` with one of the choices."""
    environment = {"RPA_V2_DATA_DIR": str(folder)}
    return measure([*COMMAND, "list", *CHOICES[name]], rows, folder.with_suffix(".log"), environment=environment)


if __name__ == "__main__":
    give_states(Path(sys.argv[1]))
