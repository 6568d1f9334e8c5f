"""What a list is, by its beginning.

Guarantee: pure; what is no list is refused with what it looks like and what to do instead. Limit: looks at the first
64 KiB only.
"""

from __future__ import annotations

import re
from typing import Literal

from rpa_shard.intake.errors import IntakeError
from rpa_shard.intake.lists.decoding import decoded, encoding_of

HEAD_BYTES = 1 << 16

Format = Literal["json lines", "json", "bibtex", "ris", "lines"]

_UNPACK = "unpack it and use what is in it"
_SHEET = "save its sheet as CSV and use that"
_OFFICE = "save it as plain text and use that"
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF-", "a PDF", "give its path as an ID, or the folder that it is in"),
    (b"PK\x03\x04", "a zip archive, or a sheet or document of an office program", f"{_UNPACK}, or save it as CSV"),
    (b"PAR1", "a Parquet file", "write its column of ids as CSV or JSON lines and use that"),
    (b"SQLite format 3\0", "an SQLite database", "write its column of ids as CSV and use that"),
    (b"\xd0\xcf\x11\xe0", "a sheet or document of an old office program", _SHEET),
    (b"{\\rtf", "an RTF document", _OFFICE),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"\x1f\x9d", "a file of the program compress", _UNPACK),
    (b"\x04\x22\x4d\x18", "an lz4 file", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "several layers of compression", _UNPACK),
    (b"\x1f\x8b", "several layers of compression", _UNPACK),
    (b"%!PS", "PostScript", "use a list of ids"),
    (b"ARROW1", "an Arrow file", "write its column of ids as CSV or JSON lines and use that"),
    (b"Obj\x01", "an Avro file", "write its column of ids as CSV or JSON lines and use that"),
)
_TAR_MAGIC = slice(257, 262)
_USE_TEXT = "use a list with one id on each line, CSV, BibTeX, RIS or JSON lines"
_HTML = re.compile(r"\s*<(?:!doctype\s+html|html|head|body|table|div)\b", re.IGNORECASE)
_XML = re.compile(r"\s*<(?:\?xml|!DOCTYPE|feed|rss|rdf:RDF|OAI-PMH)\b", re.IGNORECASE)
_BIBTEX = re.compile(r"^[ \t]*@[a-z]+[ \t]*[{(]", re.IGNORECASE | re.MULTILINE)
_RIS = re.compile(r"^(?:TY {1,2}- ?|%0 )[A-Z]", re.MULTILINE)
_JSON_ARRAY = re.compile(r'\s*\[\s*(?:\{\s*["}]|\]\s*$|\[\s*"|"(?:[^"\\]|\\.)*"\s*(?:,|\]\s*(?:$|\[))|\d{4}\.\d+\s*,)')
# What may stand before the array in an object that wraps it, and what such an array is called.
_SIMPLE = r'(?:"(?:[^"\\]|\\.)*"|[-+.\w]+|\{[^{}\[\]]*\})'
WRAPPED = re.compile(
    rf'\s*\{{\s*(?:"(?P<before>[^"\\]*)"\s*:\s*{_SIMPLE}\s*,\s*)*'
    r'"(?:data|results|papers|items|records|documents|entries|works|articles|rows|ids)"\s*:\s*\[',
    re.IGNORECASE,
)
_JSON_OBJECT = re.compile(r'\s*\{\s*"')
_JSON_LINE = re.compile(r"\s*\{.*\}\s*")
# Control characters that no text has.
_BINARY = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def format_of(head: bytes) -> Format:
    """The format of a list that begins like this. Raises IntakeError."""
    for magic, what, advice in _MAGIC:
        if head.startswith(magic):
            raise looks_like(what, advice)
    if head[_TAR_MAGIC] == b"ustar":
        raise looks_like("a tar archive", "use --tar for arXiv's bulk archives of PDFs")
    encoding = encoding_of(head)
    text = decoded(head) if encoding is None else head.decode(encoding, "replace")
    text = text.removeprefix("\ufeff")
    if len(_BINARY.findall(text)) > len(text) // 200:
        raise looks_like("a binary file", _USE_TEXT)
    return _format_of_text(text.replace("\r\n", "\n").replace("\r", "\n"))


def looks_like(what: str, advice: str) -> IntakeError:
    """The error for what is no list."""
    return IntakeError(f"looks like {what}: {advice}")


def _format_of_text(text: str) -> Format:
    while text.lstrip().startswith("<!--") and "-->" in text:
        text = text.partition("-->")[2]
    if _HTML.match(text):
        raise looks_like("an HTML page", _USE_TEXT)
    if _XML.match(text):
        raise looks_like("XML", _USE_TEXT)
    if _JSON_ARRAY.match(text):
        return "json"
    if _JSON_OBJECT.match(text):
        first, _, others = text.strip().partition("\n")
        is_wrapped = WRAPPED.match(first) is not None and not others
        return "json lines" if _JSON_LINE.fullmatch(first) and not is_wrapped else "json"
    if _BIBTEX.search(text):
        return "bibtex"
    if _RIS.search(text):
        return "ris"
    return "lines"
