"""Plots as SVG, without a library: numbers over time, and how values are distributed.

Guarantee: pure; the same text for the same numbers; colours come from the page, so that a plot follows its theme; each
plot has a title and a description for those who do not see it. Limit: a plot is drawn at one width and scaled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo

from rpa_shard.observe.report.axes import Bin, Tick, in_short, number_ticks, time_ticks
from rpa_shard.observe.report.html import text

LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 26
WIDE, NARROW, HEIGHT = 900, 430, 210
# The colours of the page: those of series, and the last for what is not shown by itself.
SERIES, OTHERS = 5, 5
# The distance of labels that do not touch.
LABEL_WIDTH = 45
LEAST_PLACES = 8


class Canvas:
    """A plot in the making; `name` is its own in its page, a word.

    `x` and `y` are from 0 to 1, from the lower left corner of its field.
    """

    def __init__(self, name: str, width: int, title: str, description: str) -> None:
        self._width = width
        self._parts = [
            f'<svg viewBox="0 0 {width} {HEIGHT}" role="img" aria-labelledby="{name}-t {name}-d">',
            f'<title id="{name}-t">{text(title)}</title><desc id="{name}-d">{text(description)}</desc>',
        ]

    def x(self, part: float) -> float:
        return LEFT + part * (self._width - LEFT - RIGHT)

    def y(self, part: float) -> float:
        return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)

    def draw(self, svg: str) -> None:
        self._parts.append(svg)

    def label(self, x: float, y: float, content: str, anchor: str) -> None:
        self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text(content)}</text>')

    def heights(self, ticks: Sequence[Tick]) -> None:
        """The horizontal lines and their numbers."""
        for tick in ticks:
            y = self.y(tick.at / ticks[-1].at)
            self.draw(f'<path class="{"grid" if tick.at else "axis"}" d="M{LEFT} {y:.1f}H{self._width - RIGHT}"/>')
            self.label(LEFT - 6, y + 4, tick.label, "end")

    def below(self, part: float, content: str) -> None:
        """A mark below the field, and its label, which stays inside the picture."""
        x, half = self.x(part), LABEL_WIDTH / 2
        self.draw(f'<path class="axis" d="M{x:.1f} {self.y(0):.1f}v4"/>')
        self.label(min(max(x, half), self._width - half), HEIGHT - 7, content, "middle")

    def done(self) -> str:
        return "\n".join([*self._parts, "</svg>"])


def over_time(
    name: str,
    title: str,
    series: Mapping[str, Sequence[float]],
    begins: float,
    ends: float,
    zone: tzinfo,
    *,
    whole: bool,
) -> str:
    """Series on top of each other, each with one number for every part of the time from `begins` to `ends`.

    `whole`: the numbers count something.
    """
    parts = max((len(each) for each in series.values()), default=1)
    totals = [sum(values) for values in zip(*series.values(), strict=True)] or [0.0]
    description = f"From {in_short(min(totals))} to {in_short(max(totals))}; the numbers are in the table below."
    canvas = Canvas(name, WIDE, title, description)
    ticks = number_ticks(max(totals), whole=whole)
    canvas.heights(ticks)
    base = [0.0] * parts
    for number, values in enumerate(series.values()):
        top = [low + value for low, value in zip(base, values, strict=True)]
        canvas.draw(_layer(canvas, base, top, ticks[-1].at, min(number, OTHERS)))
        base = top
    for tick in time_ticks(begins, ends, zone):
        canvas.below((tick.at - begins) / (ends - begins), tick.label)
    return canvas.done()


def _layer(canvas: Canvas, base: Sequence[float], top: Sequence[float], most: float, colour: int) -> str:
    """A layer with steps, from one line of heights up to another."""
    parts = range(len(top))
    there = [_point(canvas, end / len(top), top[part] / most) for part in parts for end in (part, part + 1)]
    back = [_point(canvas, end / len(base), base[part] / most) for part in reversed(parts) for end in (part + 1, part)]
    return f'<path class="s{colour}" d="M{"L".join([*there, *back])}Z"/>'


def _point(canvas: Canvas, x: float, y: float) -> str:
    return f"{canvas.x(x):.1f} {canvas.y(y):.1f}"


def histogram(
    name: str, title: str, bins: Sequence[Bin], in_words: Callable[[float], str], marks: Mapping[float, str]
) -> str:
    """How many values are in each bin; bins are equally wide. `marks` are the labels of lower ends."""
    count = sum(each.count for each in bins)
    description = f"{count:,} values; the numbers are in the table beside it." if bins else "No values."
    canvas = Canvas(name, NARROW, title, description)
    ticks = number_ticks(max((each.count for each in bins), default=0), whole=True)
    canvas.heights(ticks)
    last_label = -LABEL_WIDTH * 1.0
    # A few bins stay in the middle, as wide as if there were more of them.
    places = max(len(bins), LEAST_PLACES)
    first = (places - len(bins)) // 2
    for number, each in enumerate(bins, first):
        left, right = canvas.x(number / places), canvas.x((number + 1) / places)
        top = canvas.y(each.count / ticks[-1].at)
        hint = f"<title>{text(in_words(each.least))} or more: {each.count:,}</title>"
        height = canvas.y(0) - top
        shape = f'x="{left + 0.5:.1f}" y="{top:.1f}" width="{max(right - left - 1, 0.5):.1f}" height="{height:.1f}"'
        canvas.draw(f'<rect class="s0" {shape}>{hint}</rect>')
        if each.least in marks and left - last_label >= LABEL_WIDTH:
            canvas.below(number / places, marks[each.least])
            last_label = left
    return canvas.done()
