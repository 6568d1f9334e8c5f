"""From a row of the view `paper_rows` to a value.

Guarantee: pure. Limit: rows of the present schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rpa_shard.model.phase import PHASES
from rpa_shard.store.rows import PaperRow
from rpa_shard.store.rows import paper_row as to_value


def paper_row(row: Mapping[str, Any], shard: int) -> PaperRow:
    """A row as a value; its results in the order of the phases."""
    results = row["results"]
    in_order = {phase.name: results[phase.name] for phase in PHASES if phase.name in results}
    return to_value(row, shard, in_order)
