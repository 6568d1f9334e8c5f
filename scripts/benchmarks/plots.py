"""Small line charts as SVG, without a library.

Guarantee: plain SVG 1.1 text that any browser shows, the same for the same numbers. Limit: one chart per file, lines
with dots, logarithmic or linear axes, the legend in the order of the series.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 80, 30, 40, 50
_COLOURS = ("#1b6ca8", "#c8553d", "#4a7c59", "#8e6c8a", "#b58900")

Series = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values and their positions; `ticks` are the labelled values."""

    label: str
    least: float
    most: float
    logarithmic: bool
    ticks: Sequence[float]

    def part(self, value: float) -> float:
        """Where a value lies, from 0 to 1."""
        if self.logarithmic:
            return (math.log(value) - math.log(self.least)) / ((math.log(self.most) - math.log(self.least)) or 1.0)
        return (value - self.least) / ((self.most - self.least) or 1.0)


def line_chart(title: str, x_label: str, y_label: str, lines: Mapping[str, Series]) -> str:
    """The chart of named lines: the x axis is logarithmic, the y axis begins at 0."""
    xs = sorted({x for line in lines.values() for x, _ in line})
    highest = max(y for line in lines.values() for _, y in line) or 1.0
    x_axis = Axis(x_label, xs[0], xs[-1], True, xs)
    step = _round_step(highest / 4)
    top = math.ceil(highest / step) * step
    y_axis = Axis(y_label, 0.0, top, False, [step * n for n in range(round(top / step) + 1)])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(WIDTH / 2, 20, title, "middle", size=15),
        *_grid(x_axis, y_axis),
    ]
    for number, (name, line) in enumerate(lines.items()):
        parts += _line(line, x_axis, y_axis, _COLOURS[number % len(_COLOURS)])
        if len(lines) > 1:
            parts.append(_text(LEFT + 10, TOP + 14 + 16 * number, name, "start", _COLOURS[number % len(_COLOURS)]))
    return "\n".join([*parts, "</svg>", ""])


def _grid(x_axis: Axis, y_axis: Axis) -> list[str]:
    parts = [_text(_x(x_axis, tick), HEIGHT - BOTTOM + 18, _short(tick), "middle") for tick in x_axis.ticks]
    for tick in y_axis.ticks:
        y = _y(y_axis, tick)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y + 4, _short(tick), "end"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_axis.label, "middle"))
    parts.append(_text(LEFT - 8, TOP - 10, y_axis.label, "start"))
    return parts


def _line(line: Series, x_axis: Axis, y_axis: Axis, colour: str) -> list[str]:
    points = [(_x(x_axis, x), _y(y_axis, y)) for x, y in line]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots]


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.part(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.part(value) * (HEIGHT - TOP - BOTTOM)


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#333", size: int = 12) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}" font-size="{size}">{escape(text)}</text>'


def _round_step(value: float) -> float:
    """The next of 1, 2, 5, 10 … at or above a value."""
    magnitude: float = 10.0 ** math.floor(math.log10(value))
    return next(step * magnitude for step in (1, 2, 5, 10) if step * magnitude >= value * 0.999)


def _short(value: float) -> str:
    for size, mark in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{mark}"
    return f"{value:g}"
