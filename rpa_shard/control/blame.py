"""Whether the paper that a shard was parsing caused the shard's death.

Guarantee: pure; a paper is blamed only on evidence: we killed the shard because of the paper, or the process caused its
own death while the paper was in its engine. Everything else came from outside and makes the paper at most a suspect,
free of charge. Limit: an error in the shard's Python code says nothing about the paper in its engine.
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
