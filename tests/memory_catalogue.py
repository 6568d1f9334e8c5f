"""A catalogue in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
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
        return self.find_papers(text, (), after, limit) if text else []

    def find_papers(self, words: str, categories: Sequence[str], after: int, limit: int) -> list[TitleFound]:
        known = ((number, self._metadata[paper_id]) for paper_id, number in self._numbers.items() if number > after)
        found = [
            TitleFound(number, each.paper_id, each.title) for number, each in known if _is(each, words, categories)
        ]
        return found[:limit] if words or categories else []

    def matching(self, paper_ids: Collection[str], words: str, categories: Sequence[str]) -> set[str]:
        known = {each: self._metadata.get(each) or self._metadata.get(without_version(each)) for each in paper_ids}
        return {paper_id for paper_id, each in known.items() if each is not None and _is(each, words, categories)}

    def has_category(self, name: str) -> bool:
        return any(_is_in(each, [name.lower()], str.lower) for each in self._metadata.values())

    def whereabouts(self, paper_id: str) -> Whereabouts:
        tar_url = None
        if paper_id in self.members:
            archive, member = self.members[paper_id]
            tar_url = f"tar://{quote(str(archive))}#offset={member.offset_bytes}&size={member.size_bytes}"
        known = self._metadata.get(paper_id)
        return Whereabouts(tar_url, str(known.version) if known is not None else None)

    def has_members(self) -> bool:
        return bool(self.members)


def _is(paper: PaperMetadata, words: str, categories: Sequence[str]) -> bool:
    return (not words or _has(paper.title, words)) and (not categories or _is_in(paper, categories))


def _has(title: str, text: str) -> bool:
    *words, last = _words(text) or [""]
    has = _words(title)
    ends = any(each == last or (len(last) > 1 and each.startswith(last)) for each in has)
    return bool(last) and ends and set(words) <= set(has)


def _is_in(paper: PaperMetadata, wanted: Sequence[str], form: Callable[[str], str] = str) -> bool:
    has = form(paper.categories).split()
    return any(each == name or each.startswith(f"{name}.") for each in has for name in wanted)


def _words(text: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[^\W_]+", text)]
