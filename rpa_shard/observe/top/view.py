"""What the person has chosen to see, and what a key does to it.

Guarantee: pure; every key is answered, and what was chosen stays chosen while lists change around it. Limit: what can
be chosen and how far one can scroll is what the screen showed last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from rpa_shard.observe.top.lists import Item, Order


class Tab(IntEnum):
    """What the screen shows below its head."""

    ALL = 1
    WORKERS = 2
    SHARDS = 3
    HOSTS = 4
    PAPERS = 5
    FAILURES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is to be shown. `row` is the place of `chosen` in its list, for when it has left it.

    `opened` is the paper that is shown on its own; `top` and `page_top` are how far the tab and the page on top of it
    (help, or the paper) are scrolled.
    """

    tab: Tab = Tab.ALL
    order: Order = Order.TIME
    chosen: Item | None = None
    row: int = 0
    top: int = 0
    help: bool = False
    opened: str | None = None
    page_top: int = 0

    @property
    def has_page(self) -> bool:
        """Whether help or a paper is on top of everything."""
        return self.help or self.opened is not None


@dataclass(frozen=True, slots=True)
class Reach:
    """What a screen let the person reach: items, the last line to which one can scroll, how many lines a page has."""

    items: Sequence[Item] = ()
    last_top: int = 0
    page_rows: int = 1


def pressed(view: View, key: str, reach: Reach) -> View:
    """The view after a key, by Textual's name of it."""
    if key in _MOVES:
        return _moved(view, _MOVES[key](reach), reach)
    if view.has_page:
        return replace(view, help=False, opened=None, page_top=0) if key in _BACK else _with_help(view, key)
    if key.isdigit() and int(key) in list(Tab):
        return _at_tab(view, Tab(int(key)))
    action = _ACTIONS.get(key)
    return action(view) if action is not None else _with_help(view, key)


def settled(view: View, items: Sequence[Item]) -> View:
    """The view with a choice among `items`: the same one, or what is in its place now."""
    if view.chosen in items:
        return replace(view, row=items.index(view.chosen))
    if view.chosen is None or not items:
        return replace(view, chosen=None)
    row = min(view.row, len(items) - 1)
    return replace(view, chosen=items[row], row=row)


def _moved(view: View, by: int, reach: Reach) -> View:
    if view.has_page:
        return replace(view, page_top=_within(view.page_top + by, reach.last_top))
    if view.tab in (Tab.ALL, Tab.PAPERS, Tab.FAILURES):
        if not reach.items:
            return view
        # With nothing chosen yet one comes from outside: the first key down chooses the first.
        outside = -1 if by > 0 else len(reach.items)
        row = _within((view.row if view.chosen is not None else outside) + by, len(reach.items) - 1)
        return replace(view, chosen=reach.items[row], row=row)
    return replace(view, top=_within(view.top + by, reach.last_top))


def _within(number: int, last: int) -> int:
    return max(0, min(number, last))


def _at_tab(view: View, tab: Tab) -> View:
    return replace(view, tab=tab, top=0)


def _next_tab(view: View, by: int) -> View:
    tabs = list(Tab)
    return _at_tab(view, tabs[(tabs.index(view.tab) + by) % len(tabs)])


def _opened(view: View) -> View:
    return replace(view, opened=view.chosen.paper_id, page_top=0) if view.chosen is not None else view


def _sorted(view: View) -> View:
    orders = list(Order)
    return replace(view, order=orders[(orders.index(view.order) + 1) % len(orders)])


def _with_help(view: View, key: str) -> View:
    return replace(view, help=True, page_top=0) if key in ("question_mark", "h", "f1") else view


_FAR = 2**31
_MOVES: Mapping[str, Callable[[Reach], int]] = {
    "up": lambda reach: -1,
    "k": lambda reach: -1,
    "down": lambda reach: 1,
    "j": lambda reach: 1,
    "pageup": lambda reach: -reach.page_rows,
    "pagedown": lambda reach: reach.page_rows,
    "space": lambda reach: reach.page_rows,
    "home": lambda reach: -_FAR,
    "g": lambda reach: -_FAR,
    "end": lambda reach: _FAR,
    "G": lambda reach: _FAR,
}
_BACK = frozenset({"escape", "enter", "left", "backspace", "question_mark", "h", "f1"})
_ACTIONS: Mapping[str, Callable[[View], View]] = {
    "tab": lambda view: _next_tab(view, 1),
    "right": lambda view: _next_tab(view, 1),
    "shift+tab": lambda view: _next_tab(view, -1),
    "left": lambda view: _next_tab(view, -1),
    "enter": _opened,
    "s": _sorted,
    "escape": lambda view: replace(view, chosen=None, row=0, top=0),
}
