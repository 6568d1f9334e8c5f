"""The recount: what the store says of every paper against the files that are there.

Guarantee: what is reported as different was so when it was looked at twice, so a run that goes on meanwhile raises no
false alarm; nothing is changed unless `fix` is asked for, and `fix` only sends papers back to be done again. Limit:
files that no row speaks of are not looked for.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rpa_shard.ipc.run_status import is_alive, read_status
from rpa_shard.model.arxiv_id import parse
from rpa_shard.model.phase import Status
from rpa_shard.phases.prep.artifacts import ENDINGS, fingerprint_of_file, stem_of
from rpa_shard.store.sqlite.ledger import Ledger

SHOWN = 100
_AGAIN = "`verify --fix` sends the paper back to pending"
ADVICE: Mapping[str, str] = {
    "missing": _AGAIN,
    "wrong size": _AGAIN,
    "wrong hash": _AGAIN,
    "no result": _AGAIN,
    "wrong shard": "a shard file was copied or put back by hand: take it out again, or add its papers anew",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as the store says, and what to do about it."""

    id: str
    kind: str
    what: str

    @property
    def advice(self) -> str:
        return ADVICE[self.kind]


@dataclass(slots=True)
class Verification:
    """The result of a recount. `leftovers` are half-written files of a run that was killed; the next run removes
    them, and they are no difference."""

    hashes: bool
    by_status: Counter[str] = field(default_factory=Counter)
    files: int = 0
    differences: list[Difference] = field(default_factory=list)
    leftovers: int = 0
    fixed: int = 0

    @property
    def clean(self) -> bool:
        return len(self.differences) == self.fixed

    def as_json(self) -> dict[str, Any]:
        return {
            "clean": self.clean,
            "papers": sum(self.by_status.values()),
            "by_status": dict(self.by_status),
            "files": self.files,
            "hashes": self.hashes,
            "leftovers": self.leftovers,
            "fixed": self.fixed,
            "differences": [{**asdict(each), "advice": each.advice} for each in self.differences],
        }

    def lines(self) -> list[str]:
        states = ", ".join(f"{self.by_status[each]} {each.value}" for each in Status if self.by_status[each])
        how = "size and hash" if self.hashes else "size"
        lines = [f"verify    {sum(self.by_status.values())} papers ({states}), {self.files} files by {how}"]
        lines += [f"  {each.id}: {each.what}: {each.kind}; {each.advice}" for each in self.differences[:SHOWN]]
        if len(self.differences) > SHOWN:
            lines.append(f"  and {len(self.differences) - SHOWN} more: see `verify --json`")
        if self.leftovers:
            lines.append(f"  {self.leftovers} half-written files of a killed run: the next run removes them")
        if self.fixed:
            lines.append(f"  fixed {self.fixed}: `run` does these papers again")
        left = len(self.differences) - self.fixed
        return [*lines, f"verify    {f'{left} differences' if left else 'clean'}"]


def verify(ledger: Ledger, *, hashes: bool = True, fix: bool = False) -> Verification:
    """Recounts the whole folder; `hashes` reads every file, without it sizes are compared only."""
    found = Verification(hashes)
    papers = str(ledger.folder.papers)
    shard_of = ledger.layout.shard_of
    for shard, rows in ledger.pages_to_recount():
        found.by_status.update(row[1] for row in rows)
        for paper_id, status, changed_at, results in rows:
            if shard_of(paper_id) != shard:
                differences = [Difference(paper_id, "wrong shard", f"its row is in shard {shard}'s file")]
            elif results is None:
                continue
            else:
                differences = list(_differences(paper_id, status, results, papers, found))
                if not differences or not _stands(ledger, paper_id, status, changed_at):
                    continue
            found.differences += differences
            if fix and _fix(ledger, paper_id, differences):
                found.fixed += len(differences)
    found.leftovers = _leftovers(ledger)
    return found


def _differences(paper_id: str, status: str, results: str, papers: str, found: Verification) -> Iterator[Difference]:
    try:
        result = json.loads(results).get("prep")
    except (ValueError, AttributeError):
        result = None
    if result is None:
        yield Difference(paper_id, "no result", status)
        return
    stem = stem_of(papers, parse(paper_id))
    for name in ("text", "record", "pdf") if result["pdf_kept"] else ("text", "record"):
        found.files += 1
        path = stem + ENDINGS[name]
        kind = _compare(path, result[f"{name}_bytes"], result[f"{name}_sha256"] if found.hashes else None)
        if kind is not None:
            yield Difference(paper_id, kind, path)


def _compare(path: str, size_bytes: int, sha256: str | None) -> str | None:
    try:
        if os.stat(path).st_size != size_bytes:  # noqa: PTH116  # millions of them
            return "wrong size"
        if sha256 is not None and fingerprint_of_file(Path(path)).sha256 != sha256:
            return "wrong hash"
    except OSError:
        return "missing"
    return None


def _stands(ledger: Ledger, paper_id: str, status: str, changed_at: float) -> bool:
    """Whether the row is still as it was read: a run may have moved the paper on meanwhile."""
    now = ledger.paper(paper_id)
    return now is not None and (now.status, now.changed_at) == (status, changed_at)


def _fix(ledger: Ledger, paper_id: str, differences: list[Difference]) -> bool:
    """Removes the damaged files, so that nothing takes them for whole, and sends the paper back."""
    row = ledger.paper(paper_id)
    if row is None or any(ADVICE[each.kind] is not _AGAIN for each in differences):
        return False
    for each in differences:
        if each.kind != "no result":
            Path(each.what).unlink(missing_ok=True)
    return ledger.requeue(row)


def _leftovers(ledger: Ledger) -> int:
    run = read_status(ledger.folder.status_file)
    if run is not None and is_alive(run["pid"], run["created_at"]):
        return 0
    return sum(1 for path in (ledger.folder.root / "tmp").rglob("*") if path.is_file())
