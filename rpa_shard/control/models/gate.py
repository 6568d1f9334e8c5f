"""Whether a model may be asked at all: closed for a while, blocked until a person acts, and how many calls at a time.

Guarantee: a model that asks us to slow down, or fails several times in a row, is left alone for as long as it asks, or
for a time that doubles; one probe then decides, and only the calls under way before that are not waited for; each
closing halves how many calls may be under way. That recovers slowly: by one for each round of calls that were answered,
and by a quarter for each half minute without a pause. No error makes anything faster. Limit: pure, with
the clock as an argument; what may be sent within a minute is counted elsewhere.
"""

from __future__ import annotations

from rpa_shard.config.host_policy import MAX_PAUSE_SECONDS

# A call is known by its shard and its number there.
Key = tuple[int, int]

MAX_FLOOR_SECONDS = 900.0
MAX_DOUBLINGS = 32
FAILURES_IN_A_ROW = 5
RECOVERY_SECONDS = 30.0
RECOVERY_STEP = 1.25
# A model that has answered so many calls since it was opened is no longer closed again for twice as long.
ANSWERS_TO_TRUST = 20


class Gate:
    """The gate of one model. Times are monotonic seconds."""

    def __init__(self, in_flight: int, floor_seconds: float, now: float) -> None:
        self._in_flight = in_flight
        self._floor_seconds = floor_seconds
        self.in_flight_limit = in_flight
        self.closed_until: float | None = None
        self.closings = 0
        self.blocked: str | None = None
        self.why: str | None = None
        self._probe: Key | None = None
        self._failures = 0
        # How many calls were answered since it was opened, and since one more may be under way.
        self._answers = self._round = 0
        self._calm_since = now

    def seconds_until_open(self, under_way: int, now: float) -> float | None:
        """How long until another call may be sent: 0 for now, None while only an event can allow it."""
        if self.blocked is not None or under_way >= self.in_flight_limit:
            return None
        if self.closed_until is None:
            return 0.0
        return None if self._probe is not None else max(0.0, self.closed_until - now)

    def closed_seconds(self, now: float) -> float | None:
        """How long it is still left alone; 0 while a probe decides; None if it is not closed."""
        return None if self.closed_until is None else max(0.0, self.closed_until - now)

    def sent(self, call: Key) -> None:
        """A call is sent; if the model is closed, it is the probe."""
        if self.closed_until is not None:
            self._probe = call

    def answered(self, call: Key, now: float) -> None:
        """A call was answered."""
        self._failures = 0
        if self._probe == call:
            self.closed_until = self._probe = None
            self._calm_since, self._answers, self._round = now, 0, 0
        elif self.closed_until is None:
            self._answers += 1
            self._round += 1
            if self._answers >= ANSWERS_TO_TRUST:
                self.closings = 0
            if self._round >= self.in_flight_limit:
                self._round, self.in_flight_limit = 0, min(self._in_flight, self.in_flight_limit + 1)

    def failed(self, call: Key, detail: str, now: float) -> None:
        """A call ended without an answer."""
        was_probe = self._probe == call
        if self.closed_until is not None and not was_probe:
            return  # it was sent before the model was closed
        self._failures += 1
        if was_probe or self._failures >= FAILURES_IN_A_ROW:
            times = f"failed {self._failures} times in a row" if self._failures > 1 else "failed"
            self._note_closing()
            self._close(None, f"{times}: {detail}" if detail else times, now)

    def limited(self, call: Key, retry_after_seconds: float | None, detail: str, now: float) -> None:
        """The endpoint asked us to slow down."""
        if self.closed_until is None or self._probe == call:
            self._note_closing()
        self._close(retry_after_seconds, f"asked for a pause: {detail}" if detail else "asked for a pause", now)

    def unsent(self, call: Key, now: float) -> None:
        """Nothing will be heard of a call: it was not sent, it was given up, or its shard is gone."""
        if self._probe == call:
            self._probe = None
            self.closed_until = max(self.closed_until or 0.0, now)

    def block(self, detail: str) -> None:
        """The endpoint refuses us until a person acts."""
        self.blocked, self.closed_until, self._probe = detail or "it refuses us", None, None

    def recover(self, now: float) -> None:
        """Lets more calls be under way again, some time after the last closing."""
        at_rest = self.in_flight_limit == self._in_flight and not self.closings
        if at_rest or self.closed_until is not None or now - self._calm_since < RECOVERY_SECONDS:
            return
        self._calm_since = now
        self.in_flight_limit = min(self._in_flight, int(self.in_flight_limit * RECOVERY_STEP) + 1)
        if self.in_flight_limit == self._in_flight:
            self.closings = 0

    def restore(
        self, *, in_flight_limit: int, closings: int, closed_seconds: float | None, why: str | None, now: float
    ) -> None:
        """As an earlier run left it."""
        self.in_flight_limit = max(1, min(in_flight_limit, self._in_flight))
        self.closings = max(0, closings)
        self.closed_until = None if closed_seconds is None else now + min(max(0.0, closed_seconds), MAX_PAUSE_SECONDS)
        self.why = why

    def _note_closing(self) -> None:
        # Answers to calls that were under way together count once.
        self.closings += 1
        self._probe = None
        self.in_flight_limit = max(1, self.in_flight_limit // 2)

    def _close(self, retry_after_seconds: float | None, why: str, now: float) -> None:
        doublings = min(max(self.closings - 1, 0), MAX_DOUBLINGS)
        floor = max(self._floor_seconds, min(self._floor_seconds * 2.0**doublings, MAX_FLOOR_SECONDS))
        seconds = min(max(retry_after_seconds or 0.0, floor), MAX_PAUSE_SECONDS)
        self.closed_until = max(self.closed_until or 0.0, now + seconds)
        self.why, self._calm_since, self._failures = why, now, 0
