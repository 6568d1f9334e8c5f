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
from rpa_shard.reading.quality.figures import measure
from rpa_shard.system.content import Content
from rpa_shard.system.errors import cause_and_place, is_systems_fault

log = logging.getLogger(__name__)

# Reads a document, or its first pages, with the engine of that name. Raises PaperError.
Read = Callable[[str, Content, int | None], Extraction]

# The second engine is also tried if the first failed or missed letters on more than this share of the pages.
MAX_FAILED_PAGES_SHARE = 0.1
# If the first engine's text is garbled, the slow second one first reads this many pages to see whether it does better:
# the cause is usually the fonts.
TRIAL_PAGES = 1
# If the first engine misses letters, the second one first reads up to the first such page, if that is among these.
TRIAL_MISSING_PAGES = 3
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
    quality = found.quality
    lost_pages = max(quality.failed_pages, len(quality.text_missing_pages))
    is_enough = not (quality.garbled or lost_pages > MAX_FAILED_PAGES_SHARE * found.pages)
    if search.next:
        found = replace(found, flags=tuple(sorted({*found.flags, _FALLBACK})))
    if search.best is not None and quality.rank <= search.best.quality.rank:
        found = search.best
    return replace(after, best=found, next=len(search.names) if is_enough else after.next)


def _better(search: Search, read: Read) -> Extraction | None:
    """What the next engine reads; None if a trial shows that it is no better than what there is."""
    if search.best is not None and not _may_do_better(search, search.best, read):
        return None
    return read(search.name, search.content, None)


def _may_do_better(search: Search, best: Extraction, read: Read) -> bool:
    """Whether to read all of a document with the next engine, after another one garbled it or missed letters.

    Yes if it does better on the first pages, or if those are too short to decide.
    """
    if best.quality.garbled:
        first = measure([Page(best.text[start:end]) for start, end in best.page_offsets[:TRIAL_PAGES]])
        return not first.garbled or read(search.name, search.content, TRIAL_PAGES).quality.rank > first.rank
    if best.quality.text_missing_pages:
        number = best.quality.text_missing_pages[0]
        if number > TRIAL_MISSING_PAGES:
            return False
        trial = read(search.name, search.content, number)
        start, end = trial.page_offsets[-1]
        return bool(trial.text[start:end].strip()) and number not in trial.quality.text_missing_pages
    return True


def _note(search: Search, why: str) -> None:
    if search.best is not None:
        log.warning("%s: kept what %s read: %s", search.content.name, search.best.engine, why)
