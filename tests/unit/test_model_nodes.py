"""The model of a run on many machines: it is arithmetic, and the document shows what it computes."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.model_nodes import CLUSTERS, MEASURED, Cluster, loads, nodes_at_most, speed, table

DOCUMENT = Path(__file__).parents[2] / "docs" / "many-machines-model.md"
PARTS = [each.part for each in loads(CLUSTERS[0], MEASURED)]


def test_the_document_shows_what_the_model_computes() -> None:
    assert "\n".join(table(CLUSTERS, MEASURED)) in DOCUMENT.read_text()


@given(st.integers(1, 1000), st.integers(1, 128), st.integers(1, 128))
def test_more_nodes_are_faster_and_need_no_less_of_anything(nodes: int, cores: int, shards: int) -> None:
    one, more = Cluster(nodes, cores, shards), Cluster(nodes + 1, cores, shards)
    assert speed(more, MEASURED) > speed(one, MEASURED)
    for before, after in zip(loads(one, MEASURED), loads(more, MEASURED), strict=True):
        assert after.needed >= before.needed or math.isclose(after.needed, before.needed)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_at_its_end_with_as_many_nodes_as_the_model_says(part: str) -> None:
    end = nodes_at_most(part, 64, 64, MEASURED)
    if math.isinf(end):
        return
    few, many = Cluster(math.floor(end) or 1, 64, 64), Cluster(math.floor(end) + 1, 64, 64)
    (before,) = [each.share for each in loads(few, MEASURED) if each.part == part]
    (after,) = [each.share for each in loads(many, MEASURED) if each.part == part]
    assert after > 1
    assert before <= 1 or few.nodes > end


def test_what_each_node_has_for_itself_never_ends() -> None:
    assert math.isinf(nodes_at_most("network of a node", 64, 64, MEASURED))


def test_slower_papers_leave_more_room() -> None:
    slower = replace(MEASURED, core_papers=MEASURED.core_papers / 2)
    assert nodes_at_most("PostgreSQL: cores", 64, 64, slower) == pytest.approx(
        2 * nodes_at_most("PostgreSQL: cores", 64, 64, MEASURED)
    )
