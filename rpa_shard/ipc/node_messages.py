"""The messages between a supervisor, the agent of its node, and the node that governs: one JSON object a line.

Guarantee: complete and in order, or not at all. What a shard sends, and what is sent to it, travels as it is, with the
shard's number (`Of`). Limit: nothing is encrypted; who takes part is settled by `Hello` and `Welcome` alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from rpa_shard.ipc.messages import Message, MessageError, decode, encode
from rpa_shard.ipc.model_status import BudgetStatus, ModelStatus
from rpa_shard.ipc.run_status import HostStatus

# To or from no shard in particular: all of the node's.
EVERY_SHARD = 65_535
MAX_LINE_BYTES = 2**24


class Challenge(msgspec.Struct, frozen=True, tag=True):
    """From the governing node to who connects: prove with this that you know the secret of the epoch."""

    nonce: str


class Hello(msgspec.Struct, frozen=True, tag=True):
    """From a node: its proof, a challenge of its own, and what its settings say of hosts and models.

    It left at `at` by the node's monotonic clock.
    """

    node: str
    nonce: str
    proof: str
    at: float
    policies: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


class Welcome(msgspec.Struct, frozen=True, tag=True):
    """From the governing node: its own proof, and when it read the node's by its own clock."""

    proof: str
    clock: float


class Ping(msgspec.Struct, frozen=True, tag=True):
    """From a node, at `at` by its own monotonic clock."""

    at: float


class Pong(msgspec.Struct, frozen=True, tag=True):
    """To a node: its ping of `at` was there at `clock` by the governing node's clock.

    Of what the node has sent in this session for its shards, the first `handled` messages have been acted on.
    """

    at: float
    clock: float
    handled: int


class Of(msgspec.Struct, frozen=True, tag=True):
    """A message of a shard, or to it; of `ipc.messages`, undecoded."""

    shard: int
    message: msgspec.Raw

    def decoded(self) -> Message:
        """The message. Raises MessageError."""
        return decode(bytes(self.message))


class ShardGone(msgspec.Struct, frozen=True, tag=True):
    """From a node: a shard has ended."""

    shard: int


class PermitHeld(msgspec.Struct, frozen=True, tag=True):
    """From a node, first of all: a request that was permitted earlier is under way; it may have been answered."""

    shard: int
    host: str
    permit: int
    answered: bool


class CallHeld(msgspec.Struct, frozen=True, tag=True):
    """From a node, first of all: a call that was permitted earlier is under way."""

    shard: int
    model: str
    number: int


class Views(msgspec.Struct, frozen=True, tag=True):
    """To a node, once a second, for people: how things stand."""

    hosts: Mapping[str, HostStatus]
    models: Mapping[str, ModelStatus]
    budget: BudgetStatus


class Governed(msgspec.Struct, frozen=True, tag=True):
    """From the agent to its supervisor: a session with the node that governs has begun."""

    session: int
    node: str


class Ungoverned(msgspec.Struct, frozen=True, tag=True):
    """From the agent to its supervisor: there is no session, and why."""

    why: str


class Begin(msgspec.Struct, frozen=True, tag=True):
    """From the supervisor to its agent: what follows belongs to this session."""

    session: int


class Acted(msgspec.Struct, frozen=True, tag=True):
    """From the agent to its supervisor: so many of this session's messages have been acted on."""

    handled: int


NodeMessage = (
    Challenge | Hello | Welcome | Ping | Pong | Of | ShardGone | PermitHeld | CallHeld | Views | Governed | Ungoverned
    | Begin | Acted
)  # fmt: skip
# What counts as a message of a session.
OfSession = Of | ShardGone | PermitHeld | CallHeld

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[NodeMessage] = msgspec.json.Decoder(NodeMessage)


def of_shard(shard: int, message: Message) -> Of:
    """A message of a shard, or to it, in its envelope."""
    return Of(shard, msgspec.Raw(encode(message)[:-1]))


def as_line(message: NodeMessage) -> bytes:
    """One message as a line."""
    return _ENCODER.encode(message) + b"\n"


def from_line(line: bytes) -> NodeMessage:
    """The message of a line. Raises MessageError."""
    try:
        return _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"not a message between nodes: {error}: {line[:100]!r}") from None


class Lines:
    """Turns received bytes into messages."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, received: bytes) -> Iterator[NodeMessage]:
        """The messages that are complete now. Raises MessageError."""
        first, *others = received.split(b"\n")
        self._parts.append(first)
        self._size += len(first)
        if self._size > MAX_LINE_BYTES:
            raise MessageError("a line without an end")
        for part in others:
            line = b"".join(self._parts)
            self._parts, self._size = [part], len(part)
            yield from_line(line)
