"""What a person may have meant by a word that is none of those allowed.

Guarantee: pure; a suggestion is one of the words, and close enough to be a slip of the pen. Limit: the closest by
letters, not by meaning.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

LEAST_LIKENESS = 0.6


def closest(word: str, words: Iterable[str]) -> str | None:
    """The word that is most like the given one, whatever their cases; None if none is like it.

    Of several, the one that begins like it, then the first.
    """
    from difflib import SequenceMatcher  # takes a while to load, and is rarely needed

    matcher = SequenceMatcher(b=word.casefold())
    best, found = (LEAST_LIKENESS, 0), None
    for each in words:
        matcher.set_seq1(each.casefold())
        likeness = (matcher.ratio(), _same_at_the_beginning(each.casefold(), word.casefold()))
        if likeness > best or (found is None and likeness >= best):
            best, found = likeness, each
    return found


def _same_at_the_beginning(one: str, other: str) -> int:
    """How many letters two words have in common before the first that differs."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """The end of a message about a word: `: did you mean X?`, or nothing."""
    meant = closest(word, words)
    return f": did you mean {meant}?" if meant not in (None, word) else ""
