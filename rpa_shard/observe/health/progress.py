"""Checks of progress: whether open papers get done, what they wait for, how many fail, whether there is room.

Guarantee: pure; without open papers nothing is wrong; a wait that is told and ends by itself is a warning at most, one
that needs a person is critical. Limit: within the first minute of a run, and of a standstill, nothing is judged; a few
papers that wait explain a standstill of all the others for `LONGEST_STAGE_SECONDS` only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from rpa_shard.control.disk_watch import CLEARLY_MORE
from rpa_shard.control.sentences import duration, shortened, wait_in_words
from rpa_shard.ipc.account import Cause, Limit, Wait
from rpa_shard.ipc.run_status import RunState, RunStatus
from rpa_shard.observe.health.check import Check, Level, some_of
from rpa_shard.observe.health.measure import Measured
from rpa_shard.observe.health.refusals import WHY_CHARACTERS, refused_papers

NO_PROGRESS_SECONDS = 60.0
# The longest that anything about one paper may take by default: its download.
LONGEST_STAGE_SECONDS = 600.0
LEAST_PAPERS_JUDGED = 20
FAILED_WARNING_SHARE, FAILED_CRITICAL_SHARE = 0.1, 0.5
HOUR_SECONDS = 3600.0
# A disk with less than so many times the space at which a run pauses is a warning.
NEARLY_FULL = 4
WAITS_SHOWN, REASONS_SHOWN = 3, 4


def throughput_check(found: Measured) -> Check:
    """Papers are finished; critical if none was for a minute, though there are open ones and no reason is told."""
    run, rates = found.status, found.status.rates
    text = (
        f"{rates.last_10_seconds:.1f} papers/s over 10 s, {rates.last_60_seconds:.1f} over 60 s, "
        f"{rates.whole_run:.1f} over the run, spread {rates.spread:.2f}, {found.open_papers:,} papers to go"
    )
    still = _still_seconds(found)
    if still < NO_PROGRESS_SECONDS or _is_explained(run, still):
        return Check("throughput", Level.OK, text)
    if found.is_left_to_others:
        return Check("throughput", Level.OK, f"all open papers are with other nodes; {text}")
    return Check(
        "throughput", Level.CRITICAL, f"no progress for {duration(still)}, no reason known; {_oldest(run)}{text}"
    )


def _still_seconds(found: Measured) -> float:
    """How long no claim has ended though papers are open; 0 while none need end."""
    run = found.status
    if not found.live or run.state is not RunState.RUNNING or not run.account.open:
        return 0.0
    return max(0.0, run.written_at - run.progress_at) + run.written.seconds_since()


def _is_explained(run: RunStatus, still_seconds: float) -> bool:
    """Whether a standstill has a reason that is told."""
    if run.paused or run.account.limited_by is Limit.STARTING:
        return True
    everything_waits = run.account.limited_by in (Limit.WAITING, Limit.RATE, Limit.MODEL)
    return bool(_waits_that_end(run)) and (everything_waits or still_seconds < LONGEST_STAGE_SECONDS)


def _waits_that_end(run: RunStatus) -> list[Wait]:
    """What papers wait for that needs no person."""
    return [wait for wait in run.account.waits if wait.papers and not wait.needs_a_person]


def _is_intended(run: RunStatus) -> bool:
    """Whether what papers wait for is the next day's budget, other nodes, or their turn."""
    causes = {wait.cause for wait in run.account.waits if wait.papers}
    intended = {Cause.BUDGET, Cause.NODE}
    return bool(causes & intended) and causes <= {*intended, Cause.RATE, Cause.MODEL_RATE}


def _oldest(run: RunStatus) -> str:
    """The paper that has been in work for longest."""
    papers = [paper for shard in run.shards for paper in shard.report.in_work]
    if not papers:
        return ""
    oldest = max(papers, key=lambda paper: paper.seconds)
    return f"{oldest.paper_id} in {oldest.stage} for {duration(oldest.stage_seconds)}; "


def waiting_check(found: Measured) -> Check:
    """What is waited for; a warning while nothing is finished because of it, but for a spent budget: it is meant so."""
    run, account = found.status, found.status.account
    if not found.live:
        return Check("waiting", Level.OK, f"no run is on, {found.open_papers:,} papers are open")
    if not account.open:
        return Check("waiting", Level.OK, "nothing is left to do")
    text, still = _waits_in_words(run), _still_seconds(found)
    if still >= NO_PROGRESS_SECONDS and _is_explained(run, still):
        why = "still starting" if account.limited_by is Limit.STARTING else text
        if _is_intended(run):
            return Check("waiting", Level.OK, why)
        return Check("waiting", Level.WARNING, f"no progress for {duration(still)}: {why}")
    # Attempts that fail and are repeated are ends of claims, but no progress: as without a network.
    fruitless = run.state is RunState.RUNNING and run.seconds > NO_PROGRESS_SECONDS and run.rates.last_60_seconds == 0
    if fruitless and _waits_that_end(run) and not _is_intended(run):
        return Check("waiting", Level.WARNING, f"no paper completed for a minute: {text}")
    return Check("waiting", Level.OK, text)


def _waits_in_words(run: RunStatus) -> str:
    """How many papers wait, for what until when; then those whose turn the rate of a host or a model decides."""
    told = [wait for wait in run.account.waits if wait.papers and wait.cause is not Cause.REFUSAL]
    for_rate: list[str] = []
    others: list[str] = []
    for wait in told:
        words = for_rate if wait.cause in (Cause.RATE, Cause.MODEL_RATE) else others
        words.append(f"{wait.papers:,} {wait_in_words(wait, run.written_at)}")
    text = f"{run.account.waiting:,} of {run.account.open:,} open papers wait"
    if others:
        text += f": {some_of(others, WAITS_SHOWN)}"
    return "; ".join([text, *for_rate])


def paused_check(found: Measured) -> Check:
    """Nothing waits until a person acts."""
    run = found.status
    if not found.live:
        return Check("paused", Level.OK, "no run is on")
    if run.paused:
        disk = next((wait.why for wait in run.account.waits if wait.cause is Cause.DISK), "a disk is short of room")
        return Check("paused", Level.CRITICAL, f"nothing is started: {disk}")
    refused = refused_papers(found)
    if refused:
        hosts = some_of([name for name, each in found.hosts.items() if each.blocked])
        return Check("paused", Level.CRITICAL, f"{refused:,} papers need somebody to find out why {hosts} refuses us")
    stopped = [wait for wait in run.account.waits if wait.cause is Cause.MODEL_REFUSAL and wait.papers]
    if stopped:
        why = f"{stopped[0].subject} refuses us: {shortened(stopped[0].why, WHY_CHARACTERS)}"
        return Check("paused", Level.CRITICAL, f"{stopped[0].papers:,} papers need somebody to act, since {why}")
    return Check("paused", Level.OK, "no")


def failure_check(found: Measured) -> Check:
    """The share of papers that failed for good within the last hour, and why; and what is tried again."""
    run, hour = found.status, found.status.last_hour
    age_seconds = run.written.seconds_since()
    if not found.live and age_seconds > HOUR_SECONDS:
        return Check("failures", Level.OK, "nothing has ended within the last hour")
    failed = sum(hour.failed.values())
    ended = hour.completed + failed
    share = failed / ended if ended else 0.0
    text = f"{failed:,} of {ended:,} papers failed for good within {duration(hour.seconds)}"
    if failed:
        text += f" ({_percent(share)}): {_by_number(hour.failed)}"
    if any(hour.retried.values()):
        text += f"; {sum(hour.retried.values()):,} attempts to be repeated: {_by_number(hour.retried)}"
    if ended < LEAST_PAPERS_JUDGED or share < FAILED_WARNING_SHARE:
        return Check("failures", Level.OK, text)
    return Check("failures", Level.CRITICAL if share >= FAILED_CRITICAL_SHARE else Level.WARNING, text)


def _percent(share: float) -> str:
    return "less than 1 %" if share < 0.01 else f"{int(100 * share)} %"


def _by_number(reasons: Mapping[str, int]) -> str:
    counted = Counter(reasons).most_common()
    return some_of([f"{number:,} {reason}" for reason, number in counted], REASONS_SHOWN)


def disk_check(found: Measured) -> Check:
    """There is room; critical where a run pauses."""
    if found.free is None:
        return Check("disk", Level.UNKNOWN, "no disk can be looked at")
    paused = found.live and found.status.paused
    free, least = found.free.free_bytes, found.min_free_bytes
    text = f"{free / 1e9:.1f} GB free for {found.free.folder}, a run pauses below {least / 1e9:.1f}"
    if free < least * (CLEARLY_MORE if paused else 1.0):
        return Check("disk", Level.CRITICAL, text)
    return Check("disk", Level.WARNING if free < NEARLY_FULL * least else Level.OK, text)
