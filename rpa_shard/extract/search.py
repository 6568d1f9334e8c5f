"""Which engine's result a paper gets: one engine after another is tried until a result is good enough.

Guarantee: an engine that is tried later never costs a paper what an earlier one read, whatever it does; a later result
is taken only if its quality is better. Limit: `read` does the reading, and is responsible for engines that hang or die.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from rpa_shard.extract.engines import names_for
from rpa_shard.extract.result import Extraction
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.reading.document import Page
from rpa_shard.reading.quality.figures import SCANNED_PAGE_CHARACTERS, Quality, measure
from rpa_shard.system.content import Content
from rpa_shard.system.errors import cause_and_place, is_systems_fault

log = logging.getLogger(__name__)

# Reads a document, or its first pages, with the engine of that name. Raises PaperError.
Read = Callable[[str, Content, int | None], Extraction]

# The second engine is also tried if the first failed or missed letters on more than this share of the pages.
MAX_FAILED_PAGES_SHARE = 0.1
# The slow second one first reads up to a page that shows whether it does better: the worst of so many. If letters are
# missing and these have all theirs, it is not asked.
TRIAL_PAGES = 3
# The trial page must keep so many of the commonest words.
KEPT_STOP_WORDS = 0.9
_FALLBACK = "fallback_engine"
# These say nothing about the paper: it is tried again, as often as it takes.
_NOT_ITS_FAULT = frozenset({Failure.INTERRUPTED, Failure.DISK_FULL})


@dataclass(frozen=True, slots=True)
class Search:
    """How far it is: the next engine's place in `names`, the best result so far, what the engines refused with."""

    content: Content
    names: tuple[str, ...]
    next: int = 0
    best: Extraction | None = None
    refusals: tuple[PaperError, ...] = ()

    @property
    def is_over(self) -> bool:
        return self.next >= len(self.names)

    @property
    def name(self) -> str:
        """The next engine."""
        return self.names[self.next]

    def result(self) -> Extraction:
        """The best result. Raises PaperError if there is none."""
        if self.best is not None:
            return self.best
        worst = next((each for each in self.refusals if each.failure is not Failure.BAD_PDF), self.refusals[0])
        raise PaperError(worst.failure, "; ".join(each.detail for each in self.refusals))


def search_of(content: Content, choice: str) -> Search:
    """A search that has not begun; `choice` names the engines."""
    return Search(content, names_for(choice))


def try_next(search: Search, read: Read, *, outlives_deaths: bool = False) -> Search:
    """Tries the next engine. Raises what ends the paper's attempt.

    `outlives_deaths`: the death of an engine, or its deadline, is a refusal like any other.
    """
    after = replace(search, next=search.next + 1)
    try:
        found = _better(search, read)
    except PaperError as error:
        is_refusal = error.failure is Failure.BAD_PDF or (outlives_deaths and error.failure is not Failure.BUG)
        if error.failure in _NOT_ITS_FAULT or (search.best is None and not is_refusal):
            raise
        _note(search, error.detail)
        return replace(after, refusals=(*search.refusals, error))
    except Exception as error:
        if search.best is None or is_systems_fault(error):
            raise
        log.exception("bug in what was made of the text of %s", search.name)
        _note(search, cause_and_place(error))
        return after
    if found is None:
        return after
    is_enough = not _is_worth_another(found)
    if search.next:
        found = replace(found, flags=tuple(sorted({*found.flags, _FALLBACK})))
    if search.best is not None and found.quality.rank <= search.best.quality.rank:
        found = search.best
    return replace(after, best=found, next=len(search.names) if is_enough else after.next)


def _better(search: Search, read: Read) -> Extraction | None:
    """What the next engine reads; None if a trial shows that it is no better than what there is."""
    if search.best is not None and not _may_do_better(search, search.best, read):
        return None
    return read(search.name, search.content, None)


def is_bad(quality: Quality, pages: int) -> bool:
    """Whether another engine should have a look at a document of so many pages."""
    lost_pages = max(quality.failed_pages, len(quality.text_missing_pages))
    return quality.garbled or lost_pages > MAX_FAILED_PAGES_SHARE * pages


def _is_worth_another(found: Extraction) -> bool:
    """Whether a result is bad, and another engine may do better."""
    loses_pages = found.quality.failed_pages > MAX_FAILED_PAGES_SHARE * found.pages
    return is_bad(found.quality, found.pages) and (loses_pages or bool(_pages_to_better(found)))


def _pages_to_better(found: Extraction) -> list[int]:
    """The pages, counted from 1, that are garbled or miss letters, and may be read better by another engine.

    If the document is not garbled, only missing letters count.
    """
    quality = found.quality
    bad = {*quality.text_missing_pages, *(quality.garbled_pages if quality.garbled else ())}
    return sorted(bad.difference(found.untold_pages))


def _may_do_better(search: Search, best: Extraction, read: Read) -> bool:
    """Whether to read all of a document with the next engine, after another one read it badly.

    Yes if it does better on one of the first bad pages, or if the bad pages are lost ones.
    """
    pages = _pages_to_better(best)
    if not pages:
        return True
    first = max(TRIAL_PAGES, pages[0]) if best.quality.garbled else TRIAL_PAGES
    few = [page for page in pages if page <= first]
    if not few:
        return False
    worst = min(few, key=lambda page: measure([Page(_text(best, page))]).rank)
    trial = read(search.name, search.content, worst)
    before, after = _text(best, worst), _text(trial, worst)
    if worst in best.quality.garbled_pages:
        return len(after.strip()) >= SCANNED_PAGE_CHARACTERS and worst not in trial.quality.garbled_pages
    return bool(after.strip()) and worst not in trial.quality.text_missing_pages and not _loses_words(before, after)


def _loses_words(before: str, after: str) -> bool:
    """Whether a page has fewer of the commonest words: pypdf may part the others."""
    had, has = (measure([Page(text)]).stop_word_share or 0.0 for text in (before, after))
    return has < KEPT_STOP_WORDS * had


def _text(found: Extraction, page: int) -> str:
    """The text of a page; engines may count the pages of a damaged file differently."""
    start, end = found.page_offsets[page - 1] if page <= found.pages else (0, 0)
    return found.text[start:end]


def _note(search: Search, why: str) -> None:
    if search.best is not None:
        log.warning("%s: kept what %s read: %s", search.content.name, search.best.engine, why)
