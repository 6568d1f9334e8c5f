"""Exports as CSV, for spreadsheets and for pandas.

Guarantee: RFC 4180 in UTF-8, without a byte order mark, with the same columns whatever the rows hold; a cell that a
spreadsheet would compute begins with an apostrophe. Limit: flat, so what a record has many of is counted, or joined.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rpa_shard.observe.export.order import Order

Cell = Callable[[Mapping[str, Any]], Any]

# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LINE_ENDS = re.compile(r"\r\n?")
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def csv_lines(rows: Iterable[Mapping[str, Any]], order: Order) -> Iterator[str]:
    """The pieces of one CSV file: its header and its rows."""
    columns = _columns(order)
    writer = csv.writer(_Echo())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([_protected(cell(row)) for cell in columns.values()])


class _Echo:
    def write(self, text: str) -> str:
        return text


def _protected(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = _NO_TEXT.sub("\ufffd", _LINE_ENDS.sub("\n", value))
    return f"'{text}" if text.startswith(_FORMULA) else text


def _columns(order: Order) -> Mapping[str, Cell]:
    if order.what == "references":
        return _REFERENCES
    if order.what == "bibliography":
        return _WORKS
    if order.what == "reports":
        return {**_REPORTS, **({"report": _plain("report")} if order.texts.raw else {})}
    texts = {name: _plain(name) for name in order.texts.fields if name != "clean_page_offsets"}
    return {**_RECORDS, **texts}


def _plain(name: str) -> Cell:
    return lambda row: row.get(name)


def _field(name: str, inner: str) -> Cell:
    return lambda row: (row.get(name) or {}).get(inner)


def _joined(name: str, separator: str = " ") -> Cell:
    return lambda row: separator.join(str(each) for each in row.get(name) or ())


def _counted(name: str) -> Cell:
    return lambda row: len(row.get(name) or ())


def _categories(row: Mapping[str, Any]) -> str:
    return " ".join((row.get("metadata") or {}).get("categories") or ())


def _all_plain(names: str) -> dict[str, Cell]:
    return {name: _plain(name) for name in names.split()}


def _all_fields(name: str, inner: str) -> dict[str, Cell]:
    return {f"{name}_{each}": _field(name, each) for each in inner.split()}


_LISTS_OF_A_REFERENCE = {
    "authors": _joined("authors", "; "),
    "arxiv_ids": _joined("arxiv_ids"),
    "dois": _joined("dois"),
    "urls": _joined("urls"),
}
_REFERENCES: Mapping[str, Cell] = {
    **_all_plain("citing_id citing_version paper_id ordinal marker page start end arxiv_id doi raw year title"),
    **_LISTS_OF_A_REFERENCE,
    **_all_plain("key"),
}
_WORKS: Mapping[str, Cell] = {
    **_all_plain("key arxiv_id doi title"),
    "authors": _joined("authors", "; "),
    **_all_plain("year url raw reference_count cited_by_count"),
    "cited_by": _joined("cited_by"),
}
_REPORTS: Mapping[str, Cell] = {
    **_all_plain("id arxiv_id arxiv_version title authors source"),
    "tags": _joined("tags", "; "),
    **_all_plain("core_contribution verdict"),
    "repaired": _joined("repaired"),
    "sections_count": _counted("sections"),
    **_all_fields("document", "tokens complete"),
    **_all_fields("signals", "corpus_papers cited_by"),
    "models": _joined("models"),
    **_all_fields("spent", "answers input_tokens output_tokens cached_tokens micro_usd"),
    **_all_plain(
        "analyze_prompts_sha256 wrap_prompts_sha256 text_sha256 analyzed_at reported_at rpa_shard_version schema"
    ),
}
_RECORDS: Mapping[str, Cell] = {
    **_all_plain("id arxiv_id arxiv_version status"),
    **_all_fields("failure", "reason detail"),
    **_all_plain("attempts"),
    **_all_fields("metadata", "title authors"),
    "metadata_categories": _categories,
    **_all_fields("metadata", "doi abstract"),
    **_all_fields("document", "title producer created_at"),
    **_all_fields("stamp", "id version category date"),
    **_all_plain("abstract pages characters"),
    "sections_count": _counted("sections"),
    "references_count": _counted("references"),
    **_all_plain("references_method references_expected"),
    "citations_count": _counted("citations"),
    "flags": _joined("flags"),
    "failed_pages": _joined("failed_pages"),
    "limits_hit": _joined("limits_hit"),
    **_all_fields(
        "quality",
        "characters_a_page scanned_share damaged_share letters_share mean_word_length stop_word_share garbled_share",
    ),
    **_all_fields("engine", "name version"),
    **_all_plain("source fetched_at extracted_at rpa_shard_version pdf_sha256 pdf_bytes text_sha256 text_bytes"),
    **_all_fields("timings_ms", "download extract"),
    **_all_plain("schema"),
}
