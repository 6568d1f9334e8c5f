"""The entries of BibTeX, RIS and EndNote files, with the fields that can name a paper.

Guarantee: an entry that is damaged costs only itself; memory use does not grow with the file. Limit: no macros, no
cross-references, and of an entry of more than 256 KiB only the beginning; nothing but the fields of `fields.NAMES`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rpa_shard.intake.lists.fields import NAMES, plain_name
from rpa_shard.model.id_forms.grammar import shown

MAX_ENTRY_CHARACTERS = 1 << 18
MAX_VALUE_CHARACTERS = 2000
_ENTRY = re.compile(r"\s*@\s*(?P<kind>[a-z]+)\s*[{(]\s*(?P<key>[^\s,{}=]*)", re.IGNORECASE)
_INNER_ENTRY = re.compile(r"(?<=[})])\s*(?=@[a-z]+\s*[{(])", re.IGNORECASE)
_NO_ENTRIES = frozenset({"comment", "preamble", "string"})
_FIELD = re.compile(
    r"(?:^|[\s,{(])(?P<name>[a-z][a-z0-9_-]{1,29})\s*=\s*"
    r"(?:\{(?P<braced>(?:[^{}]|\{[^{}]{0,500}\}){0,2000})\}|\"(?P<quoted>[^\"]{0,2000})\"|(?P<bare>[^\s,{}\"]{1,200}))",
    re.IGNORECASE,
)
_LATEX = re.compile(r"\\(?:url|href|texttt|path)\b|[{}]")
_RIS_LINE = re.compile(r"([A-Z][A-Z0-9])\s{1,2}-(?:\s(.*))?")
_RIS_NAMES = {
    "AN": "arxivid", "UR": "url", "L1": "url", "L2": "url", "L4": "url", "LK": "url", "DO": "doi", "DI": "doi",
    "JO": "journal", "JF": "journal", "JA": "journal", "T2": "journal", "VL": "volume", "IS": "number", "M1": "note",
    "M3": "note", "N1": "note", "C1": "note", "PB": "publisher", "SN": "note", "ID": "paperid",
}  # fmt: skip

# EndNote's tags of one character, by those of RIS.
_ENDNOTE_LINE = re.compile(r"%([A-Z0-9>])(?:\s(.*))?")
_ENDNOTE_TAGS = {
    "0": "TY", "J": "JO", "B": "T2", "V": "VL", "U": "UR", ">": "L1", "R": "DO", "M": "AN", "Z": "N1", "I": "PB",
}  # fmt: skip

Entry = tuple[str, dict[str, str]]


def bibtex_entries(lines: Iterable[str], wanted: str | None = None) -> Iterator[Entry]:
    """Every entry of a BibTeX file: where it is, and its fields, with the one that is wanted."""
    taken: list[str] = []
    size = 0
    start = 1
    for number, line in enumerate(_entry_lines(lines), 1):
        if _ENTRY.match(line):
            yield from _entry_of(start, taken, wanted)
            taken, size, start = [], 0, number
        if size < MAX_ENTRY_CHARACTERS:
            taken.append(line)
            size += len(line) + 1
    yield from _entry_of(start, taken, wanted)


def _entry_lines(lines: Iterable[str]) -> Iterator[str]:
    """The lines, cut where a second entry begins on the same one."""
    for line in lines:
        yield from _INNER_ENTRY.split(line) if line.count("@") > 1 else (line,)


def _entry_of(start: int, lines: list[str], wanted: str | None) -> Iterator[Entry]:
    text = "\n".join(lines)[:MAX_ENTRY_CHARACTERS]
    begins = _ENTRY.match(text)
    if begins is None or begins["kind"].lower() in _NO_ENTRIES:
        return
    fields: dict[str, str] = {}
    for match in _FIELD.finditer(text, begins.end()):
        name = plain_name(match["name"])
        if name in NAMES or name == wanted:
            value = match["braced"] or match["quoted"] or match["bare"] or ""
            fields.setdefault(name, _LATEX.sub(" ", value.replace("\\_", "_")).strip())
    yield f"line {start}, entry {shown(begins['key'], 40) or '?'}", fields


def ris_entries(lines: Iterable[str], wanted: str | None = None) -> Iterator[Entry]:
    """Every entry of a RIS or EndNote file: where it is, and its fields, with the tag that is wanted."""
    fields: dict[str, str] = {}
    start = 0
    for number, line in enumerate(lines, 1):
        match = _RIS_LINE.match(line) or _ENDNOTE_LINE.match(line)
        if match is None:
            continue
        tag, value = _ENDNOTE_TAGS.get(match[1], match[1]), (match[2] or "").strip()[:MAX_VALUE_CHARACTERS]
        if tag in ("TY", "ER"):
            if start:
                yield f"line {start}, entry", fields
            fields, start = {}, number if tag == "TY" else 0
        elif (name := wanted if wanted == match[1].lower() else _RIS_NAMES.get(tag)) and value:
            fields[name] = f"{fields[name]} ; {value}"[:MAX_VALUE_CHARACTERS] if name in fields else value
    if start:
        yield f"line {start}, entry", fields
