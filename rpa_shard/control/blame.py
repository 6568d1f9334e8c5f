"""Whether a shard's death is the doing of the paper that it was parsing.

Guarantee: pure; a death is the paper's doing only on evidence: we killed the shard for the paper's sake, or the process
caused its own death while the paper was in its engine. Everything else came from outside, and makes the paper a suspect
at most, free of charge. Limit: that a shard broke in Python says nothing about the paper in its engine.
"""

from __future__ import annotations

from rpa_shard.control.placement import Exited, ShardExit
from rpa_shard.system.deaths import is_own_doing


def is_papers_doing(
    exit: ShardExit, *, killed_for_paper: bool, peak_memory_bytes: int, memory_budget_bytes: int
) -> bool:
    """Whether the paper that a shard was parsing caused its death."""
    if killed_for_paper:
        return True
    if isinstance(exit, Exited):
        return False
    return is_own_doing(
        exit.signal,
        oom_kills=exit.oom_kills,
        peak_memory_bytes=peak_memory_bytes,
        memory_limit_bytes=memory_budget_bytes,
    )
