"""The log of the endpoint: one JSON line for each request, written when it has ended.

Guarantee: a request arrived at `at`, or at most `late` seconds before it; what was handed to the socket is in the log.
Limit: Unix seconds; they contain any step of the machine's clock. What was handed to a socket need not have been read.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

# Begins the name of a fault that is none of ours: the request was beyond a limit.
BEYOND = "beyond "


@dataclass(slots=True, kw_only=True)
class LoggedCall:
    """One request. `status` is 0 if nothing was answered; `in_flight` counts the request itself, too.

    `began` and `answered` are when the first byte of an answer, and the last byte of a complete one, were handed to the
    socket. `output_tokens` are those that were sent. `fault` names the injected fault, or the limit that was exceeded.
    """

    at: float
    late: float
    id: str = ""
    model: str = ""
    fault: str | None = None
    status: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    began: float | None = None
    answered: float | None = None
    in_flight: int = 0

    @property
    def key(self) -> str:
        """The question's key."""
        return self.id.partition(".")[0]

    @property
    def process(self) -> str:
        """The word for the process that asked; empty if its id says none."""
        return self.id.partition(".")[2].rpartition(".")[0]

    @property
    def is_beyond(self) -> bool:
        """Whether it was turned away because it exceeded a limit."""
        return self.fault is not None and self.fault.startswith(BEYOND)

    def as_line(self) -> str:
        """The line, with its end."""
        return json.dumps(asdict(self)) + "\n"


def read_calls(log: Path) -> list[LoggedCall]:
    """All requests of a log, in the order in which they arrived; empty if the log does not exist yet."""
    if not log.exists():
        return []
    return sorted((LoggedCall(**json.loads(line)) for line in log.read_text().splitlines()), key=lambda each: each.at)
