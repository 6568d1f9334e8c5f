"""The words of `RPA_V2_SOURCES`: named sources and URL templates.

Guarantee: pure; what passes `parse_sources` can be filled in for every paper, and differs between papers. Limit: gives
where a PDF would be, not whether it exists.
"""

from __future__ import annotations

from string import Formatter
from urllib.parse import urlsplit

SOURCE_FIELDS = frozenset({"id", "name", "archive", "yymm", "number", "version"})

# arXiv's host for programs.
ARXIV = "https://export.arxiv.org/pdf/{id}"
# arXiv's public bucket: every version of every paper under a versioned name, old ids in a folder per archive.
GCS = "https://storage.googleapis.com/arxiv-dataset/arxiv/arxiv/pdf/{yymm}/{yymm}.{number}v{version}.pdf"
GCS_OLD_IDS = "https://storage.googleapis.com/arxiv-dataset/arxiv/{archive}/pdf/{yymm}/{yymm}{number}v{version}.pdf"
# Without one of these a template has the same URL for different papers.
_DISTINGUISHING = frozenset({"id", "name", "number"})
NAMED = {"arxiv": ARXIV, "gcs": GCS}


def parse_sources(text: str) -> tuple[str, ...]:
    """The sources of a knob, separated by spaces. Raises ValueError."""
    words = tuple(text.split())
    if not words:
        raise ValueError
    for word in words:
        if word not in NAMED:
            _check_template(word)
    return words


def template_of(word: str, *, old_id: bool = False) -> str:
    """The URL template of a source, for new ids or for old ones."""
    if word == "gcs" and old_id:
        return GCS_OLD_IDS
    return NAMED.get(word, word)


def _check_template(template: str) -> None:
    parts = urlsplit(template)
    if parts.scheme not in {"http", "https", "file"} or (parts.scheme != "file" and not parts.hostname):
        raise ValueError(template)
    fields = [each for each in Formatter().parse(template) if each[1] is not None]
    plain = all(name in SOURCE_FIELDS and not spec and conversion is None for _, name, spec, conversion in fields)
    if not plain or _DISTINGUISHING.isdisjoint(name for _, name, _, _ in fields):
        raise ValueError(template)
