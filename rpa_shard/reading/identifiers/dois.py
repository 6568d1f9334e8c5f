"""DOIs in text whose lines were joined.

Guarantee: pure; results conform to Crossref's recommended expression (`10.\\d{4,9}/[-._;()/:A-Z0-9]+`, 99.3 % of
theirs) and to the form with `<` and `>` of older ones; in lower case, without what is glued to them. Limit: a word, a
year or a number that follows without any sign may be taken for a part of the DOI.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from rpa_shard.reading.identifiers.arxiv_names import HYPHENATED_ARCHIVES, NEW_ID, OLD_ID

MAX_DOI_CHARACTERS = 200
# Wiley's and several societies' older ones end so: 10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2
_ITEM = r"<[\w:./-]{1,60}>[-.;A-Za-z0-9]+"
_AFTER_TEN = rf"\d{{4,9}}(?:\.\d+)*/[-._;()/:A-Za-z0-9]+(?:{_ITEM})?"
# What must not precede is looked at after the beginning, for which a search skips.
_DOI = re.compile(rf"10\.(?<!\d10\.)(?<!\d\.10\.){_AFTER_TEN}")
_DOI_HERE = re.compile(rf"10\.{_AFTER_TEN}")
_AFTER = re.compile(
    r"(?:/(?:abstract|full|pdf|epdf|html|meta|summary|fulltext|issuetoc))+$|\.pdf$|\((?:19|20)\d\d\)$", re.IGNORECASE
)
# bioRxiv's and medRxiv's addresses add a version.
_VERSION = re.compile(r"^(10\.1101/[\d.]+)v\d.*")
# A word that begins something else although nothing separates it.
GLUED_WORD = (
    r"(?:[.;,:]?(?:Available|Accessed|Retrieved|Published|Online|Cited|Epub|ISBN|ISSN|PMID|PMCID|URL)(?![a-z])|"
    r"(?<=[\dX])(?:PMC\d|MR\d{6}|Zbl)|[.;,:]In(?=[.:]?(?:\s|$)))"
)
_GLUED = re.compile(
    rf"(?i:[.;,]?(?:arXiv\s?:|https?:/|doi\s?:|www\.|10\.\d{{4,9}}/|(?:{HYPHENATED_ARCHIVES})(?:\.[a-z-]{{2,8}})?/\d{{7}})|"
    rf";(?:{OLD_ID}|{NEW_ID}(?![\d-])))|{GLUED_WORD}"
)
_SPACED = re.compile(
    r"(?<![\d.])10 ?\. ?\d{4,9} ?/ ?[-_;()/:A-Za-z0-9]+(?:\.[-_;()/:A-Za-z0-9]+| [./_:-] [-_;()/:A-Za-z0-9]+){0,12}"
)
_SPACED_START = re.compile(r"(?<![\d.])(10\.\d{4,9}/) (?!10\.|(?:19|20)\d\d\b)(?=[\w.()-]*\d)")
_NO_BLANK = r"[^\s\"“”|\\^{}\[\]]*"
_ENCODED = re.compile(rf"10\.\d{{4,9}}(?:%2F|/{_NO_BLANK}%[0-9A-F]{{2}}){_NO_BLANK}", re.IGNORECASE)
DATACITE_PREFIX = "10.48550/arxiv."
_DATACITE = re.compile(r"10\.48550/(?:arXiv\s?[:./]\s?)?(?=\d{4}\.\d{4}|[a-z-]+(?:\.[a-z-]+)?/\d{7})", re.IGNORECASE)


class FoundDoi(NamedTuple):
    """A DOI, and where it is in the text."""

    start: int
    end: int
    doi: str


def tidied(text: str) -> str:
    """The text with its DOIs written as they should be: without blanks, percent signs and entities."""
    if "/ " in text:
        text = _SPACED_START.sub(r"\1", text)
    if "10 ." in text or "10. " in text or " / " in text:
        text = _SPACED.sub(lambda match: match[0].replace(" ", ""), text)
    if "%" in text:
        text = _ENCODED.sub(lambda match: unquote(match[0]), text)
    if "&lt;" in text or "&gt;" in text:
        text = html.unescape(text)
    if "10.48550" in text:
        text = _DATACITE.sub("10.48550/arXiv.", text)
    return text


def dois_in(text: str) -> Iterator[FoundDoi]:
    """The DOIs in a tidied text, in order."""
    match = _DOI.search(text) if "10." in text else None
    while match is not None:
        start, end = match.span()
        at_least = len("10.48550/arXiv.hep-th/9") if match[0].lower().startswith(DATACITE_PREFIX) else 9
        glued = _GLUED.search(text, start + at_least, end + 8)
        if glued is not None and glued.start() < end:
            end = glued.start()
        doi = clean_doi(text[start:end])
        if doi is not None:
            yield FoundDoi(start, end, doi)
        match = _DOI_HERE.match(text, end) or _DOI.search(text, end)


def clean_doi(candidate: str) -> str | None:
    """A DOI in lower case, without the punctuation and path around it, or None."""
    doi = trimmed(candidate)
    doi = _VERSION.sub(r"\1", trimmed(_AFTER.sub("", doi)).lower())
    suffix = doi.partition("/")[2]
    return doi if suffix and len(doi) <= MAX_DOI_CHARACTERS and any(each.isalnum() for each in suffix) else None


def trimmed(name: str) -> str:
    """A DOI or URL without what the sentence around it added at its end."""
    end = len(name)
    opened, closed = name.count("("), name.count(")")
    is_url = "://" in name
    while end:
        last = name[end - 1]
        if last == ")":  # opened before the name
            if opened >= closed:
                break
            closed -= 1
        elif last == "(":
            opened -= 1
        elif last in "-/":
            if is_url and "://" in name[:end]:
                break
        elif last not in ".,;:'’”\"!?*]}":
            break
        end -= 1
    return name[:end]
