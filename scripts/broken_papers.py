#!/usr/bin/env python3
"""How papers end that are broken: a real run over damaged papers made here, and over folders of PDFs, in both pools.

Guarantee: the exit code is 1 if a paper has no end or ends as `bug`; the damaged papers are the same each time. Limit:
whether an engine should have read a paper is not judged.

    scripts/broken_papers.py [FOLDER ...] [--mutations 2000] [--pool thread|process]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import Status
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.rows import PaperRow
from rpa_shard.testing.mutated_papers import mutated

POOLS = ("thread", "process")
ENDS = (Status.PREPPED, Status.FAILED)
# `run` ends with 1 when some papers have failed.
USUAL_EXITS = (0, 1)
DEADLINE_SECONDS = 20


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="PDFs of your own")
    parser.add_argument("--mutations", type=int, default=2000, help="how many damaged papers to make (default: 2000)")
    parser.add_argument("--pool", choices=POOLS, action="append", help="only this pool (default: both)")
    parsed = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="rpa-shard-broken-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        for seed in range(parsed.mutations):
            (made / f"{seed:05}.pdf").write_bytes(mutated(seed))
        pdfs = [path for folder in (made, *parsed.folders) for path in sorted(folder.glob("*.pdf"))]
        good = [try_all(pdfs, pool, Path(scratch) / pool) for pool in parsed.pool or POOLS]
    return 0 if all(good) else 1


def try_all(pdfs: Sequence[Path], pool: str, data: Path) -> bool:
    """Runs over all PDFs, prints how they ended, and returns whether all ended well."""
    environment = os.environ | {
        "RPA_V2_DATA_DIR": str(data),
        "RPA_V2_PREP_EXTRACT_POOL": pool,
        "RPA_V2_EXTRACT_DEADLINE_SECONDS": str(DEADLINE_SECONDS),
        "RPA_V2_CRASH_LOOP_DEATHS": "1000",
    }
    command = [sys.executable, "-m", "rpa_shard"]
    lines = "\n".join(map(str, pdfs))
    subprocess.run([*command, "add", "--file", "-"], env=environment, input=lines, text=True, check=True)
    begun = time.monotonic()
    code = subprocess.run(
        [*command, "run"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ).returncode
    seconds = time.monotonic() - begun
    with open_ledger(DataFolder(data)) as ledger:
        rows = list(ledger.papers())
    bad = [row for row in rows if row.status not in ENDS or row.failure == Failure.BUG]
    print(f"pool {pool}: {len(rows)} papers in {seconds:.0f} s, exit code {code}")
    for end, count in Counter(map(_end, rows)).most_common():
        print(f"  {count:>6} {end}")
    for row in bad:
        print(f"  {row.paper_id}: {_end(row)}: {row.detail}")
    return not bad and code in USUAL_EXITS and len(rows) == len(pdfs)


def _end(row: PaperRow) -> str:
    return f"{row.status} {row.failure}" if row.failure is not None else str(row.status)


if __name__ == "__main__":
    sys.exit(main())
