"""arXiv's identifier scheme: the parts of an id, and which ids there can be.

Guarantee: pure; `Parts` have exactly one canonical spelling. Limit: only arXiv knows whether the paper exists.

Sources: arXiv, "Understanding the arXiv identifier": `YYMM.NNNN` from 0704, five digits from 1501, before that
`archive/YYMMNNN`, whose subject class is not part of the canonical form.
"""

from __future__ import annotations

import re
from typing import NamedTuple

OLD_ARCHIVES = frozenset(
    """
    acc-phys adap-org alg-geom ao-sci astro-ph atom-ph bayes-an chao-dyn chem-ph cmp-lg comp-gas cond-mat cs
    dg-ga funct-an gr-qc hep-ex hep-lat hep-ph hep-th math math-ph mtrl-th nlin nucl-ex nucl-th patt-sol physics
    plasm-ph q-alg q-bio quant-ph solv-int supr-con
    """.split()
)
# Written before new ids only.
_LATER_ARCHIVES = frozenset({"econ", "eess", "q-fin", "stat"})
ARCHIVE_WITHOUT_HYPHEN = {archive.replace("-", ""): archive for archive in OLD_ARCHIVES | _LATER_ARCHIVES}

ARCHIVE = r"[a-z]+(?:-[a-z]+)?"
_CLASS = r"(?:\.[a-z]{2,8}(?:-[a-z]{2,8})?)?"
# An id as written, without regard to case; `parts_of` reads its groups.
ID = (
    rf"(?:(?:(?P<above>{ARCHIVE}){_CLASS}\s?/{{1,3}}\s?)?(?P<new>\d{{4}})\.(?P<new_number>\d{{4,5}})"
    rf"|(?P<archive>{ARCHIVE}){_CLASS}(?P<between>\s?/{{1,3}}\s?|[\s_]?)(?P<old>\d{{4}})(?P<old_number>\d{{3}}))"
    r"(?:v(?P<version>\d{1,9})|(?:[\s_/#.-][(\[]?|[(\[])v(?P<apart>\d{1,2})(?![0-9a-z])[)\]]?)?"
)
FILE_ENDING = r"(?:\.(?:pdf|ps|dvi|html?|txt|abs|tex|bib|json|xml|zip|tgz|(?:tar|ps)?\.?gz))?"


class InvalidIdError(ValueError):
    """The text does not name a paper; the message says why, in a few words."""


def shown(text: str, most: int = 100) -> str:
    """Text from outside as it may be printed: on one line, nothing in it that a terminal would obey, not too long."""
    if len(text) > 4 * most:
        text = f"{text[: 2 * most]} … {text[-2 * most :]}"
    if not text.isprintable():
        text = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    if len(text) <= most:
        return text
    end = most // 3  # of a path, the name
    return f"{text[: most - end - 1]}…{text[-end:]}"


class Parts(NamedTuple):
    """The parts of an id: no archive for new ids, no version for the latest."""

    archive: str
    yymm: str
    number: str
    version: str

    @property
    def canonical(self) -> str:
        version = f"v{self.version}" if self.version else ""
        number = f"{self.archive}/{self.yymm}{self.number}" if self.archive else f"{self.yymm}.{self.number}"
        return number + version


def new_id(yymm: str, number: str, version: str | None) -> Parts:
    """The parts of an id since April 2007. Raises InvalidIdError."""
    check_new(yymm, number)
    return Parts("", yymm, number, version_of(version))


def old_id(archive: str, yymm: str, number: str, version: str | None) -> Parts:
    """The parts of an id before April 2007. Raises InvalidIdError."""
    known = ARCHIVE_WITHOUT_HYPHEN.get(archive.lower().replace("-", ""))
    if known not in OLD_ARCHIVES:
        raise InvalidIdError(f"unknown archive: {shown(archive.lower(), 40)}")
    if not 1 <= int(yymm[2:]) <= 12:
        raise InvalidIdError(f"no such month: {yymm[2:]}")
    if not (int(yymm) >= 9107 or int(yymm) <= 703):
        raise InvalidIdError("ids of this form run from 9107 to 0703")
    if int(number) == 0:
        raise InvalidIdError("numbers begin at 1")
    return Parts(known, yymm, number, version_of(version))


def parts_of(match: re.Match[str]) -> Parts | None:
    """The id that a match of a pattern with `ID` in it stands for; None if it only looks like one.

    Raises InvalidIdError for an id that cannot be.
    """
    archive, above, version = match["archive"], match["above"], match["version"] or match["apart"]
    if archive is None:
        if above is not None and above.lower().replace("-", "") not in ARCHIVE_WITHOUT_HYPHEN:
            return None
        return new_id(match["new"], match["new_number"], version)
    if "/" not in match["between"] and archive.lower().replace("-", "") not in ARCHIVE_WITHOUT_HYPHEN:
        return None  # some word with seven digits
    return old_id(archive, match["old"], match["old_number"], version)


def check_new(yymm: str, number: str) -> None:
    """Raises InvalidIdError if there can be no such id since April 2007."""
    month = int(yymm)
    if not 1 <= month % 100 <= 12:
        raise InvalidIdError(f"no such month: {yymm[2:]}")
    if month < 704:
        raise InvalidIdError("ids of this form begin in 0704 (April 2007)")
    digits = 4 if month < 1501 else 5
    if len(number) != digits:
        raise InvalidIdError(f"ids of {yymm} have {digits} digits after the point")
    if int(number) == 0:
        raise InvalidIdError("numbers begin at 1")


def version_of(written: str | None) -> str:
    """The version of an id as a part, from the digits after its v. Raises InvalidIdError."""
    if written is None:
        return ""
    if written.startswith("0") or len(written) > 3:
        raise InvalidIdError(f"no such version: v{written[:20]}")
    return written
