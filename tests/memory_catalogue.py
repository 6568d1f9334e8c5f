"""A catalogue in memory."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rpa_shard.model.arxiv_id import without_version
from rpa_shard.store.catalogue import Member, PaperMetadata, TitleFound, Whereabouts


class MemoryCatalogue:
    """What is known of papers besides their state; implements `Catalogue`."""

    def __init__(self) -> None:
        self.members: dict[str, tuple[Path, Member]] = {}
        self._metadata: dict[str, PaperMetadata] = {}
        self._numbers: dict[str, int] = {}

    def add_members(self, archive: Path, members: Iterable[Member]) -> None:
        self.members |= {member.paper_id: (archive, member) for member in members}

    def add_metadata(self, rows: Iterable[PaperMetadata]) -> None:
        for row in rows:
            self._metadata[row.paper_id] = row
            self._numbers.setdefault(row.paper_id, len(self._numbers) + 1)

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

    def title(self, paper_id: str) -> str | None:
        known = self.metadata(paper_id)
        return known["title"] if known is not None else None

    def find_titles(self, text: str, after: int, limit: int) -> list[TitleFound]:
        *words, last = _words(text) or [""]
        found = [
            TitleFound(number, paper_id, title)
            for paper_id, number in self._numbers.items()
            if number > after and last and set(words) <= set(has := _words(title := self._metadata[paper_id].title))
            if any(each == last or (len(last) > 1 and each.startswith(last)) for each in has)
        ]
        return found[:limit]

    def whereabouts(self, paper_id: str) -> Whereabouts:
        tar_url = None
        if paper_id in self.members:
            archive, member = self.members[paper_id]
            tar_url = f"tar://{quote(str(archive))}#offset={member.offset_bytes}&size={member.size_bytes}"
        known = self._metadata.get(paper_id)
        return Whereabouts(tar_url, str(known.version) if known is not None else None)

    def has_members(self) -> bool:
        return bool(self.members)


def _words(text: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[^\W_]+", text)]
