"""A catalogue in memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rpa_shard.model.arxiv_id import without_version
from rpa_shard.store.catalogue import Member, PaperMetadata, Whereabouts


class MemoryCatalogue:
    """What is known of papers besides their state; implements `Catalogue`."""

    def __init__(self) -> None:
        self.members: dict[str, tuple[Path, Member]] = {}
        self._metadata: dict[str, PaperMetadata] = {}

    def add_members(self, archive: Path, members: Iterable[Member]) -> None:
        self.members |= {member.paper_id: (archive, member) for member in members}

    def add_metadata(self, rows: Iterable[PaperMetadata]) -> None:
        self._metadata |= {row.paper_id: row for row in rows}

    def metadata(self, paper_id: str) -> dict[str, Any] | None:
        known = self._metadata.get(paper_id) or self._metadata.get(without_version(paper_id))
        if known is None:
            return None
        return {
            "title": known.title,
            "authors": known.authors,
            "abstract": known.abstract,
            "categories": known.categories.split(),
            "doi": known.doi,
        }

    def whereabouts(self, paper_id: str) -> Whereabouts:
        tar_url = None
        if paper_id in self.members:
            archive, member = self.members[paper_id]
            tar_url = f"tar://{quote(str(archive))}#offset={member.offset_bytes}&size={member.size_bytes}"
        known = self._metadata.get(paper_id)
        return Whereabouts(tar_url, str(known.version) if known is not None else None)

    def has_members(self) -> bool:
        return bool(self.members)
