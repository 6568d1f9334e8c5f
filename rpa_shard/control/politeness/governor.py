"""The one governor of a run: who may send a request to a governed host, and when.

Guarantee: in any window of a host's policy no more requests arrive there than it allows, whatever the number of shards,
whether shards die, are resized or restarted, and however long a request is under way: it counts from its grant until
one window after its answer has begun. A new governor begins as if a full burst had just been sent. 429 and 503 close a
host for all shards; one probe reopens it, at half the rate, and the rate recovers slowly; 403 closes it until a person
acts. A host that gives pages instead of PDFs is closed in the same ways (`rpa_shard.control.politeness.in_a_row`). No
error makes it faster. Limit: pure, with the clock as an argument; it assumes that requests of a shard that died arrive
soon.

Hosts without a policy need no permits. A host that answers 429 or 503 gets a temporary policy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

from rpa_shard.config.host_policy import MAX_PAUSE_SECONDS, HostPolicy
from rpa_shard.control.politeness.host_state import LAST_WORDS_SECONDS, HostState, temporary_policy
from rpa_shard.control.politeness.in_a_row import Given, InARow, Measure
from rpa_shard.ipc.messages import Ending
from rpa_shard.ipc.run_status import HostStatus

MAX_FLOOR_SECONDS = 3600.0
MAX_DOUBLINGS = 32
RECOVERY_SECONDS = 60.0
RECOVERY_STEP = 1.25
MIN_FACTOR = 1 / 64
MAX_HOSTS_IN_A_ROW = 10_000


@dataclass(frozen=True, slots=True)
class Grant:
    """Permits for one shard. `granted_at` is the monotonic clock, which all processes of a machine share."""

    shard: int
    host: str
    ids: tuple[int, ...]
    granted_at: float


class Governor:
    """The budgets of all governed hosts."""

    def __init__(
        self,
        policies: Mapping[str, HostPolicy],
        floor_seconds: float,
        permit_seconds: float,
        now: float,
        *,
        first_permit: int = 1,
    ) -> None:
        self._floor_seconds = floor_seconds
        self._permit_seconds = permit_seconds
        self._ids = count(first_permit)
        self._hosts = {host: self._new_host(policy, now) for host, policy in policies.items()}
        # Hosts without a policy are here, too.
        self._in_a_row: dict[str, InARow] = {}
        self._doubted: list[str] = []

    def want(self, shard: int, host: str, permits: int) -> None:
        """A shard asks for permits; if the host no longer needs any, the shard has been informed already."""
        state = self._hosts.get(host)
        if state is not None and state.blocked is None:
            state.wanted[shard] = state.wanted.get(shard, 0) + permits

    def grants(self, now: float) -> list[Grant]:
        """The permits that may be granted now."""
        granted: list[Grant] = []
        for host, state in list(self._hosts.items()):
            self._recover(host, state, now)
            self._take_back_expired(state, now)
            by_shard: dict[int, list[int]] = {}
            while state.wanted and self._may_begin(state, now):
                shard = self._next_shard(state)
                permit = next(self._ids)
                state.unanswered.add(permit)
                state.lent[permit] = (shard, now)
                if state.closed_until is not None:
                    state.probe, state.undecided = permit, None
                by_shard.setdefault(shard, []).append(permit)
            granted += [Grant(shard, host, tuple(ids), now) for shard, ids in by_shard.items()]
        return granted

    def seconds_to_next_grant(self, now: float) -> float | None:
        """How long until the clock allows another grant; None if the clock alone allows none."""
        waits = [self._wait(state, now) for state in self._hosts.values() if state.wanted]
        return min((wait for wait in waits if wait is not None), default=None)

    def answered(self, host: str, permit: int, now: float) -> None:
        """The answer to a request has begun, so the request has arrived."""
        state = self._hosts.get(host)
        if state is not None:
            state.note_arrival(permit, now)

    def back(self, host: str, permit: int, ending: Ending, now: float) -> None:
        """A permit is returned: its request got an answer, failed without one, or was never sent."""
        state = self._hosts.get(host)
        if state is None or state.lent.pop(permit, None) is None:
            return
        if ending == "unused":
            state.unanswered.discard(permit)
        state.note_arrival(permit, now)
        if state.probe == permit:
            state.probe = None
            if ending == "ok":
                self._reopen(host, state, now)
            else:
                state.undecided = permit if ending == "undecided" else None
                # Another answer may have closed the host for longer meanwhile.
                # A redirect within the host shows nothing yet: the next request is a probe as well.
                pause = 0.0 if ending in ("unused", "redirected") else self._floor_seconds
                state.closed_until = max(state.closed_until or 0.0, now + pause)

    def limited(
        self, host: str, permit: int | None, retry_after_seconds: float | None, now: float, detail: str = ""
    ) -> None:
        """The host answered 429 or 503: it is closed for all shards."""
        state = self._host(host, now)
        was_probe = permit is not None and state.probe == permit
        if permit is not None:
            state.lent.pop(permit, None)
            state.note_arrival(permit, now)
        if state.closed_until is None or was_probe:
            state.closings += 1
            state.probe = None
        why = f"asked for a pause: {detail}" if detail else "asked for a pause"
        self._close(state, retry_after_seconds, why, now)

    def no_pdf(self, host: str, permit: int | None, given: Given, now: float) -> None:
        """The host was asked for a paper and gave something else, which is noted here and may close it."""
        state = self._hosts.get(host)
        if state is not None and state.blocked is not None:
            return
        in_a_row = self._in_a_row.setdefault(host, InARow())
        if len(self._in_a_row) > MAX_HOSTS_IN_A_ROW:
            del self._in_a_row[next(iter(self._in_a_row))]
        if state is None or state.closed_until is None:
            was_doubted = in_a_row.is_doubted
            measure = in_a_row.add(given)
            if in_a_row.is_doubted and not was_doubted:
                self._doubted.append(host)
        elif permit is not None and permit == state.undecided:
            state.undecided = None
            measure = in_a_row.probed(given)
            if measure is Measure.NONE:
                self._reopen(host, state, now)
        else:
            return  # sent before the host was closed
        if measure is Measure.NONE:
            return
        why = f"gave {in_a_row.answers} answers in a row without a PDF: {given.says}"
        if measure is Measure.REFUSED:
            self.block(host, why, now)
            return
        state = self._host(host, now)
        if measure is Measure.CLOSE:
            state.closings += 1
        self._close(state, None, why, now, rests=measure is Measure.REST)

    def newly_doubted(self) -> list[str]:
        """Hosts that have given a first answer without a PDF since the last call: other shards may get PDFs there."""
        doubted, self._doubted = self._doubted, []
        return doubted

    def well_answered(self, host: str, now: float, *, with_pdf: bool) -> None:
        """The host gave a PDF, or said that it has none for a paper."""
        if with_pdf and host in self._in_a_row:
            self._in_a_row[host].pdf()
        state = self._hosts.get(host)
        if state is not None and state.undecided is not None and state.blocked is None:
            self._reopen(host, state, now)

    def block(self, host: str, detail: str, now: float) -> None:
        """The host refuses us: no request until a person acts."""
        state = self._host(host, now)
        state.blocked = state.blocked or detail
        state.undecided = None
        self._in_a_row.pop(host, None)
        state.wanted.clear()
        for permit in [*state.lent]:
            state.give_up(permit, now)

    def reopen(self, host: str, now: float) -> bool:
        """A person reopened the host: a probe may go out; False if the host was neither blocked nor closed."""
        state = self._hosts.get(host)
        if state is None or (state.blocked is None and (state.closed_until is None or state.closed_until <= now)):
            return False
        state.blocked = None
        state.closed_until, state.probe, state.undecided, state.closings = now, None, None, 0
        state.why = None
        self._in_a_row.pop(host, None)
        return True

    def forget(self, shard: int, now: float) -> None:
        """A shard is gone: its requests for permits end and its permits are returned; what it sent stays counted."""
        for state in self._hosts.values():
            state.wanted.pop(shard, None)
            for permit in [permit for permit, (holder, _) in state.lent.items() if holder == shard]:
                state.give_up(permit, now)

    def adopt(self, shard: int, host: str, permit: int, now: float, *, answered: bool) -> None:
        """A shard has a request under way that was granted before this governor was there."""
        state = self._hosts.get(host)
        if state is not None and state.blocked is None:
            state.adopt(shard, permit, now, answered=answered)

    def learn(self, policies: Mapping[str, HostPolicy], now: float) -> None:
        """These policies hold, too, for hosts that have none here."""
        for host, policy in policies.items():
            if host not in self._hosts:
                self._hosts[host] = self._new_host(policy, now)

    def hosts(self, now: float) -> dict[str, HostStatus]:
        """Every governed host, for shards, for the status and for the next run: durations, not points in time."""
        return {
            host: HostStatus(
                policy=str(state.policy),
                temporary=state.temporary,
                factor=state.factor,
                closings=state.closings,
                closed_seconds=None if state.closed_until is None else max(0.0, state.closed_until - now),
                blocked=state.blocked,
                why=state.why,
                wanted=sum(state.wanted.values()),
                under_way=len(state.lent),
            )
            for host, state in self._hosts.items()
        }

    def restore(self, host: str, saved: HostStatus, age_seconds: float, now: float) -> None:
        """Restores what an earlier run knew of a host; a clock that was set back lengthens no wait."""
        if not saved.is_shut and saved.factor == 1.0:
            return
        state = self._host(host, now)
        state.blocked, state.why = saved.blocked, saved.why
        state.factor, state.closings, state.calm_since = saved.factor, saved.closings, now
        if saved.closed_seconds is not None:
            state.closed_until = now + max(0.0, saved.closed_seconds - max(0.0, age_seconds))

    def _new_host(self, policy: HostPolicy, now: float, *, temporary: bool = False) -> HostState:
        # As if a burst had just been sent: an earlier run may have done so.
        burst = [now + LAST_WORDS_SECONDS] * policy.requests
        return HostState(policy, deque(burst, maxlen=policy.requests), temporary=temporary, calm_since=now)

    def _host(self, host: str, now: float) -> HostState:
        state = self._hosts.get(host)
        if state is None:
            state = self._hosts[host] = self._new_host(temporary_policy(host), now, temporary=True)
        return state

    def _wait(self, state: HostState, now: float) -> float | None:
        """Seconds until the clock allows another request; None while only an event can allow one."""
        left = state.policy.requests - len(state.unanswered)
        if state.blocked is not None or len(state.lent) >= state.policy.connections or left <= 0:
            return None
        window_end = state.arrived[-left] + state.policy.per_seconds / state.factor
        if state.closed_until is not None:
            return None if state.probe is not None else max(0.0, window_end - now, state.closed_until - now)
        return max(0.0, window_end - now)

    def _may_begin(self, state: HostState, now: float) -> bool:
        return self._wait(state, now) == 0.0

    def _next_shard(self, state: HostState) -> int:
        """Shards take turns, so that one with many waiting workers does not starve the others."""
        shard, permits = next(iter(state.wanted.items()))
        del state.wanted[shard]
        if permits > 1:
            state.wanted[shard] = permits - 1
        return shard

    def _take_back_expired(self, state: HostState, now: float) -> None:
        for permit in [permit for permit, (_, at) in state.lent.items() if now - at > self._permit_seconds]:
            state.give_up(permit, now)

    def _close(
        self, state: HostState, retry_after_seconds: float | None, why: str, now: float, *, rests: bool = False
    ) -> None:
        # Answers to requests that were under way together count once.
        doublings = min(max(state.closings - 1, 0), MAX_DOUBLINGS)
        floor = max(self._floor_seconds, min(self._floor_seconds * 2.0**doublings, MAX_FLOOR_SECONDS))
        seconds = min(max(retry_after_seconds or 0.0, self._floor_seconds if rests else floor), MAX_PAUSE_SECONDS)
        state.rests = rests and (state.closed_until is None or state.rests)
        state.closed_until = max(state.closed_until or 0.0, now + seconds)
        state.why, state.calm_since = why, now

    def _reopen(self, host: str, state: HostState, now: float) -> None:
        state.closed_until = state.undecided = None
        state.calm_since = now
        if not state.rests:
            state.factor = max(state.factor / 2, MIN_FACTOR)
        elif state.temporary and state.factor == 1.0:
            del self._hosts[host]
        state.rests = False

    def _recover(self, host: str, state: HostState, now: float) -> None:
        if state.closed_until is not None or state.factor == 1.0 or now - state.calm_since < RECOVERY_SECONDS:
            return
        state.factor = min(1.0, state.factor * RECOVERY_STEP)
        state.calm_since = now
        if state.factor == 1.0:
            state.closings = 0
            if state.temporary and state.blocked is None:
                del self._hosts[host]
