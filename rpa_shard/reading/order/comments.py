"""Where comments come in the order of reading: a comment that lies on a column's lines cuts no sentence of it.

Guarantee: pure; all pieces of all rows are kept, the text's in their order and the comments' in theirs. Limit: a
sentence that takes more than `MAX_ROWS` rows is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rpa_shard.reading.lines import Line

MAX_ROWS = 12
_SENTENCE_ENDS = (".", ":", "?", "!", ".”", '."')

Rows = list[list[Line]]


def after_sentences(rows: Sequence[Sequence[Line]], is_comment: Callable[[Line], bool]) -> Rows:
    """The rows of a page with every comment as rows of its own, after the end of the sentence that it lies in."""
    found: Rows = []
    waiting: Rows = []
    waited = 0
    before: list[Line] = []
    for row in rows:
        text = [piece for piece in row if not is_comment(piece)]
        if text:
            found.append(text)
            before = text
            waited += bool(waiting)
        waiting += [[piece] for piece in row if is_comment(piece)]
        if not before or waited >= MAX_ROWS or before[-1].text.rstrip().endswith(_SENTENCE_ENDS):
            found += waiting
            waiting, waited = [], 0
    return found + waiting
