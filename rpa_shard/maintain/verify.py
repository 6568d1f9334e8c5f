"""The recount: compares what the store says of every paper with the files.

Guarantee: every reported difference was checked twice, so a run in progress causes no false alarm; nothing is changed
without `fix`, and `fix` only sends papers back to be done again. Limit: files that no row names are not looked for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rpa_shard.ipc.run_status import read_status
from rpa_shard.maintain.recorded_files import (
    MISSING,
    NOT_ALLOWED,
    WRONG_HASH,
    WRONG_SIZE,
    RecordedFiles,
    recorded_files,
)
from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.model.phase import PHASES, Phase, Status, completed_phases
from rpa_shard.phases.finished import ExpectedFile, expected_files
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.protocol import Ledger
from rpa_shard.store.rows import PaperRow, RowToVerify

SHOWN = 100
NO_RESULT, WRONG_SHARD = "no result", "wrong shard"
_AGAIN = "`verify --fix` sends the paper back to be done again"
ADVICE: Mapping[str, str] = {
    MISSING: _AGAIN,
    WRONG_SIZE: _AGAIN,
    WRONG_HASH: _AGAIN,
    NO_RESULT: _AGAIN,
    NOT_ALLOWED: "nothing says that it is damaged: verify as its owner",
    WRONG_SHARD: "a shard file was copied or put back by hand: remove it, or add its papers again",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference from what the store says, and what to do about it. `phase` has to be done again, if any."""

    id: str
    kind: str
    what: str
    phase: Phase | None = None

    @property
    def advice(self) -> str:
        return ADVICE[self.kind]


@dataclass(slots=True)
class Verification:
    """The result of a recount.

    `leftovers` are half-written files of a run that was killed; the next run removes them, and they do not count as a
    difference.
    """

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
            "differences": [
                {"id": each.id, "kind": each.kind, "what": each.what, "advice": each.advice}
                for each in self.differences
            ],
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


def verify(folder: DataFolder, ledger: Ledger, *, hashes: bool = True, fix: bool = False) -> Verification:
    """Recounts the complete folder; `hashes` reads every file, otherwise only sizes are compared."""
    found = Verification(hashes)
    _recount(folder, ledger, found, ledger.pages_to_verify(), fix=fix)
    found.leftovers = _leftovers(folder)
    return found


def verify_some(
    folder: DataFolder, ledger: Ledger, rows: Iterable[PaperRow], *, hashes: bool = True, fix: bool = False
) -> Verification:
    """Recounts these papers only."""
    found = Verification(hashes)
    pages = (
        (row.shard, [RowToVerify(row.paper_id, row.status, row.failed_phase, row.changed_at, json.dumps(row.results))])
        for row in rows
    )
    _recount(folder, ledger, found, pages, fix=fix)
    return found


def _recount(
    folder: DataFolder,
    ledger: Ledger,
    found: Verification,
    pages: Iterable[tuple[int, list[RowToVerify]]],
    *,
    fix: bool,
) -> None:
    with recorded_files(folder, hashes=found.hashes) as files:
        recount = _Recount(str(folder.papers), ledger, found, files)
        for shard, rows in pages:
            found.by_status.update(row.status for row in rows)
            files.prepare([each for row in rows for each in recount.expected(row)])
            for row in rows:
                differences = recount.differences(shard, row)
                found.differences += differences
                if differences and fix and recount.fix(row, differences):
                    found.fixed += len(differences)


@dataclass(frozen=True, slots=True)
class _Recount:
    """One recount: the folder of the papers' files, the rows, and where files are counted."""

    papers: str
    ledger: Ledger
    found: Verification
    files: RecordedFiles

    def expected(self, row: RowToVerify) -> Iterator[ExpectedFile]:
        """The files that a row names."""
        results, paper = _results(row), from_canonical(row.paper_id)
        for phase in completed_phases(row.status, row.failed_phase):
            if (result := results.get(phase.name)) is not None:
                yield from expected_files(self.papers, paper, phase, result)

    def differences(self, shard: int, row: RowToVerify) -> list[Difference]:
        """Differences from what a row says, each checked twice."""
        if self.ledger.layout.shard_of(row.paper_id) != shard:
            return [Difference(row.paper_id, WRONG_SHARD, f"its row is in shard {shard}'s file")]
        phases = completed_phases(row.status, row.failed_phase)
        if not phases:
            return []
        differences = list(self._of_results(row, phases))
        return differences if differences and self._stands(row) else []

    def fix(self, verified: RowToVerify, differences: Sequence[Difference]) -> bool:
        """Removes the damaged files, so that they are not taken for good ones, and sends the paper back."""
        row = self.ledger.paper(verified.paper_id)
        phases = [each.phase for each in differences if each.phase is not None]
        if row is None or len(phases) < len(differences):
            return False
        damaged = {each.what for each in differences if each.kind != NO_RESULT}
        for file in self.expected(verified):
            if file.path in damaged:
                self.files.remove(file)
        return self.ledger.requeue(row, min(phases, key=PHASES.index), "its files were damaged")

    def _of_results(self, row: RowToVerify, phases: Sequence[Phase]) -> Iterator[Difference]:
        results = _results(row)
        paper = from_canonical(row.paper_id)
        for phase in phases:
            result = results.get(phase.name)
            if result is None:
                yield Difference(row.paper_id, NO_RESULT, row.status, phase)
                continue
            for expected in expected_files(self.papers, paper, phase, result):
                self.found.files += 1
                kind = self.files.compare(expected)
                if kind is not None:
                    yield Difference(row.paper_id, kind, expected.path, None if kind == NOT_ALLOWED else phase)

    def _stands(self, row: RowToVerify) -> bool:
        """Whether the row is unchanged since it was read: a run may have moved the paper on meanwhile."""
        now = self.ledger.paper(row.paper_id)
        return now is not None and (now.status, now.changed_at) == (row.status, row.changed_at)


def _results(row: RowToVerify) -> Mapping[str, Any]:
    try:
        results = json.loads(row.results or "{}")
    except ValueError:
        return {}
    return results if isinstance(results, dict) else {}


def _leftovers(folder: DataFolder) -> int:
    run = read_status(folder.run.status_file)
    return 0 if run is not None and run.is_alive else len(folder.half_written_files())
