"""Counting in a sample of the index, now and then: which words are common, and which tags papers may have.

Guarantee: costs the same however many papers there are, and is done again only when the index has grown by a quarter;
between pages `pause` is called, which may raise to end it; then what was counted before stays. Limit: of a large corpus
a sample, evenly spread over the order in which papers were indexed.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable

from rpa_shard.phases.signals.index import COUNTED, PAPERS, fact, note_fact, transaction
from rpa_shard.phases.signals.queries import query
from rpa_shard.phases.signals.tags import TitleTerms
from rpa_shard.phases.signals.terms import words_of

GROWTH = 1.25
# A word that more papers than this have, and more than this share of all, is common: nobody searches for it, since to
# find out in how many papers it is takes long.
COMMON_PAPERS, COMMON_SHARE = 500, 0.002
# Of so many papers titles are read, and of one in so many of these the abstract as well.
SAMPLED_TITLES, ABSTRACT_EVERY = 20_000, 4
PAGE_PAPERS = 100
# A shorter list would give papers the same tags, whatever they are about; then there is none.
LEAST_TAGS = 20


def must_count_again(connection: sqlite3.Connection) -> bool:
    """Whether the index has grown enough since the last time."""
    papers, counted = fact(connection, PAPERS), fact(connection, COUNTED)
    return papers != counted and (papers >= counted * GROWTH or papers < counted / GROWTH)


def count_again(connection: sqlite3.Connection, pause: Callable[[], None]) -> None:
    """Counts, and notes what was found. Raises sqlite3.Error, and what `pause` raises."""
    papers = fact(connection, PAPERS)
    terms, words, read = TitleTerms(), Counter[str](), 0
    (last,) = connection.execute(query("last_number")).fetchone()
    numbers = range(1, (last or 0) + 1, 1 + (last or 0) // SAMPLED_TITLES)
    for start in range(0, len(numbers), PAGE_PAPERS):
        page = json.dumps(list(numbers[start : start + PAGE_PAPERS]))
        for place, row in enumerate(connection.execute(query("texts"), {"numbers": page}).fetchall()):
            terms.add(row["title"], row["categories"].split())
            if place % ABSTRACT_EVERY == 0:
                words.update(words_of(row["title"], row["abstract"]))
                read += 1
        pause()
    # A share of all papers, and at least so many papers.
    least = read * max(COMMON_SHARE, COMMON_PAPERS / papers) if papers else 0.0
    tags = terms.tags()
    common = [word for word, count in words.items() if count > least]
    with transaction(connection):
        connection.execute(query("forget_common_words"))
        connection.execute(query("add_common_words"), {"words": json.dumps(common)})
        connection.execute(query("forget_tags"))
        connection.execute(query("add_tags"), {"tags": json.dumps(tags if len(tags) >= LEAST_TAGS else ())})
        note_fact(connection, COUNTED, papers)
