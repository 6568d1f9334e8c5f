"""Which letters a font could not tell, so that the text lacks them.

Guarantee: pure; a few signs of mathematics on a page are not many letters. Limit: wrong letters that look like right
ones are not noticed.
"""

from __future__ import annotations

import re

# A page lacks text if at least this many of its letters, and this share of them, have no character.
MIN_MISSING, MIN_MISSING_SHARE = 10, 0.1
# A font's own numbers are taken for characters if fewer of them than this are no Latin letters, digits or marks.
MIN_ODD, MIN_ODD_SHARE = 3, 0.08
# So many letters of every page are looked at; and so many, if two of those have no character.
FIRST_SAMPLE, SECOND_SAMPLE = 20, 400
# The names of letters that pypdf writes where it knows no character, and characters that no text contains.
_UNKNOWN = re.compile("/[A-Za-z]{1,5}\\d{1,5}(?=/|\\s|$)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd]")


def is_much(missing: int, letters: int) -> bool:
    """Whether so many missing letters, among those that were looked at, are worth a flag."""
    return missing >= max(MIN_MISSING, MIN_MISSING_SHARE * letters)


def is_odd(character: int) -> bool:
    """Whether a code point is neither a printable character of the Latin alphabets nor a blank."""
    return not (0x20 <= character < 0x7F or 0xC0 <= character < 0x180 or character in (0x09, 0x0A, 0x0D))


def lacks_letters(text: str) -> bool:
    """Whether much of a text, before it was made valid, is no characters but numbers and names of letters."""
    unknown = _UNKNOWN.findall(text)
    length = len("".join(text.split())) - sum(len(each) - 1 for each in unknown)
    return len(unknown) >= MIN_ODD and len(unknown) >= MIN_ODD_SHARE * length
