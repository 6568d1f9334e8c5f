"""Roman numerals, as page numbers and section numbers use them.

Guarantee: pure; every string of the letters I, V, X and L has a value, in either case. Limit: whether it is well-formed
is not checked (`IIV` is 3).
"""

from __future__ import annotations

_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50}


def roman_value(numeral: str) -> int:
    """The value of a numeral: a letter before a greater one counts negatively."""
    values = [_VALUES[letter] for letter in numeral.upper()]
    return sum(-value if value < max(values[at:]) else value for at, value in enumerate(values))
