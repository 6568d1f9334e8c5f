"""The figures of a run: as lines for a person, as JSON for a program."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.ipc.account import Cause, PastWait
from rpa_shard.ipc.run_status import RunState
from rpa_shard.ipc.shard_report import Work
from rpa_shard.model.distribution import Distribution, Durations
from rpa_shard.model.failure import Failure
from rpa_shard.observe.statistics import COLUMNS, lines, seconds, size, statistics
from tests.statuses import account, run_status, shard_status, work

COMMANDS_PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def waited(cause: Cause, subject: str, seconds: float, times: int = 1) -> PastWait:
    return PastWait(cause=cause, subject=subject, times=times, seconds=seconds)


def told(**changes: Any) -> list[str]:
    """The lines for a run that did only this."""
    waits = {name: changes.pop(name) for name in ("waited", "idle_seconds") if name in changes}
    return list(lines(run_status(work=Work(**changes), **waits)))


def distribution(*values: float) -> Distribution:
    measured = Durations()
    for each in values:
        measured.add(each)
    return measured.so_far()


def test_nothing_is_said_of_what_did_not_occur() -> None:
    assert told() == []
    assert told(tallies={"source": {}, "attempt": {"1": 7}, "flag": {}}) == []
    assert told(durations={"permit": distribution(0.00001, 0.0002)}) == []
    assert told(waited=(waited(Cause.HOST, "a.example", 0.4),), idle_seconds=0.4) == []


def test_the_figures_of_a_run_in_lines() -> None:
    assert told(
        totals={"downloaded_bytes": 541_200, "pages": 1329},
        tallies={"source": {"b.example": 3, "a.example": 194}, "flag": {"needs_ocr": 8}, "attempt": {"2": 3, "1": 194}},
        retried={"truncated": 10, "server_error": 15},
        durations={"prep": distribution(*[2.0] * 99, 200.0), "download slot": distribution(0.25)},  # to within 10 %
        waited=(
            waited(Cause.HOST, "my_host.example", 282, 3),
            waited(Cause.BACK_OFF, "server_error", 11),
            waited(Cause.DISK, "/data", 0.5),
        ),
        idle_seconds=118.0,
    ) == [
        "made      541.2 kB downloaded, 1,329 pages",
        "by source a.example 194, b.example 3",
        "by flag   needs_ocr 8",
        "attempts  1: 194, 2: 3",
        "retries   server_error 15, truncated 10",
        "stages                      p50       p95       p99   of attempts that ended",
        "  prep                    2.2 s     2.2 s     2.2 s",
        "  download slot          250 ms    250 ms    250 ms",
        "waited    my_host.example 4.7 min in 3 times, server error 11 s, /data 0 s",
        "idle      118 s with nothing to do but wait",
    ]


def test_what_is_long_goes_on_below() -> None:
    found = told(tallies={"source": {f"mirror-{number}.library.example": 1000 - number for number in range(9)}})
    assert found == [
        "by source mirror-0.library.example 1,000, mirror-1.library.example 999,",
        "          mirror-2.library.example 998, mirror-3.library.example 997,",
        "          mirror-4.library.example 996, others 3,974",
    ]


COUNTS = st.dictionaries(st.sampled_from([each.value for each in Failure]), st.integers(1, 10**9), max_size=23)
STAGES = st.dictionaries(
    st.sampled_from(["prep", "download slot", "download", "permit", "extract slot", "extract", "slow slot", "slow"]),
    st.builds(distribution, st.floats(0, 1e5), st.floats(0, 1e5)),
)


@given(COUNTS, COUNTS, STAGES)
def test_lines_fit_and_are_few(
    retried: dict[str, int], sources: dict[str, int], stages: dict[str, Distribution]
) -> None:
    found = told(
        totals={"downloaded_bytes": 10**15, "pages": 10**9, "characters": 10**13, "references": 10**10},
        tallies={"source": sources, "flag": retried, "attempt": {str(number): 10**9 for number in range(1, 9)}},
        retried=retried,
        durations=stages,
        waited=tuple(waited(Cause.BACK_OFF, reason, 1e6, 10**4) for reason in retried),
        idle_seconds=1e6,
    )
    assert max(map(len, found)) <= COLUMNS
    assert len(found) <= 25
    assert all(line[9] == " " for line in found if not re.match(r"  \w", line))
    for line, after in pairwise(found):
        assert line.endswith(",") == after.startswith(" " * 10)


def test_the_figures_of_a_run_for_a_program() -> None:
    found = statistics(
        run_status(
            state=RunState.ENDED,
            started_at=1000.0,
            account=account(done=7, failed=2),
            work=work(
                retried={"network": 3}, failed={"not_found": 2}, ended={"prep": {"completed": 7, "lost_lease": 1}}
            ),
            waited=(waited(Cause.HOST, "a.example", 5.0, 2),),
            shards=(shard_status(restarts=2), shard_status(number=1, restarts=1)),
            handed_back=4,
        )
    )
    assert json.loads(json.dumps(found)) == found
    assert found["state"] == "ended"
    assert found["papers"] == {"total": 12, "done": 7, "failed": 2, "open": 5}
    assert found["ended"] == {"prep": {"completed": 7, "lost_lease": 1}}
    assert (found["retried"], found["failed"]) == ({"network": 3}, {"not_found": 2})
    assert found["totals"] == {"downloaded_bytes": 10_000, "pages": 70}
    assert found["waited"] == [{"cause": "host", "subject": "a.example", "times": 2, "seconds": 5.0}]
    assert (found["shard_deaths"], found["handed_back"], found["lost_leases"]) == (3, 4, 1)
    assert found["stages"]["download"]["count"] == 7
    assert found["stages"]["download"]["max_seconds"] == 0.14


def test_every_figure_is_described() -> None:
    page = COMMANDS_PAGE.read_text()
    found = statistics(run_status())
    names = [*found, *found["papers"], *found["stages"]["download"], *found["totals"]]
    assert [name for name in names if not re.search(rf"`{name}`", page)] == []


def test_units() -> None:
    assert [seconds(each) for each in (0.0004, 0.25, 1, 61.04, 119.9, 200)] == [
        "0 ms", "250 ms", "1.0 s", "61.0 s", "119.9 s", "3.3 min",
    ]  # fmt: skip
    assert [size(each) for each in (0, 999, 2e6, 3.14e9, 1e13)] == ["0.0 kB", "1.0 kB", "2.0 MB", "3.1 GB", "10.0 TB"]
