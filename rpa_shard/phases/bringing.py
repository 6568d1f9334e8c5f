"""What a node brings to its folder before an attempt: what earlier phases, and earlier attempts of any node, have left.

Guarantee: of what earlier phases left, the files that the paper's row names; of what earlier attempts left, what would
be taken for finished in a folder. A complete file that is here already is not fetched. Limit: the caller removes what
was brought, once the attempt is over.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from rpa_shard.model.arxiv_id import PaperId
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import PHASES, PREP
from rpa_shard.phases.files import ENDINGS, PaperFiles, files_of, write_durably
from rpa_shard.phases.prep.existing import is_outdated
from rpa_shard.phases.published import all_versions, fetch, fetch_name, stem_in_store
from rpa_shard.store.artifacts import ArtifactStore
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.system.threads import run_to_its_end


@dataclass(frozen=True, slots=True)
class Bringer:
    """Brings files from `store` to the folder of one shard, in the threads of `disk`, as `writer`."""

    store: ArtifactStore
    folder: DataFolder
    writer: str
    disk: Executor
    keep_pdf: bool

    async def bring(self, paper: PaperId, claim: Claim) -> set[Path]:
        """Brings what the attempt needs; returns the files that are there and in the store, too.

        Raises ArtifactStoreError, StoreError, OSError.
        """
        files = files_of(self.folder.papers, paper)
        if claim.phase is PREP:
            return await self._finished(paper, files, claim.outdated_before)
        brought = await self._of_earlier_phases(paper, files, claim)
        return brought | await self._answers(paper, files)

    async def _finished(self, paper: PaperId, files: PaperFiles, outdated_before: float | None) -> set[Path]:
        """What an earlier attempt has finished; of what is outdated, the PDF that was kept."""
        if await run_to_its_end(self.disk, files.record.exists):
            return set()  # what could not be published
        first = await fetch_name(self.store, stem_in_store(paper) + ENDINGS["record"])
        if first is None:
            return set()
        adopted = await self._adopt(paper, files, first, outdated_before)
        if adopted is not None:
            return adopted
        others = [each for each in await all_versions(self.store, paper, "record") if each != first]
        others.sort(key=lambda each: str((_record(each, paper) or {}).get("extracted_at")), reverse=True)
        for content in others:
            adopted = await self._adopt(paper, files, content, outdated_before)
            if adopted is not None:
                return adopted
        return await self._kept_pdf(paper, files, [first, *others])

    async def _adopt(
        self, paper: PaperId, files: PaperFiles, content: bytes, outdated_before: float | None
    ) -> set[Path] | None:
        """Brings what a record belongs to, unless it is outdated, or its text is not there."""
        record = _record(content, paper)
        if record is None or is_outdated(record, outdated_before):
            return None
        wanted = {"text": str(record.get("text_sha256"))}
        wanted |= {"pdf": str(record.get("pdf_sha256"))} if self.keep_pdf else {}
        found = await self._fetch_all(paper, files, wanted)
        if files.text not in found:
            return None
        await self._write(files.record, content)
        return found | {files.record}

    async def _kept_pdf(self, paper: PaperId, files: PaperFiles, records: list[bytes]) -> set[Path]:
        """The PDF that was kept of a paper that is to be made again, and what is known of it."""
        for content in records if self.keep_pdf else []:
            record = _record(content, paper) or {}
            found = await self._fetch_all(paper, files, {"pdf": str(record.get("pdf_sha256"))})
            if found:
                await self._write(files.record, content)
                return found
        return set()

    async def _of_earlier_phases(self, paper: PaperId, files: PaperFiles, claim: Claim) -> set[Path]:
        results = await run_to_its_end(self.disk, self._results, claim.paper_id)
        earlier = [phase.name for phase in PHASES[: PHASES.index(claim.phase)]]
        wanted = {}
        for phase in earlier:
            result = results.get(phase, {})
            for kind in ("text", "record", "analysis"):
                if (phase == PREP.name) is (kind != "analysis") and f"{kind}_sha256" in result:
                    wanted[kind] = result[f"{kind}_sha256"]
        return await self._fetch_all(paper, files, wanted)

    def _results(self, paper_id: str) -> Mapping[str, Any]:
        with open_ledger(self.folder) as ledger:
            row = ledger.paper(paper_id)
        return row.results if row is not None else {}

    async def _answers(self, paper: PaperId, files: PaperFiles) -> set[Path]:
        """All answers that any node has published, and those that are here; two nodes may have had different ones."""
        found = await all_versions(self.store, paper, "answers")
        here = await run_to_its_end(self.disk, _content, files.answers)
        lines = dict.fromkeys(line for each in (here or b"", *found) for line in each.splitlines() if line)
        together = b"".join(line + b"\n" for line in lines)
        if found and together != here:
            await self._write(files.answers, together)
        return {files.answers} if together in found else set()

    async def _fetch_all(self, paper: PaperId, files: PaperFiles, wanted: Mapping[str, str]) -> set[Path]:
        """Brings the files with these hashes; those that are not in the store are left out."""
        found = await asyncio.gather(*(self._fetch(paper, files, kind, digest) for kind, digest in wanted.items()))
        return {path for path in found if path is not None}

    async def _fetch(self, paper: PaperId, files: PaperFiles, kind: str, digest: str) -> Path | None:
        path: Path = getattr(files, kind)
        here = await run_to_its_end(self.disk, _content, path)
        if here is not None and sha256(here).hexdigest() == digest:
            return path
        content = await fetch(self.store, paper, kind, digest)
        if content is None:
            return None
        await self._write(path, content)
        return path

    async def _write(self, path: Path, content: bytes) -> None:
        await run_to_its_end(self.disk, write_durably, content, self.writer, path)


def _record(content: bytes, paper: PaperId) -> Mapping[str, Any] | None:
    try:
        record = json.loads(content)
    except ValueError:
        return None
    return record if isinstance(record, dict) and record.get("id") == paper.canonical else None


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
