"""Joins the lines of a paragraph or of a reference into one.

Guarantee: pure; linear in the length of the lines. Identifiers come out complete: a URL, a DOI or an arXiv id broken
over lines is joined without a space. A hyphen at a line's end is dropped if it only marked the break, and kept in
compounds (`state-of-the-art`), before digits and capitals, and inside identifiers. Limit: if neither the joined nor the
hyphenated word occurs elsewhere in the document, the rule guesses from the word before the hyphen.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable

HYPHENS = "-‐\u00ad"
MAX_TOKEN_CHARACTERS = 300
MAX_SEARCHED_CHARACTERS = 1_000_000_000
_SIGNS = ".,;:()[]“”"
_WORD_BEFORE = re.compile(r"((?<![^\W\d_])[^\W\d_]++(?:[-‐][^\W\d_]++)*)[-‐\u00ad]$")
_WORD_AFTER = re.compile(r"[^\W\d_]+")
# Words that usually keep their hyphen: "self-", "well-".
_KEEPERS = frozenset(
    """
    self well cross high low long short full real large small two three four five one six first second third left
    right open closed fine coarse time multi non quasi semi single double many all half ever so best worst state
    """.split()
)
# What occurs only inside a URL, a DOI or an arXiv id, or begins one.
_IDENTIFIER = re.compile(r"(?:https?|ftp)://|www\.|10\.\d{4,9}/|arxiv|^abs/|doi[:.]", re.IGNORECASE)
_OLD_ARCHIVE_END = re.compile(r"(?:^|[\s:\[(])(?:[a-z]{2,8}-?[a-z]*(?:\.[A-Za-z-]{2,8})?)/$", re.IGNORECASE)
# Words that may be the beginning of an identifier.
_BROKEN_STARTS = frozenset("arxiv doi http https".split())
_BREAK_AFTER = "/_=&?%~#+@-"
_CONTINUES = re.compile(r"[a-zA-Z0-9._~%()<>;:=&?#/-]+")
_BRACKETED_YEAR = re.compile(r"\(?(?:19|20)?\d{0,2}\)\d")
_YEAR = re.compile(r"\(?(?:19|20)\d\d[a-z]?\)?[.,;:]?$")
_NEW_THING = re.compile(
    r"(?:url|doi|arxiv|http|https|isbn|issn|pmid|pmcid|accessed|and|in|on|the|available|online|last|visited|see|pp?|"
    r"vol|no|eprint|epub|preprint|ref|refs|cited|page|pages|of|for|to|a|an|with|by|from|at)\b",
    re.IGNORECASE,
)
_DIGITS_END = re.compile(r"(?:arxiv\s?:?\s?|abs/|pdf/|^|\[)\d{4}\.\d{0,4}$", re.IGNORECASE)
_FIRST_DIGITS = re.compile(r"arxiv\s?:\s?\d{1,4}$|arxiv\s?:$", re.IGNORECASE)
_SCHEME_END = re.compile(r"(?:https?:/{0,2}|doi:|10\.\d{1,9}\.?)$", re.IGNORECASE)
_OLD_DIGITS = re.compile(r"[a-z]/\d{1,6}$", re.IGNORECASE)
_DIGITS_NEXT = re.compile(r"\d{1,5}(?:v\d+)?(?:\D|$)")
_ARXIV_REST = re.compile(r"\d{0,4}\.\d{4,5}|\d{1,4}\.")
_OLD_NUMBER = re.compile(r"\d{7}(?:\D|$)")
_OLD_REST = re.compile(r"\d{7}(?:v\d+)?(?:\D|$)")
_SCHEME_REST = re.compile(r"(?:.{0,40}[^\d.])?(?:10\.\d{4,9}/\S|https?://\S)")
# What two lines make if joined where the break is in the letters before the first slash.
_JOINED_AT_LETTERS = re.compile(
    r"(?:(?:https?|ftp)://[\w-]|(?:[a-z]{2,8}-[a-z]{2,4}|math|cs|nlin|physics|cmp-lg)(?:\.[a-z-]{2,8})?/\d{7}(?!\d))",
    re.IGNORECASE,
)


class Words:
    """The words of a document, gathered when first asked for; hyphenated ones count as one."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._words: frozenset[str] | None = None

    def __contains__(self, word: object) -> bool:
        if self._words is None:
            text = self._text
            for sign in _SIGNS:  # six times faster than a regular expression for words
                text = text.replace(sign, " ")
            self._words = frozenset(text.split())
        return word in self._words


class TextOrWords:
    """The document's text, searched for words as long as these are few; from then on its words.

    Searching the text is faster for a few words, and slower for many.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._words = Words(text)
        self._searches = MAX_SEARCHED_CHARACTERS // max(len(text), 1)

    def __contains__(self, word: object) -> bool:
        if self._searches <= 0:
            return word in self._words
        self._searches -= 1
        return str(word) in self._text


def join_lines(lines: Iterable[str], words: Container[str]) -> str:
    """The lines as one; `words` are those of the document, needed to decide about hyphens."""
    joined: list[str] = []
    tail = ""
    for line in lines:
        line = line.strip()
        if not line:
            continue
        between = ""
        if joined:
            between, drops_hyphen = joint(tail, line, words)
            if drops_hyphen:
                joined[-1] = joined[-1][:-1]
                tail = ""
        joined.append(between + line)
        # The end of the text so far decides how the next line is joined to it.
        tail = (line if between else tail + line)[-MAX_TOKEN_CHARACTERS:]
    return "".join(joined)


def joint(before: str, after: str, words: Container[str]) -> tuple[str, bool]:
    """What separates two lines ("" or " "), and whether the hyphen that ends the first is dropped."""
    token = before[before.rfind(" ") + 1 :]
    if token.isalpha() or (token[:-1].isalpha() and token[-1] in ",;"):
        if token.lower() in _BROKEN_STARTS or "/" in after[:MAX_TOKEN_CHARACTERS].partition(" ")[0]:
            return ("" if _inside_identifier(before, token, after) else " "), False
        return " ", False  # the usual case
    if _inside_identifier(before, token, after):
        return "", False
    if before[-1] not in HYPHENS:
        return " ", False
    left, right = _WORD_BEFORE.search(before), _WORD_AFTER.match(after)
    if left is None:
        return (" ", False) if token in HYPHENS else ("", False)
    if right is None or not right[0][0].islower() or "/" in after.partition(" ")[0]:
        return "", before[-1] == "\u00ad"
    if before[-1] == "\u00ad":
        return "", True
    if right[0] in {"and", "or", "to"} and len(left[1]) < 8:
        return " ", False  # "pre- and post-"
    return "", _drops_hyphen(left[1], right[0], words)


def _drops_hyphen(left: str, right: str, words: Container[str]) -> bool:
    if "-" in left or "‐" in left:
        return False
    if not left[-1].islower() and len(left) > 1:
        return False
    if left + right in words:
        return True
    if f"{left}-{right}" in words:
        return False
    return left.lower() not in _KEEPERS


def _inside_identifier(before: str, token: str, after: str) -> bool:
    """Whether the line's end is inside a URL, a DOI or an arXiv id."""
    head = after[:MAX_TOKEN_CHARACTERS].split(" ", 1)[0]
    if head[0].isdigit():
        inside = _inside_arxiv_number(before, token, head)
        if inside is not None:
            return inside
    if "/" in head:
        start = token if "://" in head else token.lstrip('([<"').rpartition(":")[2]
        if _JOINED_AT_LETTERS.match(start + head):
            return True
    if token.lower() in {"http:", "https:", "http:/", "https:/"}:
        return head.startswith("/")
    if _IDENTIFIER.search(token) is None:
        return bool(_SCHEME_END.search(token)) and _SCHEME_REST.match(token.lower() + head.lower()) is not None
    return _continues(token, head)


def _inside_arxiv_number(before: str, token: str, head: str) -> bool | None:
    """Whether a line that begins with digits continues an arXiv id; None if nothing suggests one."""
    if _DIGITS_END.search(before) and _DIGITS_NEXT.match(head):
        return True
    if _FIRST_DIGITS.search(before) and _ARXIV_REST.match(head):
        return before[-1] != ":" or not _YEAR.match(head)
    if _OLD_ARCHIVE_END.search(token) and _OLD_NUMBER.match(head):
        return True
    if _OLD_DIGITS.search(token) and _OLD_REST.match(token[token.rfind("/") + 1 :] + head):
        return True
    return None


def _continues(token: str, head: str) -> bool:
    """Whether the next line's first token continues the identifier that the last token belongs to."""
    match = _CONTINUES.match(head)
    if match is None or _NEW_THING.match(head):
        return False
    last, rest = token[-1], match[0].rstrip(".,;:)")
    if last in _BREAK_AFTER:
        return not (last == "-" and len(token) < 12 and head[0].isupper()) or "://" in token
    if _BRACKETED_YEAR.match(head) or (last == ")" and "(" in token and head[0].isdigit()):
        return not _YEAR.match(head)  # 10.1007/JHEP06(2013)081
    if last in ",;)]" or head[0] in "([" or _YEAR.match(head):
        return False
    if not rest:
        return head[0] in "/"
    has_digit = any(each.isdigit() for each in rest)
    if last in ".:":
        return (head[0].isdigit() or head[0].islower()) and (has_digit or "/" in rest)
    if head[0] in "./_?=&%#-":
        return True
    return has_digit or "/" in rest or "." in rest
