"""The catalogue: what is known of papers besides their state.

Guarantee of every implementation: it holds two kinds of facts: where in an archive a paper's PDF lies, and what the
metadata snapshot says of it; a newer fact replaces an older one. Limit: nothing here is needed to finish a run; without
a catalogue papers come from the sources, and records have no metadata.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rpa_shard.model.categories import CATEGORIES
from rpa_shard.model.errors import StoreError
from rpa_shard.system.suggestions import did_you_mean


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
    """A paper that was looked for. `number` is its place among all papers of the catalogue."""

    number: int
    paper_id: str
    title: str


class NoTitleIndexError(StoreError):
    """Titles cannot be searched; the message is one line that says what to do."""


class NoCatalogueError(StoreError):
    """The conditions need what the metadata snapshot says, and nothing of it is known."""

    def __init__(self) -> None:
        super().__init__("no metadata of papers is known: `add --metadata FILE` takes in arXiv's snapshot")


class UnknownCategoryError(StoreError):
    """No paper of the catalogue is in a category; `name` is what was asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no paper of the metadata snapshot is in {name}{did_you_mean(name, CATEGORIES)}")
        self.name = name


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

    def find_papers(self, words: str, categories: Sequence[str], after: int, limit: int) -> list[TitleFound]:
        """As `find_titles`, of papers in any of the categories (`cs` stands for all of `cs.…`).

        Without categories of all papers, and without words whatever their titles are.
        """

    def matching(self, paper_ids: Collection[str], words: str, categories: Sequence[str]) -> set[str]:
        """Those of the papers, whichever version their ids name, that `find_papers` would find."""

    def has_category(self, name: str) -> bool:
        """Whether any paper is in a category, or in one of an archive. Raises NoTitleIndexError."""

    def whereabouts(self, paper_id: str) -> Whereabouts:
        """What helps to fetch a paper."""

    def has_members(self) -> bool:
        """Whether any paper lies in a known archive."""


def check_categories(catalogue: Catalogue, names: Iterable[str]) -> None:
    """Raises UnknownCategoryError, and NoTitleIndexError."""
    for name in names:
        if not catalogue.has_category(name):
            raise UnknownCategoryError(name)


class CatalogueReader(Protocol):
    """The catalogue as used by the threads of a shard; it may be created in the middle of a run."""

    def whereabouts(self, paper_id: str) -> Whereabouts:
        """As `Catalogue.whereabouts`, but empty if there is no catalogue. Blocks; for disk threads."""

    def metadata(self, paper_id: str) -> dict[str, Any] | None:
        """As `Catalogue.metadata`; None if there is no catalogue. Blocks; for disk threads."""

    def close(self) -> None:
        """Closes the connections."""
