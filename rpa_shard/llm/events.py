"""Answers as they come over the wire: server-sent events, and the chat completions in them, whole or in pieces.

Guarantee: pure; the same bytes give the same answer, however they are divided; what we do not know is skipped. Limit:
the first choice only, and its text only: reasoning that a server sends apart from it is not part of the answer.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec

from rpa_shard.llm.question import Finish

_BOM = b"\xef\xbb\xbf"
_END = b"[DONE]"
_NULL = b"null"
_MAX_BLANK_BYTES = 1024
_CUT = frozenset({"length", "max_tokens", "model_length"})
_REFUSED = frozenset({"content_filter", "refusal", "safety", "recitation", "blocklist", "prohibited_content"})


class EventParser:
    """Turns bytes of a stream into the data of its events (WHATWG HTML, 9.2.6)."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._data: list[bytes] = []
        self._ended_in_return = False
        self._is_first = True

    def feed(self, received: bytes) -> list[bytes]:
        """The data of the events that are complete now."""
        if not received:
            return []
        if self._ended_in_return and received.startswith(b"\n"):
            received = received[1:]
        self._ended_in_return = received.endswith(b"\r")
        if b"\r" in received:
            received = received.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in received:
            self._rest.append(received)
            return []
        *lines, rest = (b"".join(self._rest) + received).split(b"\n")
        self._rest = [rest]
        return [event for line in lines if (event := self._line(line)) is not None]

    def finish(self) -> list[bytes]:
        """The data of an event that was not followed by an empty line."""
        rest, self._rest = b"".join(self._rest), []
        self._line(rest)
        last = self._line(b"")
        return [last] if last is not None else []

    def _line(self, line: bytes) -> bytes | None:
        if self._is_first:
            self._is_first, line = False, line.removeprefix(_BOM)
        if not line:
            data, self._data = self._data, []
            return b"\n".join(data) if data else None
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
        return None


class _Part(msgspec.Struct):
    type: str = "text"
    text: str = ""


class _Text(msgspec.Struct):
    """A `message`, or the `delta` of one."""

    content: str | list[_Part] | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Text | None = None
    message: _Text | None = None
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    """A chat completion, a chunk of one, or an error in its place."""

    object: str | None = None
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw(_NULL)
    error: msgspec.Raw = msgspec.Raw(_NULL)


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _Details | None = None


class Counts(msgspec.Struct, frozen=True):
    """The tokens of a call as the endpoint counted them, which may be nonsense."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int


_DECODER = msgspec.json.Decoder(_Completion)


class Received:
    """What has come of an answer."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._reason: str | None = None
        self._usage = _NULL
        self._has_choice = False
        self._has_ended = False
        # What the endpoint sent instead of the answer, or of its rest: JSON.
        self.error: bytes | None = None

    def take(self, data: bytes) -> None:
        """Takes in a whole completion, or the data of an event. Raises ValueError if it is neither."""
        if data.strip() == _END:
            self._has_ended = True
            return
        try:
            completion = _DECODER.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as undecodable:
            raise ValueError(str(undecodable)) from None
        error = bytes(completion.error)
        if error != _NULL or completion.object == "error":
            self.error = data if error == _NULL else error
            return
        usage = bytes(completion.usage)
        self._usage = self._usage if usage == _NULL else usage
        for choice in completion.choices or ():
            if choice.index == 0:
                self._take_choice(choice)

    def _take_choice(self, choice: _Choice) -> None:
        self._has_choice = True
        self._reason = choice.finish_reason or self._reason
        text = choice.message if choice.message is not None else choice.delta
        if text is None:
            return
        if isinstance(text.content, str):
            self._text.append(text.content)
        else:
            self._text += [part.text for part in text.content or () if part.type == "text"]
        if text.refusal:
            self._refusal.append(text.refusal)

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    @property
    def says(self) -> str:
        """Why the answer was refused, if it was and that was said."""
        refusal = " ".join("".join(self._refusal).split())
        return refusal or (f"finish_reason {self._reason}" if self.finish == "refused" else "")

    @property
    def finish(self) -> Finish:
        """How the answer ended, once it has."""
        reason = (self._reason or "").lower()
        if self._refusal or reason in _REFUSED:
            return "refused"
        return "cut" if reason in _CUT else "complete"

    @property
    def is_at_end(self) -> bool:
        """Whether the stream has said that nothing more comes."""
        return self._has_ended

    @property
    def is_whole(self) -> bool:
        """Whether there is an answer, and it has ended."""
        return self._has_choice and (self._has_ended or self._reason is not None)

    @property
    def is_empty(self) -> bool:
        """Whether nothing that belongs to an answer has come."""
        return not self._has_choice

    @property
    def counts(self) -> Counts | None:
        """The tokens that the endpoint counted, or None if it did not."""
        try:
            usage = msgspec.json.decode(self._usage, type=_Usage)
        except (msgspec.MsgspecError, RecursionError):
            return None
        cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details is not None else None
        return Counts(usage.prompt_tokens, usage.completion_tokens, cached or 0)


class AnswerReader:
    """Turns the bytes of an answer into what has come of it: events, or, if it begins as an object, one completion."""

    def __init__(self, received: Received) -> None:
        self._received = received
        self._parser = EventParser()
        self._beginning: list[bytes] | None = []
        self._whole: list[bytes] | None = None

    def feed(self, chunk: bytes) -> None:
        """Takes in what comes next. Raises ValueError if it is no chat completion."""
        if self._beginning is not None:
            self._beginning.append(chunk)
            chunk = b"".join(self._beginning)
            begins = chunk.removeprefix(_BOM).lstrip()
            if not begins and len(chunk) < _MAX_BLANK_BYTES:
                return
            self._beginning = None
            if begins.startswith(b"{"):
                self._whole = []
        if self._whole is not None:
            self._whole.append(chunk)
            return
        for data in self._parser.feed(chunk):
            self._received.take(data)

    def finish(self) -> None:
        """Takes in what has come, now that nothing more will. Raises ValueError if it is no chat completion."""
        if self._whole is not None:
            self._received.take(b"".join(self._whole).removeprefix(_BOM))
            return
        for data in self._parser.finish():
            self._take_last(data)

    def _take_last(self, data: bytes) -> None:
        """Takes in an event that may have been cut."""
        with suppress(ValueError):
            self._received.take(data)


def decoded(content: bytes) -> Any:
    """JSON, or None if it is none."""
    try:
        return msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
