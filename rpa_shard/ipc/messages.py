"""Every message between supervisor and shard: one JSON object per line over a socket pair.

Guarantee: messages arrive complete and in order, or not at all; a line that is not a message of this version is logged
and skipped. Limit: messages are not acknowledged; each end acts on what it receives, and end of file shows that the
other end is gone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from rpa_shard.ipc.calls import CALL_CLASSES, CallMessage, CallsGranted, ModelStates
from rpa_shard.ipc.run_status import HostStatus
from rpa_shard.ipc.shard_report import ShardReport

log = logging.getLogger(__name__)

VERSION = 1

# How a request to a governed host ended: with an answer, with one that says nothing yet of the host (a redirect, a
# page), without one, or it was never sent.
Ending = Literal["ok", "redirected", "undecided", "failed", "unused"]
# What came instead of a PDF: a page, one that says that the PDF is being made, or an error of the server.
Instead = Literal["page", "promise", "error"]


@dataclass(frozen=True, slots=True)
class Drain:
    """To a shard: claim nothing more, finish or hand back what is in flight, and end."""


@dataclass(frozen=True, slots=True)
class Pause:
    """To a shard: claim nothing for now."""


@dataclass(frozen=True, slots=True)
class Resume:
    """To a shard: the pause is over."""


@dataclass(frozen=True, slots=True)
class MayTake:
    """To a shard, before it begins, of a run with a limit: how many papers it may take from the queue of each phase.

    Papers whose last attempt failed at `not_failed_since` (Unix seconds) or later have had their turn.
    """

    papers: Mapping[str, int]
    not_failed_since: float


@dataclass(frozen=True, slots=True)
class PermitsGranted:
    """To a shard: requests to a host that may begin now; `granted_at` is the machine's monotonic clock (seconds)."""

    host: str
    permits: tuple[int, ...]
    granted_at: float


@dataclass(frozen=True, slots=True)
class HostStates:
    """To a shard: how things stand with every governed host."""

    hosts: Mapping[str, HostStatus]


@dataclass(frozen=True, slots=True)
class HostDoubted:
    """To a shard: a host gave some shard no PDF; the next PDF that it gives here is to be reported."""

    host: str


@dataclass(frozen=True, slots=True)
class NoPdfNoted:
    """To a shard: its `NoPdf` with this number has been taken into account; states that follow from it came before."""

    number: int


@dataclass(frozen=True, slots=True)
class Reported:
    """From a shard, once a second: how it is doing."""

    report: ShardReport


@dataclass(frozen=True, slots=True)
class Broke:
    """From a shard that is about to exit because something in it broke."""

    cause: str


@dataclass(frozen=True, slots=True)
class PermitsWanted:
    """From a shard: `count` of its workers wait for permits for a host."""

    host: str
    count: int


@dataclass(frozen=True, slots=True)
class RequestAnswered:
    """From a shard: the answer to a request has begun, so the request has arrived."""

    host: str
    permit: int


@dataclass(frozen=True, slots=True)
class PermitReturned:
    """From a shard: a request has ended."""

    host: str
    permit: int
    ending: Ending


@dataclass(frozen=True, slots=True)
class HostLimited:
    """From a shard: a host asked us to slow down (429, 503). `permit` is None if the host was not governed."""

    host: str
    permit: int | None
    retry_after_seconds: float | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HostBlocked:
    """From a shard: a host refuses us (401, 403)."""

    host: str
    detail: str


@dataclass(frozen=True, slots=True)
class NoPdf:
    """From a shard, which waits until it is noted: a host that was asked for a paper gave something else.

    `permit` is that of the last request to this host; `paper` stands for what was asked for, `page` for the page that
    came. `on_trial`: when it was asked for, the host had yet to show that it gives PDFs, so that few were under way.
    """

    number: int
    host: str
    permit: int | None
    paper: str
    page: str
    instead: Instead
    says: str
    on_trial: bool = True


@dataclass(frozen=True, slots=True)
class HostAnswered:
    """From a shard: a host that is shut or doubted, or gave it no PDF last, gave one, or said that it has none."""

    host: str
    with_pdf: bool


ToShard = (
    Drain
    | Pause
    | Resume
    | MayTake
    | PermitsGranted
    | HostStates
    | HostDoubted
    | NoPdfNoted
    | CallsGranted
    | ModelStates
)  # fmt: skip
PermitMessage = PermitsWanted | RequestAnswered | PermitReturned | HostLimited | HostBlocked | NoPdf | HostAnswered
FromShard = Reported | Broke | PermitMessage | CallMessage
Message = ToShard | FromShard

_CLASSES: tuple[type[Message], ...] = (
    Drain, Pause, Resume, MayTake, PermitsGranted, HostStates, HostDoubted, NoPdfNoted, Reported, Broke,
    PermitsWanted, RequestAnswered, PermitReturned, HostLimited, HostBlocked, NoPdf, HostAnswered, *CALL_CLASSES,
)  # fmt: skip
_KIND_OF = {each: re.sub(r"(?<!^)(?=[A-Z])", "_", each.__name__).lower() for each in _CLASSES}
_CLASS_OF = {kind: each for each, kind in _KIND_OF.items()}


class MessageError(ValueError):
    """A line that is not a message of this version; the text describes it."""


class _Envelope(msgspec.Struct, frozen=True):
    version: int
    kind: str
    body: msgspec.Raw


def encode(message: Message) -> bytes:
    """One message as a line."""
    body = msgspec.Raw(msgspec.json.encode(message))
    return msgspec.json.encode(_Envelope(VERSION, _KIND_OF[type(message)], body)) + b"\n"


def decode(line: bytes) -> Message:
    """The message of a line. Raises MessageError."""
    try:
        envelope = msgspec.json.decode(line, type=_Envelope)
        if envelope.version != VERSION:
            raise MessageError(f"a message of version {envelope.version}, but this program uses version {VERSION}")
        if envelope.kind not in _CLASS_OF:
            raise MessageError(f"unknown kind of message: {envelope.kind!r:.60}")
        return msgspec.json.decode(envelope.body, type=_CLASS_OF[envelope.kind])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"not a message: {error}: {line[:100]!r}") from None


class Inbox:
    """Turns received bytes into messages."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, received: bytes) -> list[Message]:
        """The messages that are complete now; invalid lines are logged and skipped."""
        *lines, self._rest = (self._rest + received).split(b"\n")
        messages: list[Message] = []
        for line in lines:
            try:
                messages.append(decode(line))
            except MessageError as error:
                log.error("skipped a message: %s", error)
        return messages
