"""The tags that papers may have: a list made of the corpus, and the check of what a model proposes.

Guarantee: pure and deterministic. No tag is a stop word, a number, a single letter or a part of a URL. Limit: the list
says what titles are made of; whether a tag fits a paper is the model's judgement.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from rpa_shard.model.category_names import category_name
from rpa_shard.phases.signals.stop_words import EMPTY_WORDS
from rpa_shard.phases.signals.terms import plain, without_urls

MAX_LISTED, MAX_CATEGORIES = 300, 60
MAX_TAGS, MAX_TAG_WORDS = 8, 5
# A term is listed if so many titles have it.
MIN_TITLES = 2
TERM_WORDS = 3
# A term of one word has so many letters.
MIN_SINGLE = 3
# A term that is nearly always a part of one and the same longer term is not listed besides it.
PART_SHARE = 0.7
# While titles are counted, no more terms than this are in memory; the rarest are forgotten.
MAX_COUNTED = 300_000

_PIECES = re.compile(r"[^\w\s'’/-]+")
_WORD = re.compile(r"[^\W_]+")
_SEPARATORS = re.compile(r"[\s_/\-‐‑–]+")
_AROUND = ".,;:!?#*\"'`()[]{}<>«»“”‘’ "
_URL = re.compile(r"https?:|www\.|\w\.(?:com|org|net|edu|io)\b", re.IGNORECASE)
# Words that end in s and are no plurals.
_SINGULAR = re.compile(r"(?:ss|us|is|ics|as|os)$")
MIN_PLURAL = 4


class TitleTerms:
    """Counts in how many titles each term of one to three words is, and in how many papers each category."""

    def __init__(self) -> None:
        self._titles: Counter[str] = Counter()
        self._forms: dict[str, str] = {}
        self._categories: Counter[str] = Counter()
        self._least = 1

    def add(self, title: str, categories: Iterable[str] = ()) -> None:
        """Counts one paper."""
        self._categories.update(set(categories))
        for key, form in {_key(term): term for term in _terms_of(title)}.items():
            self._titles[key] += 1
            # Of several forms the singular, or the one that comes first in order, whichever paper came first.
            self._forms[key] = min(form, self._forms.get(key, form), key=lambda each: (each != key, each))
        if len(self._titles) > MAX_COUNTED:
            self._forget_the_rarest()

    def tags(self) -> tuple[str, ...]:
        """The list: names of categories, then terms, each by how many papers have it; at most `MAX_LISTED`."""
        by_papers = sorted(self._categories.items(), key=lambda each: (-each[1], each[0]))
        named = [name for category, _ in by_papers if (name := category_name(category))]
        categories = list({_key(name): name.lower() for name in named}.values())[:MAX_CATEGORIES]
        taken = {_key(name) for name in categories}
        terms = [self._forms[key] for key in _ranked(self._titles) if key not in taken]
        return tuple([*categories, *terms][:MAX_LISTED])

    def _forget_the_rarest(self) -> None:
        while len(self._titles) > MAX_COUNTED // 2:
            self._titles = Counter({key: count for key, count in self._titles.items() if count > self._least})
            self._least *= 2
        self._forms = {key: form for key, form in self._forms.items() if key in self._titles}


def checked_tags(proposed: Iterable[str], allowed: Sequence[str] = ()) -> tuple[str, ...]:
    """The proposed tags that are allowed, as the list writes them, each once, at most `MAX_TAGS`.

    Case, hyphens, spaces and a plural s make no difference. Without a list, whatever says something is allowed, in
    lower case.
    """
    listed = {_key(tag): tag for tag in reversed(allowed)}
    found: dict[str, str] = {}
    for tag in proposed:
        key = _key(tag)
        if key in found or not key:
            continue
        if allowed and key in listed:
            found[key] = listed[key]
        elif not allowed and _says_something(tag):
            found[key] = _written(tag)
    return tuple(found.values())[:MAX_TAGS]


def _ranked(titles: Mapping[str, int]) -> list[str]:
    """The terms by how many titles have them, without those that are little but a part of another one."""
    common = sorted(
        ((key, count) for key, count in titles.items() if count >= MIN_TITLES), key=lambda each: (-each[1], each[0])
    )
    # More than enough, since few are parts.
    common = common[: 4 * MAX_LISTED]
    longest: dict[str, int] = {}
    for key, count in common:
        for part in _parts_of(key):
            longest[part] = max(longest.get(part, 0), count)
    return [key for key, count in common if longest.get(key, 0) < PART_SHARE * count]


def _parts_of(key: str) -> Iterator[str]:
    words = key.split()
    for length in range(1, len(words)):
        for start in range(len(words) - length + 1):
            yield " ".join(words[start : start + length])


def _terms_of(title: str) -> Iterator[str]:
    """The terms of a title: words in a row between which nothing stands, neither a stop word nor a sign."""
    for piece in _PIECES.split(plain(without_urls(title))):
        row: list[str] = []
        parts: set[str] = set()
        for whole in [*piece.split(), ""]:
            words = _words(whole)
            parts.update(words if len(words) > 1 else ())
            for word in words:
                if _is_telling(word):
                    row.append(word)
                else:
                    yield from _in_a_row(row, parts)
                    row = []


def _in_a_row(row: Sequence[str], parts: Collection[str]) -> Iterator[str]:
    """Terms of words that stand side by side; none that is only a part of a hyphenated word, such as `multi`."""
    for start in range(len(row)):
        for end in range(start + 1, min(start + TERM_WORDS, len(row)) + 1):
            if end - start > 1 or (row[start] not in parts and len(row[start]) >= MIN_SINGLE):
                yield " ".join(row[start:end])


def _words(text: str) -> list[str]:
    return [word.strip(_AROUND) for word in _SEPARATORS.split(text)]


def _is_telling(word: str) -> bool:
    return len(word) > 1 and word not in EMPTY_WORDS and _WORD.fullmatch(word) is not None and not word.isdigit()


def _says_something(tag: str) -> bool:
    words = plain(_written(tag)).split()
    return not _URL.search(tag) and len(words) <= MAX_TAG_WORDS and any(map(_is_telling, words))


def _written(tag: str) -> str:
    return " ".join(word for word in _words(tag.lower()) if word)


def _key(tag: str) -> str:
    """The same for all ways to write a tag."""
    return " ".join(_singular(word) for word in _words(plain(tag)) if word)


def _singular(word: str) -> str:
    if len(word) < MIN_PLURAL or not word.endswith("s") or _SINGULAR.search(word):
        return word
    return f"{word[:-3]}y" if word.endswith("ies") and len(word) > MIN_PLURAL else word[:-1]
