"""What a person asks of an export, and whether it makes sense.

Guarantee: pure; an `Order` names one of the pairs in `FITTING`, and its format and the ending of its file agree; all
else is refused in one line that says what would do. Limit: whether the file may be written is known only to the file
system (`destination`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rpa_shard.observe.export.files import PACKED_ENDINGS, STANDARD_OUTPUT, ExportError, ending_of
from rpa_shard.observe.export.records import Texts

Format = Literal["jsonl", "parquet", "csv", "csl-json", "bibtex"]
What = Literal["records", "references", "bibliography", "papers", "reports"]

FITTING: dict[What, tuple[Format, ...]] = {
    "records": ("jsonl", "parquet", "csv"),
    "references": ("jsonl", "parquet", "csv", "bibtex", "csl-json"),
    "bibliography": ("jsonl", "parquet", "csv", "bibtex", "csl-json"),
    "papers": ("bibtex", "csl-json"),
    "reports": ("jsonl", "parquet", "csv"),
}
# With texts of papers, or of reports.
_WITH_TEXT = frozenset[What]({"records", "reports"})
FORMATS: tuple[Format, ...] = ("jsonl", "parquet", "csv", "csl-json", "bibtex")
WHATS: tuple[What, ...] = tuple(FITTING)
_BY_ENDING: dict[str, tuple[Format, ...]] = {
    ".jsonl": ("jsonl",),
    ".ndjson": ("jsonl",),
    ".parquet": ("parquet",),
    ".csv": ("csv",),
    ".bib": ("bibtex",),
    ".json": ("jsonl", "csl-json"),
}
# For reference managers: each holds entries, not rows.
_OF_ENTRIES = frozenset[Format]({"csl-json", "bibtex"})
_ENDINGS = ".jsonl, .parquet, .csv or .bib"


@dataclass(frozen=True, slots=True)
class Order:
    """An export that makes sense. `shard_size` is how many rows a file holds, None for one file of all."""

    out: Path
    what: What
    format: Format
    texts: Texts
    shard_size: int | None = None


def order(
    out: Path,
    *,
    what: What | None = None,
    format: Format | None = None,
    text: bool | None = None,
    clean: bool = False,
    shard_size: int | None = None,
    is_stream: bool = False,
) -> Order:
    """The order that the options make. `is_stream` is `out` if its name says nothing, as that of a pipe.

    Records have their raw text (`text`), and reports their Markdown, unless they are CSV. Raises ExportError.
    """
    stream = is_stream or out == STANDARD_OUTPUT
    if stream and shard_size is not None:
        raise ExportError(f"--shard-size makes several files, and {out} is none: give --out F.parquet or the like")
    format = _format(out, what, format, stream=stream)
    what = what or ("references" if format in _OF_ENTRIES else "records")
    if format not in FITTING[what]:
        kinds = [each for each in WHATS if format in FITTING[each]]
        fitting = f"its formats are {_listed(FITTING[what])}; {format} holds {_listed(kinds)}"
        raise ExportError(f"--what {what} is not written as {format}: {fitting}")
    if format == "parquet" and (stream or out.suffix in PACKED_ENDINGS):
        raise ExportError("Parquet goes to a file, and compresses by itself: give --out papers.parquet")
    if what not in _WITH_TEXT and (text is not None or clean):
        raise ExportError(f"--what {what} has no texts: leave out --text, --no-text and --clean")
    if what == "reports" and clean:
        raise ExportError("--what reports has no clean text: leave out --clean")
    texts = Texts(format != "csv" if text is None else text, clean) if what in _WITH_TEXT else Texts(False)
    return Order(out, what, format, texts, shard_size)


def _format(out: Path, what: What | None, format: Format | None, *, stream: bool) -> Format:
    """The format that was given or that the name's ending says. Raises ExportError."""
    said = () if stream else _BY_ENDING.get(ending_of(out), ())
    if format is not None:
        if said and format not in said:
            right = next(ending for ending, formats in _BY_ENDING.items() if format in formats)
            wrong = f"{out.name} is the name of {_listed(said)}, and --format says {format}"
            raise ExportError(f"{wrong}: leave out --format, or name it …{right}")
        return format
    if len(said) == 1:
        return said[0]
    if said:
        raise ExportError(f"{out.name} may be JSON Lines or CSL-JSON: add --format jsonl or --format csl-json")
    if not stream:
        raise ExportError(f"the ending of {out.name} is none of {_ENDINGS} (perhaps packed: .gz, .zst): add --format")
    if what is None or "jsonl" in FITTING[what]:
        return "jsonl"
    raise ExportError(f"{out} does not say the format: add --format {' or --format '.join(FITTING[what])}")


def _listed(items: Sequence[str]) -> str:
    *first, last = items
    return f"{', '.join(first)} or {last}" if first else last
