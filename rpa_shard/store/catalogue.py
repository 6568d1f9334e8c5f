"""The catalogue: what is known of papers besides their state.

Guarantee of every implementation: it holds two kinds of facts: where in an archive a paper's PDF lies, and what the
metadata snapshot says of it; a newer fact replaces an older one. Limit: nothing here is needed to finish a run; without
a catalogue papers come from the sources, and records have no metadata.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rpa_shard.model.errors import StoreError


@dataclass(frozen=True, slots=True)
class Member:
    """A paper's PDF inside a tar file."""

    paper_id: str
    offset_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PaperMetadata:
    """What the snapshot says of a paper. `categories` are separated by spaces; `version` is the latest, from 1."""

    paper_id: str
    title: str
    authors: str
    abstract: str
    categories: str
    doi: str | None
    version: int


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What the catalogue knows that helps to fetch a paper: the URL of its place in an archive, its latest version."""

    tar_url: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class TitleFound:
    """A paper whose title has the words that were looked for. `number` is its place among all titles."""

    number: int
    paper_id: str
    title: str


class NoTitleIndexError(StoreError):
    """Titles cannot be searched; the message is one line that says what to do."""


class Catalogue(Protocol):
    """An open catalogue."""

    def add_members(self, archive: Path, members: Iterable[Member]) -> None:
        """Notes where papers lie in `archive`, an absolute path."""

    def add_metadata(self, rows: Iterable[PaperMetadata]) -> None:
        """Notes what the snapshot says."""

    def metadata(self, paper_id: str) -> dict[str, Any] | None:
        """Title, authors, abstract, categories (a list) and DOI of a paper, whichever version its id names."""

    def title(self, paper_id: str) -> str | None:
        """The title alone of a paper, whichever version its id names."""

    def find_titles(self, text: str, after: int, limit: int) -> list[TitleFound]:
        """Papers whose titles have all words of `text`; the last may be the beginning of one. By number, from `after`.

        Whatever `text` holds is taken as words; none is found if it has none. Raises NoTitleIndexError.
        """

    def whereabouts(self, paper_id: str) -> Whereabouts:
        """What helps to fetch a paper."""

    def has_members(self) -> bool:
        """Whether any paper lies in a known archive."""


class CatalogueReader(Protocol):
    """The catalogue as used by the threads of a shard; it may be created in the middle of a run."""

    def whereabouts(self, paper_id: str) -> Whereabouts:
        """As `Catalogue.whereabouts`, but empty if there is no catalogue. Blocks; for disk threads."""

    def close(self) -> None:
        """Closes the connections."""
