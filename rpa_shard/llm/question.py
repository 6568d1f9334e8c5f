"""A question to a model, and its answer.

Guarantee: pure; the key of a question is the same in every run and on every machine, as long as the question is the
same. Limit: whether an answer is of any use is decided by whoever asked (`rpa_shard.phases.writing.checking.checks`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

# How an answer ended: complete, cut at its longest allowed length, or kept back by the model or by a filter.
Finish = Literal["complete", "cut", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How an answer is to be made. `temperature` None: as the endpoint likes."""

    max_output_tokens: int
    temperature: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question about one paper.

    `step` is the phase and the name of its prompt, `analyze/why_it_matters`. `prompt_sha256` stands for everything that
    the prompt's files say, `input_sha256` for what is asked about: the paper's text and, in later steps, what was
    answered before. A server that keeps prefixes reads `system` and `document`, which come first and are the same for
    all questions about a paper, only once; `instruction` comes last.
    """

    paper_id: str
    step: str
    prompt_sha256: str
    input_sha256: str
    system: str
    document: str
    instruction: str
    schema: Mapping[str, Any]
    parameters: Parameters

    @property
    def key(self) -> str:
        """Stands for the question among all questions: 64 hexadecimal digits.

        What else the prompt was made of (a neighbour that was found, how much of the paper fitted) makes no new
        question.
        """
        parts = [
            self.paper_id,
            self.step,
            self.prompt_sha256,
            self.input_sha256,
            self.parameters.max_output_tokens,
            self.parameters.temperature,
        ]
        return sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of a call; `cached` of the input were read from the server's cache. `estimated`: it did not say."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model answered, whether that is of any use or not. Times are Unix seconds.

    `model` and `place` (host and port) say who answered; `request_id` is the one that we gave the request. `text` is
    what came, `says` why it was refused. `micro_usd` is the price, where one is known.
    """

    model: str
    place: str
    text: str
    finish: Finish
    usage: Usage
    request_id: str
    asked_at: float
    answered_at: float
    micro_usd: int = 0
    says: str = ""
