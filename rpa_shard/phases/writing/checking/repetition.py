"""Whether a text repeats what its writer was told, or itself.

Guarantee: pure; the time grows with the text. Limit: looks at words in a row; a text that says the same in other words
passes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

# So many words in a row are no coincidence. An echo is a long run of the prompt's words, or a good part of the text.
ROW_WORDS, ECHO_WORDS, ECHO_SHARE = 10, 25, 0.3
# A text loops if so much of it was there before, in rows of so many words.
LOOP_ROW_WORDS, LOOP_SHARE, MIN_LOOP_ROWS = 8, 0.4, 24
# So many texts of an answer that are the same, and more than half of them, are a loop, too.
MIN_SAME_TEXTS = 4
# A piece that is written again and again, without a break.
MAX_STUTTERED_CHARACTERS = 40
_STUTTER = re.compile(r"(.{1,40}?)\1{19,}", re.DOTALL)
MIN_STUTTER_CHARACTERS = 120
_WORD = re.compile(r"\w+")

Row = tuple[str, ...]


class Told:
    """What a writer was told: texts, of which long rows of words must not be repeated, and phrases, not even alone."""

    def __init__(self, texts: Iterable[str], phrases: Iterable[str] = ()) -> None:
        self._rows = {row for text in texts for row in _rows(_words(text), ROW_WORDS)}
        self._phrases = {" ".join(_words(phrase)) for phrase in phrases}

    def echo_in(self, texts: Iterable[str]) -> str | None:
        """The longest part that repeats what was told, if that is too much; else None."""
        repeated = total = 0
        longest: Sequence[str] = ()
        for text in texts:
            words = _words(text)
            if " ".join(words) in self._phrases:
                return text
            total += len(words)
            for run in self._runs(words):
                repeated += len(run)
                longest = max(longest, run, key=len)
        is_echo = len(longest) >= ECHO_WORDS or (longest and repeated >= ECHO_SHARE * total)
        return " ".join(longest) if is_echo else None

    def _runs(self, words: Sequence[str]) -> Iterator[Sequence[str]]:
        """The parts all of whose rows of words were told."""
        begin = -1
        rows = list(_rows(words, ROW_WORDS))
        for index in range(len(rows) + 1):
            is_told = index < len(rows) and rows[index] in self._rows
            if is_told and begin < 0:
                begin = index
            elif not is_told and begin >= 0:
                yield words[begin : index + ROW_WORDS - 1]
                begin = -1


def loop_in(texts: Sequence[str]) -> str | None:
    """What one of the texts repeats again and again, or the text that many of them are; None if there is none."""
    for text in texts:
        stutter = _STUTTER.search(text) if may_stutter(text) else None
        if stutter is not None and len(stutter[0]) >= MIN_STUTTER_CHARACTERS:
            return stutter[0]
        rows = Counter(_rows(_words(text), LOOP_ROW_WORDS))
        total = rows.total()
        if total >= MIN_LOOP_ROWS and total - len(rows) >= LOOP_SHARE * total:
            return " ".join(rows.most_common(1)[0][0])
    same = Counter(texts).most_common(1)
    return same[0][0] if same and same[0][1] >= MIN_SAME_TEXTS and 2 * same[0][1] > len(texts) else None


def may_stutter(text: str) -> bool:
    """Whether `_STUTTER` may find enough in a text: it takes milliseconds to look, and this next to nothing.

    Of what is repeated at most 40 characters later, for 120 characters, 40 characters from some multiple of 40 on are
    there twice.
    """
    size = MAX_STUTTERED_CHARACTERS
    places = range(0, len(text), size)
    return any(text.find(text[place : place + size], place + 1, place + 2 * size) >= 0 for place in places)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _rows(words: Sequence[str], length: int) -> Iterator[Row]:
    return (tuple(words[index : index + length]) for index in range(len(words) - length + 1))
