"""Thread pools for the bulk of the work, which yield the processor to the loop.

Guarantee: a thread of such a pool, and what it starts, is nicer than its process by `NICENESS`, so a loop that wakes up
gets a core at once, however busy the cores are. Limit: on Linux only, where each thread has its own priority; elsewhere
the threads have the usual priority.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

# Gives two thirds of a normal thread's share of a core; at 5 (one third), other programs' work would starve ours.
NICENESS = 2


def background_threads(name: str, count: int) -> ThreadPoolExecutor:
    """A pool of at most `count` threads, named `name` and a number."""
    return ThreadPoolExecutor(count, thread_name_prefix=name, initializer=lower_priority)


def lower_priority() -> None:
    """Makes the calling thread nicer than its process, where threads have priorities."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS))


async def run_to_its_end(threads: Executor, function: Callable[..., T], *arguments: object) -> T:
    """Runs a function in a thread; a cancelled caller still waits until the thread has finished with what it uses."""
    running = asyncio.get_running_loop().run_in_executor(threads, function, *arguments)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        running.exception()  # nobody asks for it any more, and asyncio logs what nobody asked for
        raise
