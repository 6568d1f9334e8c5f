"""The complete screen: head, the parts of the chosen tab or a page on top of them, and the keys.

Guarantee: pure; exactly as many lines as the screen has, each at most as wide; what is chosen is on it, if there is
room for any list. Limit: below 20 columns or 6 lines it is not meant to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from rpa_shard.observe.top import head, lists, sections
from rpa_shard.observe.top.lists import Item
from rpa_shard.observe.top.models import models
from rpa_shard.observe.top.nodes import below_nodes, nodes
from rpa_shard.observe.top.sections import Section
from rpa_shard.observe.top.text import BLANK, Line, Span, beside, columns, cut, line, width_of, wrapped_text
from rpa_shard.observe.top.view import Reach, Tab, View, settled
from rpa_shard.observe.top.watched import Watched

# From here on, what is summed up and what is listed stand side by side.
TWO_COLUMNS = 120
# Of the lines below the head, the share that the workers get at most where everything is shown.
WORKERS_SHARE = 5
# With fewer lines than this below the head, what can be said in a heading is.
FEW_ROWS = 26
LEGEND_LINES = 2
ON_THE_LEFT, ON_THE_RIGHT = ("nodes", "workers", "models", "hosts", "shards"), ("waits", "papers", "failures")
PLAIN_ROWS = 10

HELP = (
    "Keys",
    "  1-6, Tab, ← →  everything, workers, shards, hosts, papers in work, failures",
    "  ↑ ↓, j k       choose a paper or a failure, or scroll",
    "  Page Up, Down  a page at a time; Home and End go to the ends",
    "  Enter          open the chosen paper: its state, history, text, references",
    "  Esc            back",
    "  s              sort papers in work: by time, by stage, by id",
    "  ?              this page",
    "  q, Ctrl-C      leave; the run goes on",
    "",
    "Workers",
    "  Each letter is a worker, in the stage that the legend names. A capital letter works. A small one waits, for a "
    "slot or for its turn at a host or a model. A dot has nothing to do.",
    "",
    "Bar",
    "  Papers that are done and failed (█), in work (▓), waiting (▒) and queued (░).",
    "",
    "Figures",
    "  Those of a run are from its status, which it replaces once a second. While no run is on, papers are counted in "
    "the store, and the rest is from the last run.",
)


@dataclass(frozen=True, slots=True)
class Screen:
    """What to show, the view that it shows, and what can be reached from there."""

    lines: Sequence[Line]
    view: View
    reach: Reach


def draw(watched: Watched, view: View, width: int, height: int, now: float, page: Sequence[str] = ()) -> Screen:
    """The screen at a size; `page` has the lines of the paper that is opened."""
    keys = _keys(view, width)
    if view.has_page:
        text = HELP if view.help else page
        shown, reach = _scrolled(_page_lines(text, width), view.page_top, height - 1)
        view = replace(view, page_top=min(view.page_top, reach.last_top))
        return Screen(_exactly([*shown, *[BLANK] * (height - 1 - len(shown)), keys], width, height), view, reach)
    top = _top(watched, width, height)
    rows = max(0, height - len(top) - 1)
    items = _items(watched, view)
    view = settled(view, items)
    if view.tab is Tab.ALL:
        body, reach = _everything(watched, view, width, rows, now), Reach(items, 0, max(1, rows // 2))
    else:
        body, reach = _one(_section(watched, view, width, rows, now), view, items, width, rows)
        view = replace(view, top=min(view.top, reach.last_top))
    return Screen(_exactly([*top, *body[:rows], *[BLANK] * (rows - len(body)), keys], width, height), view, reach)


def snapshot(watched: Watched, width: int, now: float) -> list[Line]:
    """Everything at once, for a stream that is no terminal; long lists are cut."""
    lines = [*_top(watched, width, 100)]
    for section in _made(_parts(watched, View(), width, PLAIN_ROWS * WORKERS_SHARE, now)):
        lines += [BLANK, *_heading(section, width, ""), *section.head, *section.body[:PLAIN_ROWS]]
        if section.lines > PLAIN_ROWS:
            lines.append(line(f"… and {section.lines - PLAIN_ROWS:,} more"))
    return [cut(each, width) for each in lines]


def _top(watched: Watched, width: int, height: int) -> list[Line]:
    account = head.account_lines(watched.account, width)
    pace = head.pace_lines(watched, width)
    lines = [head.title(watched, width), *account, head.bar(watched.account, width), *pace]
    # A few lines stay for the rest.
    return lines[: max(1, height - 6)]


def _items(watched: Watched, view: View) -> list[Item]:
    found: list[Item] = []
    if view.tab in (Tab.ALL, Tab.PAPERS) and watched.on:
        found += [Item(each.paper_id) for each in lists.papers_in_work(watched.run, view.order)]
    if view.tab in (Tab.ALL, Tab.FAILURES):
        found += [Item(each.paper_id, each.at) for each in lists.failures_newest_first(watched.run)]
    return found


def _papers(watched: Watched, view: View, width: int, rows: int) -> Section:
    found = lists.papers_in_work(watched.run, view.order) if watched.on else []
    held = max(len(found), sum(shard.report.held for shard in watched.run.shards)) if watched.on else 0
    return lists.papers(found, held, view.order, view.chosen, width, rows)


def _failures(watched: Watched, view: View, width: int, rows: int) -> Section:
    return lists.failures(lists.failures_newest_first(watched.run), view.chosen, width, rows)


def _section(watched: Watched, view: View, width: int, rows: int, now: float) -> Section:
    """The part of a tab; of a list, what fits below its heading and titles."""
    match view.tab:
        case Tab.WORKERS if watched.on:
            return sections.workers(watched.run, width)
        case Tab.WORKERS:
            return Section(title="Workers", note="none: no run is on")
        case Tab.SHARDS:
            return below_nodes(watched, sections.shards(watched, width), width)
        case Tab.HOSTS:
            waits = sections.waits(watched, now, width)
            hosts = sections.hosts(watched, now, width)
            asked = models(watched, now, width)
            all_of_them = [
                *waits.head, *waits.body, *([BLANK] if waits.body else []),
                *asked.head, *asked.body, *([BLANK] if asked.body else []),
                *hosts.body,
            ]  # fmt: skip
            title = "Waits, models, hosts and slots" if asked.body else "Waits, hosts and slots"
            return Section(title=title, note=hosts.note, body=all_of_them)
        case Tab.PAPERS:
            return _papers(watched, view, width, max(1, rows - 2))
        case _:
            return _failures(watched, view, width, max(1, rows - 2))


def _parts(
    watched: Watched, view: View, width: int, rows: int, now: float, most: int | None = None
) -> Mapping[str, Callable[[], Section]]:
    """What makes each part; none takes more than `rows`, workers only their share, a list not more than `most`."""
    on = watched.on
    return {
        "waits": lambda: sections.waits(watched, now, width),
        **({"workers": lambda: sections.workers(watched.run, width, max(1, rows // WORKERS_SHARE))} if on else {}),
        "models": lambda: models(watched, now, width),
        "hosts": lambda: sections.hosts(watched, now, width),
        **({"nodes": lambda: nodes(watched, width)} if watched.nodes is not None else {}),
        **({"shards": lambda: sections.shards(watched, width, urgent_first=True)} if on else {}),
        "papers": lambda: _papers(watched, view, width, most or rows),
        "failures": lambda: _failures(watched, view, width, most or rows),
    }


def _made(parts: Mapping[str, Callable[[], Section]], names: Collection[str] = ()) -> list[Section]:
    """The parts, or those that are named, that have something to say."""
    made = [make() for name, make in parts.items() if not names or name in names]
    return [each for each in made if each.body or each.note]


def _in_short(watched: Watched, view: View, width: int, rows: int, now: float) -> list[Section]:
    """All parts for a small screen."""
    parts = _parts(watched, view, width, rows, now, most=max(1, rows // 2))
    waits = [replace(each, head=()) for each in _made(parts, ("waits",))]
    if not watched.on:
        return [*waits, *_made(parts, ("hosts", "failures"))]
    workers = [replace(each, head=each.head[:LEGEND_LINES]) for each in _made(parts, ("workers",))]
    asked = [replace(each, head=()) for each in _made(parts, ("models",))]
    machines = [replace(each, head=()) for each in _made(parts, ("nodes",))]
    return [*waits, *machines, *asked, *workers, *sections.in_short(watched), *_made(parts, ("papers", "failures"))]


def _everything(watched: Watched, view: View, width: int, rows: int, now: float) -> list[Line]:
    if rows < FEW_ROWS:
        return _stacked(_in_short(watched, view, width, rows, now), width, rows)
    if width < TWO_COLUMNS:
        return _stacked(_made(_parts(watched, view, width, rows, now)), width, rows)
    left_width = (width - 2) // 2
    right_width = width - 2 - left_width
    left = _made(_parts(watched, view, left_width, rows, now), ON_THE_LEFT)
    right = _made(_parts(watched, view, right_width, rows, now), ON_THE_RIGHT)
    return beside(_stacked(left, left_width, rows), _stacked(right, right_width, rows), left_width)


def _stacked(found: Sequence[Section], width: int, rows: int) -> list[Line]:
    """The parts below one another: each as much as it needs at least, if there is room, then each more in turn."""
    given: dict[int, int] = {}
    left = rows
    # What is chosen goes before what is not.
    for at in sorted(range(len(found)), key=lambda at: found[at].chosen is None):
        section = found[at]
        least = min(section.least, len(section.body))
        if 1 + len(section.head) + least <= left:
            given[at] = least
            left -= 1 + len(section.head) + least
    while left > 0:
        wanting = [at for at in sorted(given) if given[at] < len(found[at].body)]
        if not wanting:
            break
        for at in wanting[:left]:
            given[at] += 1
        left -= len(wanting[:left])
    return [each for at in sorted(given) for each in _windowed(found[at], width, given[at])]


def _windowed(section: Section, width: int, rows: int) -> list[Line]:
    """A part with some lines of its body, the chosen one among them."""
    first = 0 if section.chosen is None else max(0, min(section.chosen - rows // 2, len(section.body) - rows))
    hidden = section.lines - rows
    return [
        *_heading(section, width, f"{hidden:,} more" if hidden > 0 else ""),
        *section.head,
        *section.body[first : first + rows],
    ]


def _one(section: Section, view: View, items: Sequence[Item], width: int, rows: int) -> tuple[list[Line], Reach]:
    """One part on all of the screen."""
    room = max(1, rows - 1 - len(section.head))
    last_top = max(0, len(section.body) - room)
    top = min(view.top, last_top)
    shown = section.body[top : top + room]
    first = section.before + top
    where = f"{first + 1}-{first + len(shown)} of {section.lines:,}" if section.lines > room else ""
    nothing = [] if section.body else [line("nothing to show", "dim")]
    lines = [*_heading(section, width, where), *section.head, *shown, *nothing]
    return lines, Reach(items, last_top, room)


def _heading(section: Section, width: int, more: str) -> list[Line]:
    title: Line = (Span(section.title, "bold"), *(line(f"  {section.note}", "dim") if section.note else BLANK))
    right = f"  {more}" if more else ""
    title = cut(title, width - columns(right))
    rule = "─" * max(0, width - width_of(title) - columns(right) - 1)
    return [(*title, Span(f" {rule}" if rule else "", "dim"), Span(right, "dim"))]


def _keys(view: View, width: int) -> Line:
    if view.has_page:
        return cut(line("Esc back  ↑↓ scroll  q quit", "dim"), width)
    for names, keys in (
        (True, "↵ open  s sort  ? help  q quit"),
        (False, "↵ open  s sort  ? help  q quit"),
        (False, "? q"),
    ):
        made = (*_tabs(view, all_names=names), Span(keys, "dim"))
        if width_of(made) <= width:
            break
    return cut(made, width)


def _tabs(view: View, *, all_names: bool) -> Line:
    spans: list[Span] = []
    for tab in Tab:
        name = f"{tab.value} {tab.name.lower()}" if all_names or tab is view.tab else str(tab.value)
        spans += [Span(name, "bold reverse" if tab is view.tab else "dim"), Span("  ")]
    return tuple(spans)


def _page_lines(text: Sequence[str], width: int) -> list[Line]:
    return [line(piece) for each in text for piece in wrapped_text(each, width, _indent(each))]


def _indent(text: str) -> str:
    """Where the lines that follow begin, so that a text keeps its shape."""
    return " " * (len(text) - len(text.lstrip(" "))) if text.startswith(" ") else ""


def _scrolled(lines: Sequence[Line], top: int, rows: int) -> tuple[Sequence[Line], Reach]:
    last_top = max(0, len(lines) - rows)
    first = min(top, last_top)
    return lines[first : first + rows], Reach((), last_top, max(1, rows - 1))


def _exactly(lines: Sequence[Line], width: int, height: int) -> list[Line]:
    """As many lines as there is room for; the last one, the keys, stays."""
    kept = [*lines[: height - 1], lines[-1]] if height > 0 else []
    return [cut(each, width) for each in kept]
