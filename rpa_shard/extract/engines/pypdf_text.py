"""Where pypdf's text stands on the page, from the pieces that it shows while it reads.

Guarantee: the pieces joined are pypdf's text; where they are not, there are no places. Limit: pypdf knows where a
piece begins, not where it ends: right edges and positions inside a piece are estimated by half a letter's height a
letter.
"""

from __future__ import annotations

from collections.abc import Sequence

from rpa_shard.extract.engines.limits import Budget
from rpa_shard.reading.document import Place
from rpa_shard.reading.raw import valid_line, valid_text

_LETTER_WIDTH = 0.46


class Pieces:
    """The pieces of one page's text, gathered by `visit`."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._places: list[tuple[float, float, float]] = []
        self._starts: list[tuple[int, float, float, float, int]] = []

    def visit(self, text: str, cm: Sequence[float], tm: Sequence[float], font: object, font_size: float) -> None:
        """What pypdf calls for each piece: its text, the two matrices, font and size."""
        if not text:
            return
        x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
        y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
        scale = abs(tm[3] * cm[3] + tm[2] * cm[1]) or abs(tm[1] * cm[2]) or 1.0
        self._texts.append(text)
        self._places.append((float(x), float(y), float(font_size) * float(scale)))

    def finish(self, text: str, budget: Budget) -> tuple[str, tuple[Place | None, ...]]:
        """The valid text, and the place of each of its lines."""
        if "".join(self._texts) != text:
            return budget.cut(valid_text(text)), ()
        lines: list[str] = [""]
        places: list[Place | None] = [None]
        offset = 0
        for piece, (x, y, size) in zip(self._texts, self._places, strict=True):
            for number, part in enumerate(piece.split("\n")):
                if number:
                    offset += 1
                    lines.append("")
                    places.append(None)
                part = valid_line(part)
                if part and not part.isspace():
                    right = x + _LETTER_WIDTH * size * len(part)
                    self._starts.append((offset, x, y, size, len(part)))
                    before = places[-1]
                    places[-1] = (
                        Place(round(x, 1), round(y, 1), round(right, 1), round(size, 1))
                        if before is None
                        else before._replace(
                            right=round(max(before.right, right), 1), size=max(before.size, round(size, 1))
                        )
                    )
                lines[-1] += part
                offset += len(part)
        whole = "\n".join(lines)
        kept = budget.cut(whole)
        return kept, tuple(places[: kept.count("\n") + 1])

    def offset_at(self, x: float, y: float) -> int | None:
        """The offset in the text of what stands at or near a point of the page."""
        best: tuple[float, int] | None = None
        for offset, left, baseline, size, length in self._starts:
            if not baseline - 0.4 * size <= y <= baseline + size + 1 or x < left - 4:
                continue
            inside = min(int((x - left) / max(_LETTER_WIDTH * size, 0.1)), length - 1)
            distance = x - left
            if best is None or distance < best[0]:
                best = distance, offset + max(inside, 0)
        return best[1] if best else None
