"""The words of `RPA_V2_SOURCES`: named sources and URL templates.

Guarantee: pure; what passes `parse_sources` can be filled in for every paper, and differs between papers. Limit: says
where a PDF would be, not whether it is there.
"""

from __future__ import annotations

from urllib.parse import urlsplit

SOURCE_FIELDS = frozenset({"id", "name", "archive", "yymm", "number", "version"})

# arXiv's host for programs.
ARXIV = "https://export.arxiv.org/pdf/{id}"
# arXiv's public bucket: every version of every paper under a versioned name, old ids in a folder of their archive.
GCS = "https://storage.googleapis.com/arxiv-dataset/arxiv/arxiv/pdf/{yymm}/{yymm}.{number}v{version}.pdf"
GCS_OLD_IDS = "https://storage.googleapis.com/arxiv-dataset/arxiv/{archive}/pdf/{yymm}/{yymm}{number}v{version}.pdf"
NAMED = {"arxiv": ARXIV, "gcs": GCS}


def parse_sources(text: str) -> tuple[str, ...]:
    """The sources of a knob, apart by spaces. Raises ValueError."""
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
    sample = dict.fromkeys(SOURCE_FIELDS, "0")
    if template.format_map(sample) == template.format_map(dict.fromkeys(SOURCE_FIELDS, "1")):
        raise ValueError(template)  # the same URL for every paper
