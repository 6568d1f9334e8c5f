"""What a model is shown of a paper: title, authors, abstract, then the text, cut where it does not fit.

Guarantee: pure; the same paper and the same room give the same bytes, and they fit the room. Complete sections are left
out in a fixed order (`Kind`); only a section that alone is too long, or the last one, is cut, where a paragraph ends.
What is missing is marked in the document and named in its record. Limit: references are never shown, only how many
there are; how many tokens a text has is estimated by whoever calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.phases.writing.material.paper_text import Kind, PaperText, Part

CountTokens = Callable[[str], int]

# A document of fewer tokens than this of the text says too little about a paper.
MIN_TEXT_TOKENS = 50
BEGINNING = "what comes before the first heading"
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
BEGIN = "The paper, between the lines of equals signs:\n" + "=" * 20 + "\n"
_END = "\n" + "=" * 20
_MARK_TOKENS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The text that a model is shown, and what of the paper is not in it. `tokens` is an estimate.

    `left_out` are headings of sections, `shortened` is the heading of the section that was cut; empty: of the text.
    """

    text: str
    tokens: int
    left_out: tuple[str, ...] = ()
    shortened: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether all of the text is in it."""
        return not self.left_out and self.shortened is None


def fitted(paper: PaperText, room: int, tokens_of: CountTokens) -> Document:
    """The document of a paper that has at most `room` tokens. Raises PaperError(LLM_OVERLONG)."""
    estimated = room
    while True:
        kept = _kept(paper, estimated, tokens_of)
        text = _written(paper, kept)
        tokens = tokens_of(text)
        if tokens <= room or not any(kept):
            break
        # What marks the gaps also takes room, and together the parts may have more tokens than one by one.
        estimated -= tokens - room
    shown = tokens_of("\n".join(filter(None, kept)))
    if tokens > room or shown < min(MIN_TEXT_TOKENS, sum(tokens_of(part.text) for part in paper.parts)):
        raise PaperError(Failure.LLM_OVERLONG, f"too little of its text fits into {room} tokens")
    pairs = list(zip(paper.parts, kept, strict=True))
    return Document(
        text=text,
        tokens=tokens,
        left_out=tuple(part.title or BEGINNING for part, rest in pairs if not rest),
        shortened=next((part.title for part, rest in pairs if rest and rest != part.text), None),
    )


def _kept(paper: PaperText, room: int, tokens_of: CountTokens) -> list[str]:
    """What is kept of each part; empty: it is left out."""
    kept = [part.text for part in paper.parts]
    costs = [tokens_of(text) for text in kept]
    left = room - tokens_of(_written(paper, [""] * len(kept), marks=False))
    for index in _order(paper.parts):
        over = sum(costs) - left
        if over <= 0:
            break
        # What is left when all else has been left out is cut, too.
        is_cut = costs[index] > left or paper.parts[index].kind >= Kind.INTRODUCTION
        kept[index] = _beginning(kept[index], costs[index] - over - _MARK_TOKENS, tokens_of) if is_cut else ""
        costs[index] = tokens_of(kept[index]) + _MARK_TOKENS if kept[index] else 0
    return kept


def _order(parts: Sequence[Part]) -> list[int]:
    """The indices of the parts in the order in which they are left out: by kind, the last one first."""
    return sorted(range(len(parts)), key=lambda index: (parts[index].kind, -index))


def _beginning(text: str, room: int, tokens_of: CountTokens) -> str:
    """As many paragraphs as fit; of a first one that does not, as many sentences."""
    for pieces, between in (([each for each in text.split("\n") if each.strip()], "\n\n"), (_sentences(text), " ")):
        fitting = _fitting(pieces, between, room, tokens_of)
        if fitting:
            return fitting
    return ""


def _sentences(text: str) -> list[str]:
    return _SENTENCE_END.split(text)


def _fitting(pieces: Sequence[str], between: str, room: int, tokens_of: CountTokens) -> str:
    """The longest beginning that fits, by bisection: estimates are cheap, but long texts have many pieces."""
    low, high = 0, len(pieces)
    while low < high:
        middle = (low + high + 1) // 2
        if tokens_of(between.join(pieces[:middle])) <= room:
            low = middle
        else:
            high = middle - 1
    return between.join(pieces[:low])


def _written(paper: PaperText, kept: Sequence[str], *, marks: bool = True) -> str:
    blocks = [f"Title: {paper.title or 'not known'}"]
    if paper.authors:
        blocks.append(f"Authors: {paper.authors}")
    if paper.abstract:
        blocks.append(f"Abstract: {paper.abstract}")
    missing = 0
    for part, text in zip(paper.parts, kept, strict=True):
        if not text:
            missing += 1
            continue
        blocks += [_mark(missing)] if missing and marks else []
        missing = 0
        blocks.append(text)
        if text != part.text:
            blocks.append("[The rest of this section is left out: it did not fit.]")
    blocks += [_mark(missing)] if missing and marks else []
    if paper.references:
        blocks.append(f"[{paper.references} references are left out.]")
    return BEGIN + "\n\n".join(blocks) + _END


def _mark(missing: int) -> str:
    return f"[Left out here, since it did not fit: {missing} sections]"
