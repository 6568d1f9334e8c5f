"""How far a document's text can be trusted: figures, and the flags derived from them.

Guarantee: pure; flags follow from the figures alone, no text is dropped. Limit: the language test knows only English;
what `rpa_shard.reading.quality.noise` takes for words is not garbled.

Two rules adapt published ones: olmOCR's filter for scans (few characters per page), Gopher's stop words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rpa_shard.reading.document import Page
from rpa_shard.reading.quality.noise import damaged_characters, is_noise

# Below this a page has no usable text layer: a scan often has a stamp or a running head as text.
SCANNED_PAGE_CHARACTERS = 50
# A paper is of use though a figure or a form in it is noise.
MAX_GARBLED_SHARE = 0.25
# Shorter pages are judged together.
MIN_PAGE_CHARACTERS = 300
MIN_STOP_WORD_SHARE = 0.08
# Letters and words are measured on about this many characters, from the pages' beginnings.
SAMPLE_CHARACTERS = 6_000
SAMPLED_PAGES = 60
# With less than this a share is not measured.
MIN_WORDS = 100
MIN_CHARACTERS = 500
_WORD = re.compile(r"[^\W\d_]+")
_STOP_WORDS = frozenset(
    "the of and to in a is that for we with as by on this are be an it from which at or not".split()
)


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of one document's text; shares are between 0 and 1, None if there is too little text to measure.

    Pages are counted from 1.
    """

    characters_a_page: float
    scanned_share: float
    damaged_share: float | None
    letters_share: float | None
    mean_word_length: float | None
    stop_word_share: float | None
    failed_pages: int
    garbled_share: float | None = None
    garbled_pages: tuple[int, ...] = ()
    text_missing_pages: tuple[int, ...] = ()

    @property
    def needs_ocr(self) -> bool:
        """Most pages have no usable text layer."""
        return self.scanned_share > 0.5

    @property
    def garbled(self) -> bool:
        """Too many of the pages that have text are noise."""
        return (self.garbled_share or 0.0) > MAX_GARBLED_SHARE

    @property
    def non_english(self) -> bool:
        """Readable words, but hardly any of the most frequent English ones."""
        return self.stop_word_share is not None and self.stop_word_share < MIN_STOP_WORD_SHARE and not self.garbled

    @property
    def rank(self) -> tuple[float, int, int, float]:
        """Greater is better: decides between two engines' texts. Length does not count, only how many pages are text.

        So nothing at all is not better than noise, and some good pages are better than noise on all of them.
        """
        readable = (1.0 - self.scanned_share) * (1.0 - (self.garbled_share or 0.0))
        lost = -self.failed_pages, -len(self.text_missing_pages)
        return round(readable, 3), *lost, -(self.damaged_share or 0.0)


def measure(pages: Sequence[Page]) -> Quality:
    """The figures of a document's pages."""
    lengths = [len(page.text.strip()) for page in pages]
    scanned = sum(length < SCANNED_PAGE_CHARACTERS for length in lengths)
    characters = sum(lengths)
    sample = _sample(pages)
    dense = sum(map(len, sample.split()))
    words = _WORD.findall(sample)
    letters = sum(map(len, words))
    enough = dense >= MIN_CHARACTERS
    damaged = [damaged_characters(page.text) for page in pages]
    garbled = _garbled(pages, lengths, damaged)
    return Quality(
        characters_a_page=round(float(median(lengths)) if lengths else 0.0, 1),
        scanned_share=round(scanned / max(len(pages), 1), 4),
        damaged_share=round(sum(damaged) / max(characters, 1), 5) if enough else None,
        letters_share=round(letters / dense, 4) if enough else None,
        mean_word_length=round(letters / max(len(words), 1), 2) if enough else None,
        stop_word_share=_stop_words(words, letters),
        failed_pages=sum(page.failed for page in pages),
        garbled_share=round(len(garbled) / (len(pages) - scanned), 4) if scanned < len(pages) else None,
        garbled_pages=garbled,
        text_missing_pages=tuple(number for number, page in enumerate(pages, 1) if page.text_missing),
    )


def _garbled(pages: Sequence[Page], lengths: Sequence[int], damaged: Sequence[int]) -> tuple[int, ...]:
    """The pages, counted from 1, whose text is noise."""
    measured = zip(pages, lengths, damaged, strict=True)
    found = [
        number
        for number, (page, length, bad) in enumerate(measured, 1)
        if length >= MIN_PAGE_CHARACTERS and is_noise(page.text, bad)
    ]
    short = [index for index, length in enumerate(lengths) if SCANNED_PAGE_CHARACTERS <= length < MIN_PAGE_CHARACTERS]
    if short and is_noise("\n".join(pages[index].text for index in short), sum(damaged[index] for index in short)):
        found += [index + 1 for index in short]
    return tuple(sorted(found))


def _sample(pages: Sequence[Page]) -> str:
    """The same amount of text from each page, from its beginning."""
    share = max(SAMPLE_CHARACTERS // max(len(pages), 1), 200)
    return " ".join(page.text[:share] for page in pages[:SAMPLED_PAGES])


def _stop_words(words: Sequence[str], letters: int) -> float | None:
    if len(words) < MIN_WORDS and letters < MIN_CHARACTERS:  # Chinese has long words
        return None
    return round(sum(map(_STOP_WORDS.__contains__, map(str.lower, words))) / len(words), 4)
