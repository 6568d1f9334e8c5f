"""The words of a title and an abstract that tell a paper from others.

Guarantee: pure and deterministic; words are as the full-text index has them: lower case, without accents. Limit: words
that are written in other scripts than the index takes for words are passed over.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from rpa_shard.phases.signals.stop_words import EMPTY_WORDS

_WORD = re.compile(r"[^\W_]{3,40}")
_URL = re.compile(r"(?:https?://|www\.)\S+|\b\S+\.(?:com|org|net|edu|io)/\S*", re.IGNORECASE)
# So many words of a paper are looked at, which bounds what is looked up for it.
MAX_WORDS = 200
# How many words are searched for, and how many papers may have any of them: what is ranked is no more than that.
MAX_TERMS, MAX_RANKED = 12, 20_000


def without_urls(text: str) -> str:
    """The text with a blank for each URL."""
    return _URL.sub(" ", text)


def plain(text: str) -> str:
    """The text in lower case, without accents."""
    apart = unicodedata.normalize("NFKD", text.lower())
    return "".join(each for each in apart if not unicodedata.combining(each))


def words_of(title: str, abstract: str) -> tuple[str, ...]:
    """The words that may tell the paper from others, each once, in the order of the text: no stop words, no numbers."""
    found = _WORD.findall(plain(without_urls(f"{title}\n{abstract}")))
    telling = (word for word in found if word not in EMPTY_WORDS and not word.isdigit())
    return tuple(dict.fromkeys(telling))[:MAX_WORDS]


def choose_terms(papers_with: Mapping[str, int], at_least: int) -> tuple[str, ...]:
    """The rarest words, by how many papers have each, of those that `at_least` so many have.

    At most `MAX_TERMS`, and no more than that `MAX_RANKED` papers have any of them, counted for each word.
    """
    chosen: list[str] = []
    ranked = 0
    for papers, word in sorted((papers, word) for word, papers in papers_with.items() if papers >= at_least):
        ranked += papers
        if len(chosen) == MAX_TERMS or (chosen and ranked > MAX_RANKED):
            break
        chosen.append(word)
    return tuple(chosen)


def any_of(terms: Iterable[str]) -> str:
    """The expression of SQLite's full-text search for texts with any of the words."""
    return " OR ".join(f'"{term}"' for term in terms)
