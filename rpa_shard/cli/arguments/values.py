"""Values of arguments: what makes them of a text.

Guarantee: a value is in its range, or the error says in a line what is wrong with the text. Limit: what they mean is up
to the command.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date
from typing import Any

# The largest number that every part of the program, and JSON, can hold.
MOST = 2**53
# For options that add up.
REPEATED: dict[str, Any] = {"action": "append", "default": []}


def day(text: str) -> str:
    """A day, as YYYY-MM-DD. Raises ArgumentTypeError."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day: write YYYY-MM-DD") from None


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """What makes a whole number within bounds of a text. It raises ArgumentTypeError."""

    def number_of(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if not least <= number <= most:
            bound = f"at least {least}" if number < least else f"at most {most}"
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {bound}")
        return number

    return number_of


count = whole_number(1, MOST)


def _amount(unit: str) -> Callable[[str], float]:
    def amount_of(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not 0 <= number < MOST:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of {unit}")
        return number

    return amount_of


minutes = _amount("minutes")
seconds = _amount("seconds")


def factor(text: str) -> float:
    """A number from 0 to 1. Raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return number
