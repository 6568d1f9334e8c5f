"""Whether a process caused its own death.

Guarantee: pure; a process caused its death only on evidence: the system sent it a signal for something that it did, or
the kernel killed it for lack of memory while it held much of its memory limit. Any other signal came from outside.
Limit: a signal that another process sends to mimic a crash is taken for one.
"""

from __future__ import annotations

import signal

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
# A process that never held this share of its memory limit did not cause the lack of memory.
LARGE_SHARE = 0.5


def is_own_doing(number: int, *, oom_kills: int, peak_memory_bytes: int, memory_limit_bytes: int) -> bool:
    """Whether a process that died of signal `number` caused that itself.

    `oom_kills` is how many processes the kernel killed for lack of memory while it lived.
    """
    if number == signal.SIGKILL:
        return oom_kills > 0 and peak_memory_bytes >= LARGE_SHARE * memory_limit_bytes
    return number in SELF_INFLICTED


def signal_name(number: int) -> str:
    """The name of a signal, or its number if it has none, as most real-time signals."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
