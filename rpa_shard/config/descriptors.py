"""Whether a run may open the descriptors that its shards need.

Guarantee: the limit is raised as far as the system lets us, so what is still too low needs either root or the knobs
that the message names, with values that fit. Limit: of this process and its children; the machine's own limit on open
files is met only when it is reached.
"""

from __future__ import annotations

import resource
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from math import ceil

from rpa_shard.config.errors import SettingsError
from rpa_shard.config.knob import as_text
from rpa_shard.config.settings import PIPES_PER_CHILD, Settings, knobs

# What may be lowered, what hurts least first, and the descriptors that each takes.
_LOWERED = {"max_connections": 1, "io_threads": 1, "download_concurrency": 1, "extract_workers": PIPES_PER_CHILD}


def allow_descriptors(settings: Settings) -> None:
    """Raises the limit of this process to what a shard may need. Raises SettingsError if it may not."""
    needed = settings.descriptors
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed and (hard == resource.RLIM_INFINITY or needed <= hard):
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
            soft = needed
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    fitting = settings_within(settings, soft)
    if fitting is None:
        how = "no knob can make up for that; run where more are allowed"
    else:
        how = " ".join(f"{name}={value}" for name, value in changed_knobs(settings, fitting).items()) + " fits"
    raise SettingsError(
        f"a shard may need {needed} file descriptors, but `ulimit -Hn` is {soft}, which only root, a service manager "
        f"or the container's settings can raise: {how}"
    )


def settings_within(settings: Settings, limit: int) -> Settings | None:
    """The settings with the totals lowered as far as `limit` descriptors a shard require; None if nothing is enough."""
    shards = settings.shard_count
    for name, each_takes in _LOWERED.items():
        excess = settings.descriptors - limit
        if excess > 0:
            # Lowering a total by one for each shard takes one from each; a shard has at least one.
            total = getattr(settings, name)
            lowered = max(shards, total - ceil(excess / each_takes) * shards)
            settings = replace(settings, **{name: min(total, lowered)})
    settings = replace(settings, max_keepalive=min(settings.max_keepalive, settings.max_connections))
    return settings if settings.descriptors <= limit else None


def changed_knobs(before: Settings, after: Settings) -> Mapping[str, str]:
    """The knobs whose values differ, with those of `after` as one would write them."""
    names = [each for each in knobs() if getattr(before, each.name) != getattr(after, each.name)]
    return {each.metadata["knob"]: as_text(getattr(after, each.name)) for each in names}
