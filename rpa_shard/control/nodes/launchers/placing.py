"""Keeps one node of a run on every machine that there is, until all papers are done.

Guarantee: a machine that joins gets a node; a node that ends while work is left is started again, later each time, and
left out once it has ended too often in a row, or was drained. Limit: nothing is remembered: a new start places again
and nothing more, and only the database knows what is done. `Machines` knows which machines there are and how a process
gets to one: those of Ray, or of another launcher.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from rpa_shard.control.nodes.launchers.machines import Machine, Machines, MachinesLostError, NodeEnd, PlacedNode
from rpa_shard.model.errors import StoreAwayError

POLL_SECONDS = 1.0
FIRST_DELAY_SECONDS = 2.0
MAX_DELAY_SECONDS = 60.0
# A node that has worked for this long begins to count its failures again.
STEADY_SECONDS = 120.0
# A node that has not started by then is reported.
SLOW_START_SECONDS = 20.0
# What a draining node may take beyond its own deadline, before it is killed.
DRAIN_GRACE_SECONDS = 15.0
# Exit codes of a node: all is done; all is done that can be; drained, or asked to before it had begun.
_DONE, _DONE_WITH_FAILURES = 0, 1
_DRAINED = (128 + signal.SIGTERM, 128 + signal.SIGINT, -signal.SIGTERM, -signal.SIGINT)


class _State(Enum):
    WAITS, PLACED, DONE, LEFT_OUT = range(4)


@dataclass(slots=True)
class _Place:
    """A machine and the node that it has."""

    machine: Machine
    name: str
    state: _State = _State.WAITS
    node: PlacedNode | None = None
    code: int | None = None
    since: float = 0.0
    due: float = 0.0
    failures: int = 0
    told: bool = False


@dataclass(frozen=True, slots=True)
class PlacingEnd:
    """How placing ended: by which signal, or why it could not go on; and whether a node ended with exit code 1."""

    signal: int = 0
    cause: str | None = None
    has_failures: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """`failures` in a row leave a node out; `delay_scale` multiplies every delay; `drain_seconds` is a node's own."""

    failures: int
    delay_scale: float
    drain_seconds: float
    lease_seconds: float

    def delay(self, failures: int) -> float:
        """Seconds before a node that has failed so often in a row is placed again."""
        return float(min(FIRST_DELAY_SECONDS * 2 ** (failures - 1), MAX_DELAY_SECONDS)) * self.delay_scale


@dataclass(slots=True)
class Placing:
    """Places nodes on `machines` and keeps them there.

    `environment` gives the variables of a node by its machine and name, `work_is_left` asks the database, `say` shows
    a person a line.
    """

    machines: Machines
    environment: Callable[[Machine, str], Mapping[str, str]]
    work_is_left: Callable[[], bool]
    say: Callable[[str], None]
    rules: Rules
    clock: Callable[[], float] = time.monotonic
    _places: dict[str, _Place] = field(default_factory=dict)
    _signals: list[int] = field(default_factory=list)
    _kill_at: float | None = None
    _said_empty: bool = False

    def run(self) -> PlacingEnd:
        """Until all is done, or a signal."""
        with self._noting_signals():
            while (end := self.step()) is None:
                self.machines.wait(POLL_SECONDS)
        return end

    def step(self) -> PlacingEnd | None:
        """One look at everything; how it ended, or None if it goes on."""
        now = self.clock()
        try:
            self._meet(self.machines.alive(), now)
        except MachinesLostError as error:
            return PlacingEnd(cause=str(error))
        for place in self._places.values():
            self._see_end(place, now)
        if self._signals:
            return self._stop(now)
        for place in self._places.values():
            self._tend(place, now)
        return self._finished(now)

    @property
    def names(self) -> Mapping[str, str]:
        """The name of each machine's node, by the machine's id."""
        return {place.machine.id: place.name for place in self._places.values()}

    def note_signal(self, number: int) -> None:
        """The first signal drains all nodes, the second kills them."""
        self._signals.append(number)

    @contextmanager
    def _noting_signals(self) -> Iterator[None]:
        earlier = {
            number: signal.signal(number, lambda number, frame: self.note_signal(number))
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)

    def _meet(self, alive: Sequence[Machine], now: float) -> None:
        """Takes in machines that are new, and lets those go that are lost."""
        ids = {machine.id for machine in alive}
        for lost in [place for place in self._places.values() if place.machine.id not in ids]:
            del self._places[lost.machine.id]
            if lost.state is not _State.DONE:
                self.say(
                    f"node {lost.name} is lost: others take its papers once their leases have run out "
                    f"(at most {self.rules.lease_seconds:g} s)"
                )
        new = [machine for machine in alive if machine.id not in self._places]
        for machine, name in named(new, [place.name for place in self._places.values()]).items():
            self._places[machine.id] = _Place(machine, name, due=now)
            self.say(f"node {name} ({machine.address}) is part of the run")
        if not self._places and not self._said_empty:
            self.say("no machine is there: waiting for one")
        self._said_empty = not self._places

    def _see_end(self, place: _Place, now: float) -> None:
        if place.node is None:
            return
        end = place.node.end()
        if end is None:
            return
        place.node, place.code = None, end.code
        if end.code in (_DONE, _DONE_WITH_FAILURES):
            place.state, place.failures = _State.DONE, 0
        elif end.code in _DRAINED:
            place.state = _State.LEFT_OUT
            if not self._signals:
                self.say(f"node {place.name} has drained and is left out; this command again places it again")
        else:
            self._failed(place, end, now)

    def _failed(self, place: _Place, end: NodeEnd, now: float) -> None:
        place.failures = 1 if now - place.since >= STEADY_SECONDS else place.failures + 1
        if place.failures >= self.rules.failures:
            place.state = _State.LEFT_OUT
            self.say(f"node {place.name} ended {place.failures} times in a row and is left out ({end})")
            return
        delay = self.rules.delay(place.failures)
        place.state, place.due = _State.WAITS, now + delay
        if not self._signals:
            self.say(f"node {place.name} ended ({end}); it is placed again in {delay:g} s")

    def _tend(self, place: _Place, now: float) -> None:
        """Places a node whose time has come; says so if one does not start."""
        if place.state is _State.WAITS and now >= place.due:
            place.node = self.machines.place(place.machine, self.environment(place.machine, place.name))
            place.state, place.since, place.told = _State.PLACED, now, False
        elif place.node is not None and not place.told and now - place.since > SLOW_START_SECONDS:
            place.told = True
            if not place.node.has_started():
                self.say(f"node {place.name} waits: others of the cluster use its {place.machine.cores} cores")

    def _finished(self, now: float) -> PlacingEnd | None:
        """How it ended, once no node lives or is about to; nodes that are done go on if there is work again."""
        places = list(self._places.values())
        if not places or any(place.state in (_State.WAITS, _State.PLACED) for place in places):
            return None
        done = [place for place in places if place.state is _State.DONE]
        if not done:
            drained = all(place.code in _DRAINED for place in places)
            return PlacingEnd(signal.SIGTERM) if drained else PlacingEnd(cause="every node was left out")
        idle = [place for place in done if place.code == _DONE]
        if idle and self._may_have_work():
            for place in idle:
                place.failures += 1
                place.state, place.due = _State.WAITS, now + self.rules.delay(place.failures)
            return None
        return PlacingEnd(has_failures=any(place.code == _DONE_WITH_FAILURES for place in done))

    def _may_have_work(self) -> bool:
        """Whether papers are left, or a database that is away does not tell."""
        try:
            return self.work_is_left()
        except StoreAwayError as error:
            self.say(f"placing goes on, though nobody knows what is left: {error}")
            return True

    def _stop(self, now: float) -> PlacingEnd | None:
        """Drains all nodes, then kills those that take too long, or all at a second signal."""
        living = [place.node for place in self._places.values() if place.node is not None]
        if not living:
            return PlacingEnd(self._signals[0])
        if self._kill_at is None:
            self._kill_at = now + self.rules.drain_seconds + DRAIN_GRACE_SECONDS
            self.say(f"draining {len(living)} nodes; once more kills them")
            for node in living:
                node.drain()
        if len(self._signals) > 1 or now >= self._kill_at:
            for node in living:
                node.kill()
        return None


def named(machines: Sequence[Machine], taken: Sequence[str]) -> Mapping[Machine, str]:
    """A name for the node of each machine: its host's, with a few digits of its id where several share a host.

    A name depends on what else is there, so that it is the same at the next start over the same machines.
    """
    hosts = [machine.host for machine in machines]
    found: dict[Machine, str] = {}
    for machine in machines:
        alone = hosts.count(machine.host) == 1
        shared = not alone or any(each == machine.host or each.startswith(f"{machine.host}-") for each in taken)
        found[machine] = f"{machine.host[:50]}-{machine.id[:8]}" if shared else machine.host
    return found
