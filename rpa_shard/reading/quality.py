"""How far a document's text can be trusted: figures, and the flags derived from them.

Guarantee: pure; flags follow from the figures alone, no text is dropped. Limit: the language test knows only English.

The rules adapt published ones: olmOCR's filter for scans (few characters per page) and for letters (half of the text),
Gopher's word lengths (3 to 10 on average) and stop words, FinePDFs' damaged characters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rpa_shard.reading.document import Page

# Below this a page has no usable text layer: a scan often has a stamp or a running head as text.
SCANNED_PAGE_CHARACTERS = 50
MAX_DAMAGED_SHARE = 0.01
MIN_LETTERS_SHARE = 0.5
MIN_MEAN_WORD_LENGTH, MAX_MEAN_WORD_LENGTH = 2.5, 14.0
MIN_STOP_WORD_SHARE = 0.08
# Letters and words are measured on about this many characters, from the pages' beginnings.
SAMPLE_CHARACTERS = 6_000
SAMPLED_PAGES = 60
# With less than this a share is not measured.
MIN_WORDS = 100
MIN_CHARACTERS = 500
_DAMAGED = re.compile("[\ufffd\ue000-\uf8ff\U000f0000-\U0010fffd\x80-\x9f]")
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
    garbled_pages: tuple[int, ...] = ()
    text_missing_pages: tuple[int, ...] = ()

    @property
    def needs_ocr(self) -> bool:
        """Most pages have no usable text layer."""
        return self.scanned_share > 0.5

    @property
    def garbled(self) -> bool:
        """Damaged characters, or characters that do not form words."""
        if self.letters_share is None or self.damaged_share is None or self.mean_word_length is None:
            return False
        return (
            self.damaged_share > MAX_DAMAGED_SHARE
            or self.letters_share < MIN_LETTERS_SHARE
            or not MIN_MEAN_WORD_LENGTH <= self.mean_word_length <= MAX_MEAN_WORD_LENGTH
        )

    @property
    def non_english(self) -> bool:
        """Readable words, but hardly any of the most frequent English ones."""
        return self.stop_word_share is not None and self.stop_word_share < MIN_STOP_WORD_SHARE and not self.garbled

    @property
    def rank(self) -> tuple[bool, bool, int, float]:
        """Greater is better: decides between two engines' texts. Length does not count."""
        return not self.garbled, not self.needs_ocr, -self.failed_pages, -(self.damaged_share or 0.0)


def measure(pages: Sequence[Page]) -> Quality:
    """The figures of a document's pages."""
    lengths = [len(page.text.strip()) for page in pages]
    scanned = sum(length < SCANNED_PAGE_CHARACTERS for length in lengths)
    characters = sum(lengths)
    sample = _sample(pages)
    dense = "".join(sample.split())
    words = _WORD.findall(sample)
    enough = len(dense) >= MIN_CHARACTERS
    return Quality(
        characters_a_page=round(float(median(lengths)) if lengths else 0.0, 1),
        scanned_share=round(scanned / max(len(pages), 1), 4),
        damaged_share=round(sum(map(_damaged, pages)) / max(characters, 1), 5) if enough else None,
        letters_share=round(sum(map(len, words)) / len(dense), 4) if enough else None,
        mean_word_length=round(sum(map(len, words)) / max(len(words), 1), 2) if enough else None,
        stop_word_share=_stop_words(words),
        failed_pages=sum(page.failed for page in pages),
        text_missing_pages=tuple(number for number, page in enumerate(pages, 1) if page.text_missing),
    )


def _damaged(page: Page) -> int:
    return 0 if page.text.isascii() else len(_DAMAGED.findall(page.text))


def _sample(pages: Sequence[Page]) -> str:
    """The same amount of text from each page, from its beginning."""
    share = max(SAMPLE_CHARACTERS // max(len(pages), 1), 200)
    return " ".join(page.text[:share] for page in pages[:SAMPLED_PAGES])


def _stop_words(words: Sequence[str]) -> float | None:
    if len(words) < MIN_WORDS:
        return None
    return round(sum(word.lower() in _STOP_WORDS for word in words) / len(words), 4)
