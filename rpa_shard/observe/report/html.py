"""Pieces of HTML: text that is only text, tables, bars.

Guarantee: pure; whatever a text contains, it is shown as text and can neither end an element nor turn the direction of
writing. Limit: only what the report needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from rpa_shard.model.id_forms.grammar import shown

MAX_CHARACTERS = 400


def text(value: object) -> str:
    """A value as the text of an element or an attribute."""
    return escape(shown(str(value), MAX_CHARACTERS))


def element(name: str, content: str, **attributes: str) -> str:
    """An element; `content` is HTML, the attributes are plain text (`class_` is class), and left out if empty."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items() if value
    )
    return f"<{name}{given}>{content}</{name}>"


def paragraph(content: str, **attributes: str) -> str:
    """A paragraph of plain text."""
    return element("p", text(content), **attributes)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, numbers: Sequence[int] = ()) -> str:
    """A table of plain text; `numbers` are the columns that hold numbers."""
    return raw_table(head, ([text(cell) for cell in row] for row in rows), caption=caption, numbers=numbers)


def raw_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, numbers: Sequence[int] = ()) -> str:
    """As `table`, but the cells are HTML."""
    kind = ["n" if column in numbers else "" for column in range(len(head))]
    heads = "".join(f'<th scope="col"{_class(kind[column])}>{text(name)}</th>' for column, name in enumerate(head))
    body = "".join(
        "<tr>" + "".join(f"<td{_class(kind[column])}>{cell}</td>" for column, cell in enumerate(row)) + "</tr>\n"
        for row in rows
    )
    title = element("caption", text(caption))
    return f'<div class="scroll"><table>{title}<thead><tr>{heads}</tr></thead>\n<tbody>{body}</tbody></table></div>'


def bars(name: str, counts: Mapping[str, Sequence[int]], kinds: Sequence[str], *, caption: str) -> str:
    """A table with a bar for each row: `counts` has the numbers of each row, one for each of `kinds`."""
    most = max((sum(row) for row in counts.values()), default=0) or 1
    rows = ([text(label), *(f"{number:,}" for number in row), bar(row, most)] for label, row in counts.items())
    return raw_table([name, *kinds, ""], rows, caption=caption, numbers=range(1, 1 + len(kinds)))


def bar(parts: Sequence[float], most: float) -> str:
    """A bar of several parts beside each other, as a picture that says nothing new."""
    at, drawn = 0.0, []
    for number, part in enumerate(parts):
        width = 100 * part / most
        drawn.append(f'<rect class="s{number}" x="{at:.2f}%" width="{width:.2f}%" height="100%"/>')
        at += width
    return f'<svg class="bar" aria-hidden="true">{"".join(drawn)}</svg>'


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def section(title: str, *content: str, note: str = "", class_: str = "") -> str:
    """A section with its heading; a note says what the figures are of."""
    head = element("h2", text(title) + (f" <small>{text(note)}</small>" if note else ""))
    return element("section", "\n".join([head, *content]), class_=class_)
