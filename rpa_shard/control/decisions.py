"""The supervisor's decisions: a state machine without processes, sockets or clocks.

Guarantee: pure; the same events at the same times give the same commands. At any time, each shard of the run is exactly
one of: about to be started, living, waiting for its restart, or ended because the run drains. Nothing is started while
the run drains, and no event in any state raises. Limit: it knows only the events that it is given; the supervisor
carries out the commands and reports their results.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rpa_shard.control.restarts import Restarts
from rpa_shard.ipc.run_status import RunState
from rpa_shard.ipc.shard_report import ShardState

# A shard ends its own drain by force at the deadline; the supervisor waits a little longer.
KILL_AFTER_DRAIN_SECONDS = 2.0
# How long the start of a shard waits for a store that is away.
POSTPONED_SECONDS = 2.0
# Memory that builds up over many papers is no paper's fault: the shard is replaced before it uses up its budget.
RECYCLE_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class StartShard:
    """Start a shard; if it left a suspect, `charge_suspect` says whether that attempt is charged."""

    number: int
    charge_suspect: bool = False


@dataclass(frozen=True, slots=True)
class DrainShard:
    """Ask a shard to end; `reason` says why, unless the run itself ends."""

    number: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class KillShard:
    """End a shard at once."""

    number: int
    reason: str
    for_paper: bool = False


@dataclass(frozen=True, slots=True)
class SetPaused:
    """Pause or resume a shard's claims."""

    number: int
    paused: bool


@dataclass(frozen=True, slots=True)
class ReportDeath:
    """A shard died unexpectedly or could not be started: for the log and the status."""

    number: int
    cause: str


@dataclass(frozen=True, slots=True)
class MovePapers:
    """No shard lives any more: move the papers, then call `resharded`."""


Command = StartShard | DrainShard | KillShard | SetPaused | ReportDeath | MovePapers


@dataclass(frozen=True, slots=True)
class Parsing:
    """A shard is parsing a paper: for how many seconds, and the memory that the shard holds now."""

    paper_id: str
    seconds: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class ShardView:
    """What is known of a living shard. `memory_bytes` was measured at the last look."""

    state: ShardState = ShardState.BOOTING
    outstanding: int | None = None
    silent_seconds: float = 0.0
    memory_bytes: int = 0
    parsing: Parsing | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """When the supervisor acts; see the settings of the same names."""

    extract_deadline_seconds: float
    shard_memory_bytes: int
    shard_silence_seconds: float
    drain_seconds: float
    crash_loop_deaths: int
    retry_delay_scale: float = 1.0


@dataclass(slots=True)
class _Living:
    recycling: bool = False
    killed: KillShard | None = None

    @property
    def makes_room(self) -> bool:
        """Whether it was asked to make room for a fresh process, and has not had to be killed."""
        return self.recycling and self.killed is None


class Decisions:
    """The state of one run. Every event is a method; `commands` yields what has to be done in response."""

    def __init__(self, limits: Limits, shard_count: int, *, daemon: bool) -> None:
        self.state = RunState.RUNNING
        # The last signal; 0 for none.
        self.signal = 0
        # Why the run gave up, if it did.
        self.cause: str | None = None
        self.shard_count = shard_count
        self._limits = limits
        self._daemon = daemon
        self._restarts = Restarts(limits.crash_loop_deaths, limits.retry_delay_scale)
        self._starting: dict[int, bool] = dict.fromkeys(range(shard_count), False)
        self._living: dict[int, _Living] = {}
        # When a shard is due to restart, and whether the suspect that it left is charged.
        self._restart_at: dict[int, tuple[float, bool]] = {}
        self._drain_until = 0.0
        self._paused = False
        self._commands: deque[Command] = deque(StartShard(number) for number in range(shard_count))

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.state is not RunState.RESIZING and not (self._living or self._starting or self._restart_at)

    @property
    def living(self) -> frozenset[int]:
        return frozenset(self._living)

    @property
    def restarts(self) -> Mapping[int, float]:
        """When each shard that waits for its restart is due (monotonic seconds)."""
        return {number: due for number, (due, _) in self._restart_at.items()}

    @property
    def starting(self) -> frozenset[int]:
        return frozenset(self._starting)

    def commands(self) -> Iterator[Command]:
        """Yields what has to be done until nothing is left; events in between may add commands or remove them."""
        while self._commands:
            yield self._commands.popleft()

    def started(self, number: int) -> None:
        """A shard has started, as commanded."""
        del self._starting[number]
        self._living[number] = _Living()
        if self._paused:
            self._commands.append(SetPaused(number, True))

    def start_failed(self, number: int, cause: str, now: float) -> None:
        """A shard could not be started."""
        charge = self._starting.pop(number)
        self._note_death(number, cause, now, for_paper=False, charge_suspect=charge)

    def start_postponed(self, number: int, now: float) -> None:
        """A shard could not be started because the store is away: that is no death, and it is tried again."""
        self._restart_at[number] = now + POSTPONED_SECONDS, self._starting.pop(number)

    def exited(self, number: int, how: str, now: float, *, papers_doing: bool) -> None:
        """A shard ended in whatever way; `papers_doing` if the paper that it was parsing caused it.

        What it has not been asked yet will not be.
        """
        shard = self._living.pop(number)
        self._commands = deque(each for each in self._commands if not _is_for_living(each, number))
        if self.state is RunState.RUNNING:
            if shard.makes_room:
                self._restart_at[number] = now, papers_doing
            else:
                cause = f"{how} ({shard.killed.reason})" if shard.killed else how
                for_paper = shard.killed is not None and shard.killed.for_paper
                self._note_death(number, cause, now, for_paper=for_paper, charge_suspect=papers_doing)
        elif self.state is RunState.RESIZING and not self._living:
            self._commands.append(MovePapers())

    def stopped_listening(self, number: int) -> None:
        """A living shard no longer reads its messages."""
        self._kill(KillShard(number, "no longer reads messages from the supervisor"))

    def makes_room(self, number: int) -> bool:
        """Whether a living shard will be replaced by a fresh one when it ends."""
        return self.state is RunState.RUNNING and self._living[number].makes_room

    def killed_for_paper(self, number: int) -> bool:
        """Whether a living shard was killed because of the paper that it was parsing."""
        killed = self._living[number].killed
        return killed is not None and killed.for_paper

    def signalled(self, number: int, now: float) -> None:
        """A signal to end the run arrived: the first one drains, the next one kills."""
        if self.signal == 0:
            self._drain(RunState.STOPPING, now)
        else:
            for shard in self._living:
                self._kill(KillShard(shard, "a second signal to stop"))
        self.signal = number

    def pause(self, *, paused: bool) -> None:
        """The disk is short of space, or has space again."""
        if paused != self._paused:
            self._paused = paused
            self._commands.extend(SetPaused(number, paused) for number in self._living)

    def resize(self, now: float) -> None:
        """The number of shards changes: the shards drain, and then `MovePapers` is commanded."""
        if self.state is not RunState.RUNNING:
            return
        self._drain(RunState.RESIZING, now)
        if not self._living:
            self._commands.append(MovePapers())

    def resharded(self, shard_count: int) -> None:
        """The papers have moved to where they belong among this number of shards."""
        if self.state is not RunState.RESIZING:
            return
        self.state = RunState.RUNNING
        self.shard_count = shard_count
        for number in range(shard_count):
            self._start(number, charge_suspect=False)

    def tick(self, now: float, views: Mapping[int, ShardView]) -> None:
        """Time has passed; `views` describe the living shards."""
        for number, (due, charge) in list(self._restart_at.items()):
            if due <= now:
                del self._restart_at[number]
                self._start(number, charge_suspect=charge)
        for number, view in views.items():
            if number in self._living:
                self._enforce_deadlines(number, view, now)
        if self.state is RunState.RUNNING:
            self._recycle_one(views)
            self._finish_if_done(views, now)

    def ended(self) -> None:
        """The run is over and has cleaned up."""
        self.state = RunState.ENDED

    def _start(self, number: int, *, charge_suspect: bool) -> None:
        self._starting[number] = charge_suspect
        self._commands.append(StartShard(number, charge_suspect))

    def _kill(self, kill: KillShard) -> None:
        shard = self._living[kill.number]
        if shard.killed is None:
            shard.killed = kill
            self._commands.append(kill)

    def _drain(self, state: RunState, now: float) -> None:
        self.state = state
        self._drain_until = now + self._limits.drain_seconds + KILL_AFTER_DRAIN_SECONDS
        self._restart_at.clear()
        self._starting.clear()
        self._commands = deque(each for each in self._commands if not isinstance(each, (StartShard, MovePapers)))
        self._commands.extend(DrainShard(number) for number in self._living)

    def _note_death(self, number: int, cause: str, now: float, *, for_paper: bool, charge_suspect: bool) -> None:
        """Schedules the restart of a shard that died or could not be started, or gives up the run."""
        self._commands.append(ReportDeath(number, cause))
        delay = 0.0 if for_paper else self._restarts.died(number, now)
        if delay is None:
            deaths = self._limits.crash_loop_deaths + 1
            self.cause = f"shards died {deaths} times within a minute, last: {cause}"
            self._drain(RunState.CRASH_LOOP, now)
        else:
            self._restart_at[number] = now + delay, charge_suspect

    def _enforce_deadlines(self, number: int, view: ShardView, now: float) -> None:
        limits, parsing = self._limits, view.parsing
        if parsing is not None and parsing.seconds > limits.extract_deadline_seconds:
            self._kill(KillShard(number, f"extraction of {parsing.paper_id} passed its deadline", for_paper=True))
        elif parsing is not None and parsing.memory_bytes > limits.shard_memory_bytes:
            self._kill(KillShard(number, f"over its memory budget while parsing {parsing.paper_id}", for_paper=True))
        elif view.silent_seconds > limits.shard_silence_seconds:
            self._kill(KillShard(number, f"silent for more than {limits.shard_silence_seconds:g} s"))
        elif self.state is not RunState.RUNNING and now > self._drain_until:
            self._kill(KillShard(number, "did not drain in time"))

    def _recycle_one(self, views: Mapping[int, ShardView]) -> None:
        """Drains and replaces a shard that nears its memory budget, one shard at a time."""
        if any(shard.recycling for shard in self._living.values()):
            return
        for number, view in views.items():
            is_large = view.memory_bytes > RECYCLE_SHARE * self._limits.shard_memory_bytes
            if number in self._living and is_large and view.state is ShardState.READY:
                self._living[number].recycling = True
                reason = f"holds {view.memory_bytes / 1e6:.0f} MB: it drains and is replaced"
                self._commands.append(DrainShard(number, reason))
                return

    def _finish_if_done(self, views: Mapping[int, ShardView], now: float) -> None:
        if self._daemon or self._restart_at or self._starting:
            return
        if all(number in views and views[number].outstanding == 0 for number in self._living):
            self._drain(RunState.FINISHING, now)


def _is_for_living(command: Command, number: int) -> bool:
    """Whether a command is carried out by a living shard of that number."""
    return isinstance(command, (DrainShard, KillShard, SetPaused)) and command.number == number
