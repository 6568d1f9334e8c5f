"""What workers do, as letters and colours: derived from the names of the stages, whichever phases bring them.

Guarantee: pure; within one set of names each stage has a letter of its own, so no colour is needed to tell them apart;
a stage that waits has a small letter and is dim. Limit: with more names than letters the last ones share `?`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import ascii_lowercase, digits

from rpa_shard.control.accounting.known import NOT_WORKING, SLOT
from rpa_shard.observe.top.text import Line, Span, printable
from rpa_shard.system.activity import IDLE

# No red, which is for trouble.
COLOURS = ("cyan", "green", "magenta", "bright_blue", "yellow", "bright_magenta")
IDLE_LETTER, NO_LETTER_LEFT = "·", "?"


@dataclass(frozen=True, slots=True)
class Look:
    """How a stage is shown."""

    letter: str
    style: str


def looks(names: Iterable[str]) -> dict[str, Look]:
    """How each stage is shown, in the order in which a legend names them: work first, then waits, then the idle."""
    known = set(names)
    colours = {base: COLOURS[at % len(COLOURS)] for at, base in enumerate(sorted({_base(each) for each in known}))}
    found: dict[str, Look] = {}
    taken: set[str] = set()
    for name in sorted(known, key=lambda each: (each == IDLE, _waits(each), each)):
        letter = IDLE_LETTER if name == IDLE else _letter(name, taken)
        taken.add(letter)
        colour = colours[_base(name)]
        found[name] = Look(letter, "dim" if name == IDLE else f"dim {colour}" if _waits(name) else f"bold {colour}")
    return found


def cells(workers: Iterable[str], shown: Mapping[str, Look]) -> Line:
    """A cell for each worker; neighbours in the same stage are one span."""
    spans: list[Span] = []
    for name in workers:
        look = shown[name]
        if spans and spans[-1].style == look.style and spans[-1].text[0] == look.letter:
            spans[-1] = Span(spans[-1].text + look.letter, look.style)
        else:
            spans.append(Span(look.letter, look.style))
    return tuple(spans)


def legend(counts: Counter[str], shown: Mapping[str, Look]) -> list[Line]:
    """The stages that somebody is in, with their letters and counts."""
    return [
        (Span(look.letter, look.style), Span(f" {counts[name]:,} {printable(name)}"))
        for name, look in shown.items()
        if counts[name]
    ]


def shares(counts: Counter[str], order: Iterable[str], size: int) -> list[str]:
    """`size` cells that stand for all workers, in this order; a stage that somebody is in has a cell if it can."""
    present = [name for name in order if counts[name]]
    total = sum(counts[name] for name in present)
    found: list[str] = []
    seen = 0
    for at, name in enumerate(present):
        seen += counts[name]
        left_for_others = len(present) - at - 1
        end = max(len(found) + 1, min(round(size * seen / total), size - left_for_others))
        found += [name] * (end - len(found))
    return found[:size]


def _waits(name: str) -> bool:
    return name in NOT_WORKING or name.endswith(SLOT)


def _base(name: str) -> str:
    return name.removesuffix(SLOT)


def _letter(name: str, taken: set[str]) -> str:
    wanted = [each for each in _base(name).lower() if each.isascii() and each.isalpha()]
    choices: list[str] = [*wanted, *ascii_lowercase, *digits]
    for each in choices:
        letter = each if _waits(name) else each.upper()
        if letter not in taken:
            return letter
    return NO_LETTER_LEFT
