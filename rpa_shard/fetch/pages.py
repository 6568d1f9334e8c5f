"""What a page says that came instead of a PDF: pure rules.

Guarantee: one page for everybody has one key, though numbers, dates, addresses and random words in it differ; its text
is one line of printable characters, at most a few hundred. Limit: a page is read by its title, else by its beginning;
phrases are English.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from html import unescape

from rpa_shard.model.failure import Page

PAGE_BYTES = 8192
_PAGE_CHARACTERS = 300
_SAID_WITHDRAWN = re.compile(rb"\bwithdrawn\b", re.IGNORECASE)
_NOT_TEXT = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title\b[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_SAID_BEING_MADE = re.compile(
    r"\bbeing (?:re-?)?(?:generated|built|created|compiled|produced|prepared|rendered|converted|made)\b"
    r"|\b(?:pdf|document|paper|article|file|submission)\b(?:[^.]|\.\S){0,60}"
    r"\b(?:being processed|in process|in progress|not yet (?:ready|available)|will be (?:ready|available))\b"
    r"|\b(?:generating|building|compiling) (?:the |your |a )?(?:pdf|document|paper|article|file)\b",
    re.IGNORECASE,
)
_SAID_TRY_AGAIN = re.compile(
    r"\b(?:try|check|come) (?:back )?(?:again )?"
    r"(?:later|soon|shortly|in (?:an? )?(?:few |\d+ )?(?:second|minute|moment|hour))"
    r"|\bcheck back\b|\bin process\b",
    re.IGNORECASE,
)
# What differs from request to request: words with digits or with capitals inside, hexadecimal numbers, very long words.
_VARIES = re.compile(r"[\w-]*(?:\d|[a-z][A-Z]|[A-Z][A-Z][a-z])[\w-]*|\b[a-fA-F]{8,}\b|[\w-]{25,}")


def says_withdrawn(page: bytes) -> bool:
    """Whether a page received instead of a PDF says that the paper was withdrawn."""
    return bool(_SAID_WITHDRAWN.search(page))


def says_try_again(page: bytes) -> bool:
    """Whether a page says that the same request may succeed later."""
    text = _text(page)
    return bool(_SAID_BEING_MADE.search(text) or _SAID_TRY_AGAIN.search(text))


def page_words(page: bytes) -> str:
    """The text of a page, at most a few hundred characters on one line."""
    return _text(page)[:_PAGE_CHARACTERS]


def read_page(status: int, page: bytes) -> Page:
    """What an answer without a PDF says, from the beginning of its body."""
    text = _text(page)
    title = _TITLE.search(page.decode("utf-8", "replace"))
    seen = (_one_line(title[1]) if title else "") or text[:_PAGE_CHARACTERS]
    gist = " ".join(re.findall(r"\w+", _VARIES.sub(" ", seen).lower()))
    key = blake2b(f"{status} {gist}".encode(), digest_size=8).hexdigest()
    says = f"HTTP {status}: {text[:_PAGE_CHARACTERS]}" if text else f"HTTP {status}, an empty page"
    return Page(key, says, bool(_SAID_BEING_MADE.search(text)))


def _text(page: bytes) -> str:
    if b"\0" in page:
        return f"begins with {page[:40]!a}"
    return _one_line(_NOT_TEXT.sub(" ", page.decode("utf-8", "replace")))


def _one_line(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in unescape(text)).split())
