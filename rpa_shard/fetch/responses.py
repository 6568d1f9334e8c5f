"""What an HTTP response means for a download: pure rules, without a connection.

Guarantee: every status has one meaning, a failure class or none; a Retry-After of any form is seconds or None. Limit:
status and headers only; `rpa_shard.fetch.body` checks bodies.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from urllib.parse import urljoin, urlsplit

from rpa_shard.config.host_policy import MAX_PAUSE_SECONDS, polite_url
from rpa_shard.model.failure import Failure, PaperError

PAGE_BYTES = 8192
_PAGE_CHARACTERS = 300
_STATUS_FAILURES = {
    401: Failure.BLOCKED,
    403: Failure.BLOCKED,
    404: Failure.NOT_FOUND,
    410: Failure.GONE,
    429: Failure.RATE_LIMITED,
    451: Failure.LEGAL,
    503: Failure.RATE_LIMITED,
}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAID_WITHDRAWN = re.compile(rb"\bwithdrawn\b", re.IGNORECASE)
_NOT_TEXT = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(?:(\d{1,18})|\*)", re.ASCII)


def is_redirect(status: int) -> bool:
    return status in _REDIRECTS


def redirect_target(url: str, location: str | None) -> str:
    """Where a redirect of `url` leads, rewritten to the host meant for programs. Raises PaperError."""
    if not location:
        raise PaperError(Failure.SERVER_ERROR, f"a redirect without a target from {url}")
    try:
        target = urljoin(url, location.encode().decode())  # bytes that are not text raise here
        parts = urlsplit(target)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise PaperError(Failure.FORBIDDEN_REDIRECT, f"a redirect to an invalid URL: {location[:200]!r}") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise PaperError(Failure.FORBIDDEN_REDIRECT, f"a redirect to {parts.scheme or 'nothing'}: {location[:200]!r}")
    return polite_url(target)


def status_error(status: int, url: str, retry_after: str, page: bytes) -> PaperError:
    """What a status other than success means; `page` is the beginning of the response's body."""
    failure = _STATUS_FAILURES.get(status, Failure.SERVER_ERROR)
    if failure in (Failure.NOT_FOUND, Failure.GONE) and says_withdrawn(page):
        failure = Failure.WITHDRAWN
    detail = f"HTTP {status} from {url}"
    words = page_words(page)
    if failure is Failure.BLOCKED and words:
        detail += f": {words}"
    return PaperError(failure, detail, retry_after_seconds=parse_retry_after(retry_after))


def says_withdrawn(page: bytes) -> bool:
    """Whether a page received instead of a PDF says that the paper was withdrawn."""
    return bool(_SAID_WITHDRAWN.search(page))


def page_words(page: bytes) -> str:
    """The text of a page, at most a few hundred characters on one line."""
    text = unescape(_NOT_TEXT.sub(" ", page.decode("utf-8", "replace")))
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:_PAGE_CHARACTERS]


def parse_retry_after(value: str) -> float | None:
    """Seconds to wait by a Retry-After header (seconds or date, RFC 9110 10.2.3), at most MAX_PAUSE_SECONDS.

    Absent, past, malformed or 0 is None.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        seconds = float(value)
    else:
        try:
            when = parsedate_to_datetime(value)
            seconds = (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        except (ValueError, OverflowError):
            return None
    return min(seconds, MAX_PAUSE_SECONDS) if seconds > 0 else None


def part_of(content_range: str) -> tuple[int | None, int | None]:
    """A partial response's first byte and the total length, by its Content-Range header; None: unknown."""
    match = _CONTENT_RANGE.fullmatch(content_range.strip())
    if match is None:
        return None, None
    return int(match[1]), int(match[2]) if match[2] else None


def validator_of(etag: str, last_modified: str) -> str | None:
    """A validator for If-Range which guarantees that two parts belong to one body: a strong ETag, else a date."""
    etag, last_modified = etag.strip(), last_modified.strip()
    if not (etag.isascii() and last_modified.isascii()):
        return None
    if etag.startswith('"'):
        return etag
    return None if etag else last_modified or None
