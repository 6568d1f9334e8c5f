"""URLs that are not arXiv's: the canonical form of one that leads to a PDF.

Guarantee: pure; a canonical form is its own, and has no password in it. Limit: only the host knows whether there is a
PDF.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

from rpa_shard.model.id_forms.grammar import InvalidIdError, shown
from rpa_shard.model.id_forms.text import plain

# Stands around an item of a list, and in no URL or file name that is meant.
AROUND = "\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb\u200b\u200c\u200d\u2060\ufeff "
_TAIL = frozenset(",;.:!?*>)]}" + AROUND)
_OPENING = {")": "(", "]": "[", "}": "{"}
_HOST = re.compile(r"[\w.:%-]+")


def without_tail(url: str) -> str:
    """The URL without what stands after it in a sentence or a list."""
    while url and url[-1] in _TAIL:
        opening = _OPENING.get(url[-1])
        if opening and url.count(opening) >= url.count(url[-1]):
            break
        url = url[:-1]
    return url


def canonical_url(text: str) -> str:
    """The one form of a URL that stands for its PDF, without fragment. Raises InvalidIdError."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidIdError(f"not a URL: {shown(str(error))}") from None
    if not parts.hostname:
        raise InvalidIdError("a URL without a host")
    if parts.username or parts.password:
        raise InvalidIdError("a URL with a password in it: it would end up in records")
    scheme, host = parts.scheme.lower(), plain(parts.hostname).lower()
    if not _HOST.fullmatch(host) or (":" in host) != (":" in parts.hostname):
        raise InvalidIdError("not a URL: its host has characters that no host has")
    if ":" in host:
        host = f"[{host}]"
    if port and port != {"http": 80, "https": 443}[scheme]:
        host = f"{host}:{port}"
    try:
        host.encode()
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        query = quote(parts.query, safe="/?%:@!$&'()*+,;=~-._[]")
    except UnicodeEncodeError:
        raise InvalidIdError("a URL with bytes that are not UTF-8") from None
    return urlunsplit((scheme, host, path, query, ""))
