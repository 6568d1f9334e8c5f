"""The state of one model: its calls under way, those that wait, its windows and its gate.

Guarantee: a call counts from its grant until a minute after its answer began, or after its end if none began; the
tokens of its answer, which come until its end, until a minute after that. Tokens are those reserved until the call has
ended, then those that it took. A call of a shard that died counts as spent. Limit: a call that took more than was
reserved for it may exceed a limit; the next ones wait for that.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass

from rpa_shard.config.llm import ModelAt
from rpa_shard.control.models.gate import Gate, Key
from rpa_shard.control.models.spending import Now
from rpa_shard.control.models.turns import Turn, Turns
from rpa_shard.control.models.windows import Entry, Window
from rpa_shard.ipc.model_status import ModelStatus, Spent
from rpa_shard.ipc.saved_models import SavedModel

# What a shard sent before it died, and what a run sent before it ended, arrives within this; and an endpoint notices
# within this that nobody waits for an answer any more.
LAST_WORDS_SECONDS = 0.2
NOTHING = Spent()


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is under way. `request`, `input`, `output` and `money` are what it counts for in the windows."""

    granted_at: float
    need: Spent
    request: Entry
    input: Entry
    output: Entry
    money: Entry


class ModelState:
    """One model at one endpoint."""

    def __init__(self, model: ModelAt, floor_seconds: float, now: Now) -> None:
        limits = model.limits
        self.model = model
        self.gate = Gate(limits.in_flight, floor_seconds, now.monotonic)
        self.wanted = Turns()
        self.calls: OrderedDict[Key, Call] = OrderedDict()
        self._requests = Window(limits.requests_per_minute)
        self._input = Window(limits.input_tokens_per_minute)
        self._output = Window(limits.output_tokens_per_minute)
        self._money = Window()
        # Until when calls that we gave up may still be under way at the endpoint, which has to notice that.
        self._lingering: deque[float] = deque()

    @property
    def has_limits(self) -> bool:
        """Whether anything is limited within a minute."""
        limits = self.model.limits
        minute = (limits.requests_per_minute, limits.input_tokens_per_minute, limits.output_tokens_per_minute)
        return minute != (None, None, None)

    def need_of(self, turn: Turn) -> Spent:
        """The most that a call takes, by its estimates."""
        return self.spent(turn.input_tokens, turn.output_tokens)

    def spent(self, input_tokens: int, output_tokens: int) -> Spent:
        """One request that takes so many tokens, with its price."""
        price = self.model.price
        return Spent(
            requests=1,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            micro_usd=price.micro_usd(input_tokens, output_tokens) if price is not None else 0,
        )

    def seconds_until(self, need: Spent, now: float) -> float | None:
        """How long until a call that needs so much may be sent: 0 for now, None while only an event can allow it."""
        longest = 0.0
        for seconds in (
            self._seconds_until_open(now),
            self._requests.seconds_until(need.requests, now),
            self._input.seconds_until(need.input_tokens, now),
            self._output.seconds_until(need.output_tokens, now),
        ):
            if seconds is None:
                return None
            longest = max(longest, seconds)
        return longest

    def _seconds_until_open(self, now: float) -> float | None:
        """How long until the gate lets another call pass."""
        while self._lingering and self._lingering[0] <= now:
            self._lingering.popleft()
        known, all_of_them = len(self.calls), len(self.calls) + len(self._lingering)
        seconds = self.gate.seconds_until_open(known, now)
        if seconds is None or self.gate.seconds_until_open(all_of_them, now) is not None:
            return seconds
        return max(seconds, self._lingering[0] - now)

    def grant(self, key: Key, need: Spent, now: float) -> None:
        """A call is granted, so it may arrive from now on."""
        self.calls[key] = Call(
            now,
            need,
            self._requests.begin(need.requests),
            self._input.begin(need.input_tokens),
            self._output.begin(need.output_tokens),
            self._money.begin(need.micro_usd),
        )
        self.gate.sent(key)

    def adopt(self, key: Key, now: float) -> None:
        """A call is under way that was granted, and counted, before: it takes nothing more."""
        begin = (self._requests.begin(0), self._input.begin(0), self._output.begin(0), self._money.begin(0))
        self.calls[key] = Call(now, NOTHING, *begin)

    def begun(self, key: Key, at: float) -> None:
        """The answer to a call has begun."""
        call = self.calls.get(key)
        if call is not None:
            self._requests.arrive(call.request, at)
            self._input.arrive(call.input, at)

    def end(self, key: Key, took: Spent, now: float, *, lingers: bool = False) -> Call | None:
        """A call has ended, and took so much: nothing, not even a request, if it was never sent.

        If it `lingers`, the endpoint may go on with it for another moment.
        """
        call = self.calls.pop(key, None)
        if call is None:
            return None
        at = now
        if lingers:
            at = now + LAST_WORDS_SECONDS
            self._lingering.append(at)
        for window, entry, amount in (
            (self._requests, call.request, took.requests),
            (self._input, call.input, took.input_tokens),
            (self._output, call.output, took.output_tokens),
            (self._money, call.money, took.micro_usd),
        ):
            window.change(entry, amount)
            window.arrive(entry, at)
        return call

    def oldest(self) -> tuple[Key, Call] | None:
        """The call that has been under way longest."""
        return next(iter(self.calls.items()), None)

    def counts(self, now: float) -> Spent:
        """All that counts in the windows now."""
        return Spent(
            requests=self._requests.total(now),
            input_tokens=self._input.total(now),
            output_tokens=self._output.total(now),
            micro_usd=self._money.total(now),
        )

    def status(self, today: Spent, now: float) -> ModelStatus:
        """For shards, for the status and for the next run: durations, not points in time."""
        gate = self.gate
        return ModelStatus(
            limits=limits_in_words(self.model),
            in_flight_limit=gate.in_flight_limit,
            under_way=len(self.calls),
            wanted=len(self.wanted),
            closings=gate.closings,
            closed_seconds=gate.closed_seconds(now),
            blocked=gate.blocked,
            why=gate.why,
            last_minute=Spent(
                requests=self._requests.arrived(now),
                input_tokens=self._input.arrived(now),
                output_tokens=self._output.arrived(now),
                micro_usd=self._money.arrived(now),
            ),
            today=today,
        )

    def saved(self, today: Spent, ahead: Spent, now: float) -> SavedModel:
        """What the next run must know; `ahead` may be granted besides before this is saved again."""
        open_now = Spent(
            requests=self._requests.open,
            input_tokens=self._input.open,
            output_tokens=self._output.open,
            micro_usd=self._money.open,
        )
        return SavedModel(
            status=self.status(today, now),
            requests=tuple(self._requests.buckets(now)),
            input_tokens=tuple(self._input.buckets(now)),
            output_tokens=tuple(self._output.buckets(now)),
            open=open_now.plus(ahead),
        )

    def restore(self, saved: SavedModel, age_seconds: float, open_until_seconds: float, now: float) -> None:
        """As an earlier run left it so long ago; what was open then may have arrived until so long after that."""
        ago = max(age_seconds - open_until_seconds, -LAST_WORDS_SECONDS)
        for window, buckets, amount in (
            (self._requests, saved.requests, saved.open.requests),
            (self._input, saved.input_tokens, saved.open.input_tokens),
            (self._output, saved.output_tokens, saved.open.output_tokens),
        ):
            window.restore([(each + age_seconds, count) for each, count in buckets] + [(ago, amount)], now)
        status, closed = saved.status, saved.status.closed_seconds
        if status.blocked is not None:
            closed = 0.0  # a person has started a run: one call is to show whether it is over
        elif closed is not None:
            closed = max(0.0, closed - age_seconds)
        self.gate.restore(
            in_flight_limit=status.in_flight_limit,
            closings=status.closings,
            closed_seconds=closed,
            why=status.blocked or status.why,
            now=now,
        )


def limits_in_words(model: ModelAt) -> str:
    """What a model allows, as a person writes it in RPA_V2_LLM_ENDPOINTS."""
    limits = model.limits
    named = (
        ("requests", limits.requests_per_minute),
        ("input_tokens", limits.input_tokens_per_minute),
        ("output_tokens", limits.output_tokens_per_minute),
        ("in_flight", limits.in_flight),
    )
    return " ".join(f"{name}={limit}" for name, limit in named if limit is not None)
