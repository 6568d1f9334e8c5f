"""Few descriptors: the limit is raised where that is possible, and advice that is followed helps."""

from __future__ import annotations

import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.config.descriptors import allow_descriptors, changed_knobs, settings_within
from rpa_shard.config.errors import SettingsError
from rpa_shard.config.settings import BASE_DESCRIPTORS, PIPES_PER_CHILD, Settings

NUMBERS = st.integers(1, 300)
# What one shard needs with one of everything; extraction may have a child besides the slow lane's.
LEAST = BASE_DESCRIPTORS + 3 + 2 * PIPES_PER_CHILD


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.integers(0, 300), st.integers(1, 40), st.integers(1, 700))
def test_what_is_advised_fits_and_is_no_more_than_before(
    connections: int, threads: int, downloads: int, extractions: int, keepalive: int, shards: int, limit: int
) -> None:
    before = Settings(
        shard_count=shards,
        max_connections=connections,
        max_keepalive=min(keepalive, connections),
        io_threads=threads,
        download_concurrency=downloads,
        extract_workers=extractions,
    )
    after = settings_within(before, limit)
    if after is None:
        assert limit < LEAST
        return
    assert after.descriptors <= limit
    environment = {"RPA_V2_SHARD_COUNT": str(shards), **changed_knobs(Settings(shard_count=shards), after)}
    again = Settings.from_environment(environment)
    assert again == after, "the advice is what a person would set"
    assert (after == before) == (before.descriptors <= limit)
    for name in ("max_connections", "max_keepalive", "io_threads", "download_concurrency", "extract_workers"):
        assert getattr(after, name) <= getattr(before, name)


def limited(monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> list[tuple[int, int]]:
    """As if the process had these limits; returns where new ones are noted."""
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: set_to.append(limits))
    return set_to


def test_what_may_be_raised_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(shard_count=1)
    set_to = limited(monkeypatch, 300, 4096)
    allow_descriptors(settings)
    assert set_to == [(settings.descriptors, 4096)]
    set_to = limited(monkeypatch, 300, resource.RLIM_INFINITY)
    allow_descriptors(settings)
    assert set_to == [(settings.descriptors, resource.RLIM_INFINITY)]
    set_to = limited(monkeypatch, 4096, 4096)
    allow_descriptors(settings)
    assert set_to == []


def test_what_may_not_be_raised_is_one_line_whose_advice_works(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, 300, 300)
    with pytest.raises(SettingsError, match=r"may need 500 file descriptors, but `ulimit -Hn` is 300") as caught:
        allow_descriptors(Settings(shard_count=1))
    advice = str(caught.value).rsplit(": ", 1)[1].removesuffix(" fits")
    assert advice == "RPA_V2_HTTP_MAX_CONNECTIONS=56 RPA_V2_HTTP_MAX_KEEPALIVE=56"
    knobs = dict(each.split("=") for each in advice.split())
    allow_descriptors(Settings.from_environment({"RPA_V2_SHARD_COUNT": "1", **knobs}))
    limited(monkeypatch, 64, 64)
    with pytest.raises(SettingsError, match="no knob can make up for that"):
        allow_descriptors(Settings(shard_count=1))
