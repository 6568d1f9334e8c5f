"""The plausible part of a document's own metadata: title, producer, creation date.

Guarantee: pure; a title is not a file name, a number or a template's default; a date is between 1985 and 2100, in ISO
8601. Limit: whether the title is the paper's is left to the reader.

The form of dates, `D:YYYYMMDDHHmmSSOHH'mm'`, is that of ISO 32000-1, 7.9.4.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from rpa_shard.reading.document import DocumentMetadata
from rpa_shard.reading.raw import valid_line

MAX_CHARACTERS = 500
_DATE = re.compile(
    r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:(Z)|([+-])(\d\d)'?(?:(\d\d)'?)?)?.{0,8}", re.ASCII | re.DOTALL
)
_NO_TITLE = re.compile(
    r"(?i)(?:untitled|title|microsoft word\b.*|.*\.(?:docx?|tex|dvi|pdf|ps|eps|indd|rtf|odt|qxd)|[\W\d_]*|document\d*|"
    r"paper|main|manuscript|template|noname|\(anonymous\)|arxiv:.*)"
)
FIRST_YEAR, LAST_YEAR = 1985, 2100


def plausible_metadata(title: str, producer: str, created: str) -> DocumentMetadata:
    """The metadata without what is empty or implausible."""
    return DocumentMetadata(_title(title), _words(producer), _date(created))


def _words(text: str) -> str | None:
    return " ".join(valid_line(text).split())[:MAX_CHARACTERS] or None


def _title(text: str) -> str | None:
    words = _words(text)
    return None if words is None or len(words) < 4 or _NO_TITLE.fullmatch(words) else words


def _date(text: str) -> str | None:
    match = _DATE.fullmatch(text.strip())
    if match is None or not FIRST_YEAR <= int(match[1]) <= LAST_YEAR:
        return None
    numbers = [
        int(part) if part else default for part, default in zip(match.groups()[1:6], (1, 1, 0, 0, 0), strict=True)
    ]
    zone = None
    try:
        if match[7] or match[8]:
            offset = timedelta(hours=int(match[9] or 0), minutes=int(match[10] or 0))
            zone = timezone(-offset if match[8] == "-" else offset)
        month, day, hour, minute, second = numbers
        return datetime(int(match[1]), month, day, hour, minute, second, tzinfo=zone).isoformat()
    except ValueError:
        return None
