"""Imaginary shards that ask an imaginary model, under a real governor of models and an imaginary clock.

The supervisor may be killed: the next one knows what the last one had saved. What really was sent is recorded, so that
tests can count it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

import msgspec

from rpa_shard.config.llm import CallLimits, LlmBudget, ModelAt, Price
from rpa_shard.control.models.ahead import AHEAD_SECONDS, Ahead
from rpa_shard.control.models.governor import Grant, ModelGovernor
from rpa_shard.control.models.model_state import LAST_WORDS_SECONDS
from rpa_shard.control.models.spending import DAY_SECONDS, Now
from rpa_shard.ipc.calls import CallEnding
from rpa_shard.ipc.saved_models import SavedModels

CALL_SECONDS = 900.0
FLOOR_SECONDS = 5.0
PRICE = Price(1.0, 2.0)
# The time of day at which the traffic begins.
UNIX = 20_000 * DAY_SECONDS + 40_000.0


@dataclass
class Sent:
    """One call, as it really was. `begins_at` and `ends_at` lie ahead while it is under way."""

    shard: int
    number: int
    reserved: tuple[int, int]
    took: tuple[int, int]
    granted_at: float
    begins_at: float
    ends_at: float
    # The latest time at which it can have arrived, and at which its last token can have come.
    arrived_by: float = math.inf
    over_by: float = math.inf
    ending: str = ""

    def requests(self, at: float) -> int:
        return self.ending != "unsent"

    def input(self, at: float) -> int:
        return self._tokens(0, at)

    def output(self, at: float) -> int:
        return self._tokens(1, at)

    def _tokens(self, which: int, at: float) -> int:
        if self.ending in ("unsent", "limited"):
            return 0
        return self.took[which] if self.over_by <= at else self.reserved[which]


@dataclass
class Traffic:
    """The world: shards that want calls, calls under way, a governor and what it has saved."""

    limits: CallLimits
    shards: int
    random: Random
    budget: LlmBudget = LlmBudget()
    begins_after: tuple[float, float] = (2.0, 2.0)
    ends_after: tuple[float, float] = (0.0, 0.0)
    tokens: tuple[int, int] = (1, 10)
    endings: tuple[str, ...] = ("answered",)
    now: float = 1000.0
    sent: list[Sent] = field(default_factory=list)
    under_way: list[Sent] = field(default_factory=list)
    wanted: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    saves: int = 0
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.model = ModelAt("http://127.0.0.1:1", "model", limits=self.limits, price=PRICE)
        self.numbers = 0
        self.governor = self.new_governor()
        self.ahead = Ahead()
        self.file: tuple[bytes, float] | None = None

    def new_governor(self) -> ModelGovernor:
        return ModelGovernor([self.model], self.budget, FLOOR_SECONDS, CALL_SECONDS, self.clock)

    @property
    def clock(self) -> Now:
        return Now(self.now, UNIX + self.now)

    @property
    def name(self) -> str:
        return self.model.name

    def want(self, shard: int) -> None:
        self.numbers += 1
        tokens = (self.random.randint(*self.tokens), self.random.randint(*self.tokens))
        self.wanted[shard, self.numbers] = tokens
        self.governor.want(shard, self.name, self.numbers, *tokens)

    def forget_one(self) -> None:
        if self.wanted:
            shard, number = self.random.choice(list(self.wanted))
            del self.wanted[shard, number]
            self.governor.forget_call(shard, self.name, number, self.clock)

    def grant(self) -> int:
        """What the broker does: saves what is not covered, then sends."""
        granted = self.governor.grants(self.clock)
        counts = self.governor.counts(self.clock)
        if granted and not self.ahead.covers(granted, counts, self.governor.day, self.now):
            self.save()
        for grant in granted:
            self.deliver(grant)
        return sum(len(grant.numbers) for grant in granted)

    def save(self) -> None:
        allowed = self.ahead.allow(self.governor.counts(self.clock))
        self.file = msgspec.json.encode(self.governor.saved(allowed, self.clock)), self.now
        self.ahead.saved(allowed, self.governor.day, self.now)
        self.saves += 1

    def deliver(self, grant: Grant) -> None:
        for number in grant.numbers:
            reserved = self.wanted.pop((grant.shard, number), None)
            if reserved is None:
                self.broken.append(f"call {number} was granted, but is not wanted")
                continue
            took = (self.random.randint(0, reserved[0]), self.random.randint(0, reserved[1]))
            begins = self.now + self.random.uniform(*self.begins_after)
            ends = begins + self.random.uniform(*self.ends_after)
            call = Sent(grant.shard, number, reserved, took, self.now, begins, ends)
            self.sent.append(call)
            self.under_way.append(call)
        if len(self.under_way) > self.limits.in_flight:
            self.broken.append(f"{len(self.under_way)} calls under way")

    def end_calls(self) -> None:
        """Reports the calls whose answers have begun or ended by now."""
        for call in list(self.under_way):
            ending = call.ending or self.random.choice(self.endings)
            if ending == "answered" and call.begins_at <= self.now and call.arrived_by == math.inf:
                call.arrived_by, call.ending = self.now, ending
                self.governor.begun(call.shard, self.name, call.number, self.clock)
            if call.ends_at <= self.now:
                self.under_way.remove(call)
                self.end_call(call, ending)

    def end_call(self, call: Sent, ending: str) -> None:
        call.ending, call.over_by = ending, self.now
        call.arrived_by = min(call.arrived_by, self.now)
        shard, number = call.shard, call.number
        if ending == "limited":
            call.took = (0, 0)
            wait = self.random.choice([None, 1.0, 30.0])
            self.governor.limited(shard, self.name, number, wait, "429", self.clock)
        elif ending == "unsent":
            call.took = (0, 0)
            self.governor.ended(shard, self.name, number, "unsent", 0, 0, self.clock)
        else:
            how: CallEnding = "answered" if ending == "answered" else "given_up" if ending == "given_up" else "failed"
            self.governor.ended(shard, self.name, number, how, *call.took, self.clock)

    def kill_shard(self, shard: int) -> None:
        """Its calls may have been sent just before; its papers go to others, which want calls of their own."""
        self.governor.forget(shard, self.clock)
        self.lose([call for call in self.under_way if call.shard == shard])
        self.wanted = {key: tokens for key, tokens in self.wanted.items() if key[0] != shard}

    def lose(self, calls: list[Sent]) -> None:
        for call in calls:
            self.under_way.remove(call)
            call.ending = call.ending or "lost"
            call.arrived_by = min(call.arrived_by, self.now + LAST_WORDS_SECONDS)
            call.over_by = self.now + LAST_WORDS_SECONDS
            call.took = call.reserved  # at worst

    def kill_supervisor(self, seconds: float) -> None:
        """Another one begins so many seconds later, when all shards have gone, which end their calls in time."""
        restarts_at = self.now + seconds
        self.now += min(seconds, CALL_SECONDS - 100.0)
        self.lose(list(self.under_way))
        self.now = restarts_at
        self.wanted.clear()
        self.governor, self.ahead = self.new_governor(), Ahead()
        if self.file is not None:
            content, at = self.file
            saved = msgspec.json.decode(content, type=SavedModels)
            self.governor.restore(saved, self.now - at, AHEAD_SECONDS, self.clock)

    def check_windows(self) -> None:
        """In no minute more than the limits, at whatever time within what is possible each call arrived."""
        for amount, over, limit in (
            (Sent.requests, "arrived_by", self.limits.requests_per_minute),
            (Sent.input, "arrived_by", self.limits.input_tokens_per_minute),
            (Sent.output, "over_by", self.limits.output_tokens_per_minute),
        ):
            for number, last in enumerate(self.sent):
                if limit is None or last.ending == "unsent":
                    continue
                at = last.granted_at
                counting = [each for each in self.sent[: number + 1] if getattr(each, over) > at - 60.0]
                total = sum(amount(each, at) for each in counting)
                alone = total == amount(last, at)
                if total > limit and not alone:
                    self.broken.append(f"{total} of {limit} ({over}) at {at}")

    def check_budget(self) -> None:
        """No day took more than its budget."""
        first, last = (int((UNIX + at) // DAY_SECONDS) for at in (1000.0, self.now))
        for day in range(first, last + 1):
            begin, end = day * DAY_SECONDS - UNIX, (day + 1) * DAY_SECONDS - UNIX
            calls = [each for each in self.sent if each.granted_at < end and each.over_by >= begin]
            tokens = sum(sum(each.took) for each in calls)
            money = sum(PRICE.micro_usd(*each.took) for each in calls)
            if tokens > (self.budget.tokens_per_day or math.inf) or money > (self.budget.micro_usd_per_day or math.inf):
                self.broken.append(f"day {day} took {tokens} tokens, {money} micro-dollars")
