"""What one host has given instead of PDFs since its last one, and what follows from it.

Guarantee: pure. A host is closed once the same page came for several papers in a row, or no PDF for many; once that has
gone on over `PAUSES` closings, it refuses us. A page that says that the PDF is being made counts only for the many, and
a paper's second such page in a row as any page; so do errors of the server, and neither makes a host refuse us. Limit:
a paper that got a page before the host's last PDF tells nothing of the host, and is not counted; nor is one of many
that were asked for at a time, because pages come faster than PDFs.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import Enum, auto

from rpa_shard.ipc.messages import Instead

SAME_PAGES = 5
# The same, once the host was closed and has given no PDF since.
SAME_PAGES_AGAIN = 2
WITHOUT_PDF = 20
# How often a host is closed like one that asked us to slow down, before it counts as one that refuses us.
PAUSES = 2
MAX_REMEMBERED = 10_000


class Measure(Enum):
    """What follows from an answer without a PDF.

    `REST`: leave the host alone for a while. `CLOSE`: as if it had asked us to slow down. `REFUSED`: as if it had
    refused us.
    """

    NONE = auto()
    REST = auto()
    CLOSE = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class Given:
    """What came instead of the PDF of a paper; see `rpa_shard.ipc.messages.NoPdf`."""

    paper: str
    page: str
    instead: Instead
    says: str
    on_trial: bool = True


class InARow:
    """The answers of one host since its last PDF."""

    def __init__(self) -> None:
        self.answers = 0
        # Whether it gave anything else since its last PDF.
        self.is_doubted = False
        self._closings = 0
        self._papers_by_page: defaultdict[str, set[str]] = defaultdict(set)
        self._papers: set[str] = set()
        self._promised: set[str] = set()
        self._aside: set[str] = set()
        self._earlier: dict[str, None] = {}

    def pdf(self) -> None:
        """The host gave a PDF: what other papers got was their own."""
        for paper in {*self._aside, *self._papers, *self._promised, *self._papers_of_pages()}:
            self._earlier[paper] = None
        while len(self._earlier) > MAX_REMEMBERED:
            del self._earlier[next(iter(self._earlier))]
        self._forget_papers()
        self._promised.clear()
        self._aside.clear()
        self.answers = self._closings = 0
        self.is_doubted = False

    def add(self, given: Given) -> Measure:
        """An answer of a host that is open."""
        if given.paper in self._earlier:
            return Measure.NONE
        self.is_doubted = True
        if not given.on_trial:
            self._set_aside({given.paper})
            return Measure.NONE
        self.answers += 1
        self._papers.add(given.paper)
        if self._counts_as_page(given):
            papers = self._papers_by_page[given.page]
            papers.add(given.paper)
            same_pages = SAME_PAGES_AGAIN if self._closings else SAME_PAGES
            if len(papers) >= same_pages or len(self._papers_of_pages()) >= WITHOUT_PDF:
                return self._close()
        if len(self._papers) >= WITHOUT_PDF:
            self._set_aside(self._papers)
            self._papers.clear()
            return Measure.REST
        return Measure.NONE

    def probed(self, given: Given) -> Measure:
        """An answer of a host that is closed, to the request that was to show whether it can be opened."""
        if given.paper in self._earlier:
            return Measure.NONE
        self.answers += 1
        self._set_aside({given.paper})
        return self._close() if self._counts_as_page(given) else Measure.NONE

    def _counts_as_page(self, given: Given) -> bool:
        if given.instead == "promise" and given.paper not in self._promised:
            if len(self._promised) < MAX_REMEMBERED:
                self._promised.add(given.paper)
            return False
        return given.instead != "error"

    def _close(self) -> Measure:
        self._set_aside(self._papers | self._papers_of_pages())
        self._forget_papers()
        self._closings += 1
        return Measure.CLOSE if self._closings <= PAUSES else Measure.REFUSED

    def _papers_of_pages(self) -> set[str]:
        return set().union(*self._papers_by_page.values())

    def _set_aside(self, papers: set[str]) -> None:
        """These count no more, but what they got was their own if a PDF comes."""
        if len(self._aside) < MAX_REMEMBERED:
            self._aside |= papers

    def _forget_papers(self) -> None:
        self._papers_by_page.clear()
        self._papers.clear()
