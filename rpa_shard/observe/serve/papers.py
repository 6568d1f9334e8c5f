"""Lists of papers and single papers, as JSON values for the page.

Guarantee: a page of a list costs about as much at the end of millions of papers as at their beginning; nothing is read
for longer than `MAX_SECONDS`. Limit: a search by title that is narrowed by status or reason looks at so many titles at
a time, and may find fewer papers than were asked for although there are more: `next` says where to go on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from rpa_shard.model.arxiv_id import InvalidIdError, parse
from rpa_shard.model.phase import Status
from rpa_shard.store.catalogue import Catalogue, NoTitleIndexError
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.protocol import Ledger
from rpa_shard.store.rows import PaperRow, PlaceInList

MAX_SECONDS = 2.0
MAX_LIMIT, USUAL_LIMIT = 200, 50
MAX_QUERY_CHARACTERS = 300
# Titles that one page looks at where a status or reason is wanted.
MAX_TITLES = 600
VERSIONS = 10
_BEGINNING_OF_ID = re.compile(r"\d{2,4}(\.\d{0,5}(v\d{0,3})?)?|[a-z][a-z-]+(\.[A-Z]{2})?/\d{0,7}(v\d{0,3})?")
_URLS = ("http://", "https://", "file://")


class WrongQuestionError(Exception):
    """The question cannot be understood; the message is one line."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which papers: `query` is the beginning of an id, or words of a title."""

    query: str = ""
    status: Status | None = None
    reason: str | None = None
    after: str | None = None
    limit: int = USUAL_LIMIT


@dataclass(frozen=True, slots=True)
class Found:
    """Papers, and where the next page begins, if there is one."""

    rows: list[PaperRow]
    by: str
    next: str | None


def wanted_of(given: dict[str, str]) -> Wanted:
    """The question that the parameters of a URL ask. Raises WrongQuestionError."""
    try:
        limit = int(given.get("limit", USUAL_LIMIT))
        status = Status(given["status"]) if given.get("status") else None
    except ValueError as error:
        raise WrongQuestionError(str(error)) from None
    if not 1 <= limit <= MAX_LIMIT:
        raise WrongQuestionError(f"limit is from 1 to {MAX_LIMIT}")
    query = given.get("query", "").strip()
    if len(query) > MAX_QUERY_CHARACTERS:
        raise WrongQuestionError(f"look for at most {MAX_QUERY_CHARACTERS} characters")
    return Wanted(query, status, given.get("reason") or None, given.get("after") or None, limit)


def page_of_papers(folder: DataFolder, wanted: Wanted) -> dict[str, Any]:
    """A page of a list. Raises StoreError, WrongQuestionError."""
    engine = engine_of(folder)
    with open_ledger(folder, seconds=MAX_SECONDS) as ledger, engine.open_catalogue(seconds=MAX_SECONDS) as catalogue:
        beginning = id_beginning(wanted.query)
        found = None if beginning is None else _by_id(ledger, wanted, beginning)
        if found is None or not (found.rows or wanted.after):
            found = _by_title(ledger, catalogue, wanted)
        return {
            "by": found.by,
            "next": found.next,
            "papers": [listed(row, catalogue) for row in found.rows],
        }


def id_beginning(query: str) -> str | None:
    """How the ids begin that a person looks for; None if the query is no id."""
    if not query or _BEGINNING_OF_ID.fullmatch(query):
        return query
    try:
        paper = parse(query)
        if paper.kind == "arxiv":
            return paper.canonical
    except InvalidIdError:
        pass  # words of a title
    return query if query.startswith(_URLS) else None


def listed(row: PaperRow, catalogue: Catalogue | None) -> dict[str, Any]:
    """What a list says of a paper."""
    return {
        "id": row.paper_id,
        "title": catalogue.title(row.paper_id) if catalogue is not None else None,
        "status": row.status,
        "failure": row.failure,
        "detail": row.detail,
        "attempts": row.attempts,
        "changed_at": row.changed_at,
    }


def _by_id(ledger: Ledger, wanted: Wanted, beginning: str) -> Found:
    after = _place(wanted.after) if wanted.after is not None else None
    rows = ledger.page_of_papers(
        status=wanted.status, reason=wanted.reason, id_prefix=beginning, after=after, limit=wanted.limit + 1
    )
    has_more, rows = len(rows) > wanted.limit, rows[: wanted.limit]
    return Found(rows, "id", msgspec.json.encode(rows[-1].place).decode() if has_more else None)


# Made here, in one thread: the first use of a type by several threads at once can crash msgspec.
_PLACE = msgspec.json.Decoder(PlaceInList)


def _place(text: str) -> PlaceInList:
    try:
        return _PLACE.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise WrongQuestionError("`after` is the `next` of another page") from None


def _by_title(ledger: Ledger, catalogue: Catalogue | None, wanted: Wanted) -> Found:
    if not wanted.query:
        return Found([], "id", None)
    if catalogue is None:
        raise NoTitleIndexError("no titles are known: `add --metadata` brings them")
    after = wanted.after or "0"
    if not after.isascii() or not after.isdigit() or len(after) > 18:
        raise WrongQuestionError("`after` is the `next` of another page")
    narrowed = wanted.status is not None or wanted.reason is not None
    most = MAX_TITLES if narrowed else wanted.limit + 1
    titles = catalogue.find_titles(wanted.query, int(after), most)
    rows: list[PaperRow] = []
    for number, title in enumerate(titles, 1):
        rows += [row for row in _rows_of(ledger, title.paper_id) if _is_wanted(row, wanted)]
        if len(rows) >= wanted.limit and number < len(titles):
            return Found(rows, "title", str(title.number))
    return Found(rows, "title", str(titles[-1].number) if len(titles) == most else None)


def _rows_of(ledger: Ledger, paper_id: str) -> list[PaperRow]:
    """The row of a paper; where only versions of it were added, theirs."""
    row = ledger.paper(paper_id)
    return [row] if row is not None else ledger.page_of_papers(id_prefix=paper_id + "v", limit=VERSIONS)


def _is_wanted(row: PaperRow, wanted: Wanted) -> bool:
    if wanted.reason is not None and (row.status, row.failure) != (Status.FAILED, wanted.reason):
        return False
    return wanted.status in (None, row.status)
