"""The part of the screen that shows the nodes of a run on several machines.

Guarantee: pure; every line fits the width. Limit: one line a node; what goes on in another node, its own view shows.
"""

from __future__ import annotations

from dataclasses import replace

from rpa_shard.observe.nodes import NodeState, NodeView
from rpa_shard.observe.top.head import BAD, GOOD, WARN
from rpa_shard.observe.top.sections import Section
from rpa_shard.observe.top.table import Cell, Column, table
from rpa_shard.observe.top.text import BLANK
from rpa_shard.observe.top.watched import Watched

# A longer name gives way to the figures.
NAME_COLUMNS = 14
STYLES = {NodeState.RUNNING: GOOD, NodeState.LOST: BAD, NodeState.CRASH_LOOP: BAD}


def nodes(watched: Watched, width: int) -> Section:
    """A line for each node that is part of the run or was lost, those that may need a look first."""
    if watched.nodes is None:
        return Section(title="Nodes")
    given = (
        Column("node", elastic=True, least=NAME_COLUMNS), Column("state"), Column("papers/s", right=True),
        Column("shards", rank=1, right=True),
        Column("in work", rank=2, right=True), Column("since", rank=3, elastic=True),
    )  # fmt: skip
    found = sorted(watched.nodes.shown, key=lambda node: node.state is NodeState.RUNNING)
    made = table(given, [_row(node) for node in found], width)
    governs = f"governed by {watched.nodes.governor}" if watched.nodes.governor is not None else "nobody governs"
    note = f"{len(watched.nodes.members)}, {governs}" if watched.nodes.members else "none"
    return Section(title="Nodes", note=note, head=[made.titles] if found else (), body=made.lines)


def below_nodes(watched: Watched, section: Section, width: int) -> Section:
    """A part with the nodes above it, if there are any."""
    above = nodes(watched, width)
    if not above.body:
        return section
    body = [*above.head, *above.body, BLANK, *section.head, *section.body]
    return replace(section, title=f"Nodes and {section.title.lower()}", note=above.note, head=(), body=body)


def _row(node: NodeView) -> list[Cell]:
    state = Cell(node.state.replace("_", " "), STYLES.get(node.state, WARN))
    if not node.is_member:
        return [Cell(node.name), state, Cell(""), Cell(""), Cell(""), Cell(node.since)]
    return [
        Cell(node.name), state, Cell(f"{node.last_10_seconds:.1f}"), Cell(f"{node.ready}/{node.shards}"),
        Cell(f"{node.in_work:,}"), Cell(node.since),
    ]  # fmt: skip
