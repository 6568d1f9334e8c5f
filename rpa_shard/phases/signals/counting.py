"""Counting over the complete index, now and then: which words are common, and which tags papers may have.

Guarantee: done again only when the index has grown by a quarter, so that it costs little of what indexing costs; in
pages, between which `pause` is called, which may raise to end it; then what was counted before stays. Limit: tags are
made of a sample of the titles.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable

from rpa_shard.phases.signals.index import COUNTED, PAPERS, fact, note_fact, transaction
from rpa_shard.phases.signals.queries import query
from rpa_shard.phases.signals.tags import TitleTerms

GROWTH = 1.25
# A word that more papers than this have, and more than this share of all, is common: nobody searches for it.
COMMON_PAPERS, COMMON_SHARE = 2000, 0.01
SAMPLED_TITLES = 100_000
PAGE_WORDS, PAGE_TITLES = 1000, 500


def must_count_again(connection: sqlite3.Connection) -> bool:
    """Whether the index has grown enough since the last time."""
    papers, counted = fact(connection, PAPERS), fact(connection, COUNTED)
    return papers != counted and (papers >= counted * GROWTH or papers < counted / GROWTH)


def count_again(connection: sqlite3.Connection, pause: Callable[[], None]) -> None:
    """Counts, and notes what was found. Raises sqlite3.Error, and what `pause` raises."""
    papers = fact(connection, PAPERS)
    words = _common_words(connection, max(COMMON_PAPERS, int(papers * COMMON_SHARE)), pause)
    tags = _tags(connection, pause)
    with transaction(connection):
        connection.execute(query("forget_common_words"))
        connection.execute(query("add_common_words"), {"words": json.dumps(words)})
        connection.execute(query("forget_tags"))
        connection.execute(query("add_tags"), {"tags": json.dumps(tags)})
        note_fact(connection, COUNTED, papers)


def _common_words(connection: sqlite3.Connection, papers: int, pause: Callable[[], None]) -> list[str]:
    found: list[str] = []
    if fact(connection, PAPERS) <= papers:
        return found
    after = ""
    while rows := connection.execute(query("page_of_words"), {"after": after, "limit": PAGE_WORDS}).fetchall():
        found += [row["term"] for row in rows if row["doc"] > papers]
        after = rows[-1]["term"]
        pause()
    return found


def _tags(connection: sqlite3.Connection, pause: Callable[[], None]) -> tuple[str, ...]:
    terms = TitleTerms()
    (last,) = connection.execute(query("last_number")).fetchone()
    numbers = range(1, (last or 0) + 1, 1 + (last or 0) // SAMPLED_TITLES)
    for start in range(0, len(numbers), PAGE_TITLES):
        page = json.dumps(list(numbers[start : start + PAGE_TITLES]))
        for row in connection.execute(query("titles"), {"numbers": page}).fetchall():
            terms.add(row["title"], row["categories"].split())
        pause()
    return terms.tags()
