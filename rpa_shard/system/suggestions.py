"""What a person may have meant by a word that is none of those allowed.

Guarantee: pure; a suggestion is one of the words, and close enough to be a slip of the pen. Limit: the closest by
letters, not by meaning.
"""

from __future__ import annotations

from collections.abc import Iterable

LEAST_LIKENESS = 0.6


def closest(word: str, words: Iterable[str]) -> str | None:
    """The word that is most like the given one, whatever their cases; None if none is like it."""
    from difflib import get_close_matches  # takes a while to load, and is rarely needed

    by_folded = {each.casefold(): each for each in words}
    found = get_close_matches(word.casefold(), by_folded, n=1, cutoff=LEAST_LIKENESS)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """The end of a message about a word: `: did you mean X?`, or nothing."""
    meant = closest(word, words)
    return f": did you mean {meant}?" if meant is not None else ""
