"""Whether a shard's death is the doing of the paper that it was parsing.

Guarantee: pure; a death is the paper's doing only on evidence: we killed the shard for the paper's sake, native code
broke it, or the kernel killed it for want of memory while it held much. Everything else came from outside, and makes
the paper a suspect at most, free of charge. Limit: a signal that someone else sends to mimic a crash is believed.
"""

from __future__ import annotations

import signal

from rpa_shard.control.placement import ShardExit

# What the system sends to a process because of what the process itself did.
SELF_INFLICTED = frozenset(
    {
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGILL,
        signal.SIGFPE,
        signal.SIGABRT,
        signal.SIGTRAP,
        signal.SIGSYS,
        signal.SIGXCPU,
        signal.SIGXFSZ,
    }
)
# Below this share of its memory budget a shard was not the reason for want of memory.
LARGE_SHARE = 0.5


def is_papers_doing(
    exit: ShardExit, *, killed_for_paper: bool, peak_memory_bytes: int, memory_budget_bytes: int
) -> bool:
    """Whether the paper that a shard was parsing caused its death."""
    if killed_for_paper:
        return True
    if exit.signal == signal.SIGKILL:
        return exit.oom_kills > 0 and peak_memory_bytes >= LARGE_SHARE * memory_budget_bytes
    return exit.signal in SELF_INFLICTED
