"""Which models are asked, where, with which key, how fast and for how much.

Guarantee: pure; a key is never part of these values, only the name of the place where it is. Limit: whether an endpoint
answers, and knows its models, is found out by asking it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from rpa_shard.config.errors import SettingsError

# How an endpoint can be made to answer in JSON; `probe`: find out.
Structured = Literal["probe", "json_schema", "json_object", "none"]
STRUCTURED: tuple[Structured, ...] = ("probe", "json_schema", "json_object", "none")

DEFAULT_IN_FLIGHT = 200
DEFAULT_CONTEXT_TOKENS = 32_768
MICRO_USD = 1_000_000


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What one model of an endpoint allows the complete run, all shards together. None: no limit is known."""

    requests_per_minute: int | None = None
    input_tokens_per_minute: int | None = None
    output_tokens_per_minute: int | None = None
    in_flight: int = DEFAULT_IN_FLIGHT


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in US dollars."""

    input_usd: float = 0.0
    output_usd: float = 0.0

    def micro_usd(self, input_tokens: int, output_tokens: int) -> int:
        """The price of a call in millionths of a dollar, rounded up."""
        # Dollars per million tokens are millionths of a dollar per token.
        return -int(-(input_tokens * self.input_usd + output_tokens * self.output_usd) // 1)


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where the key of an endpoint is: an environment variable or a file."""

    kind: Literal["env", "file"]
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    def read(self, environment: Mapping[str, str]) -> str:
        """The key. Raises SettingsError, which names the place only."""
        if self.kind == "env":
            key = environment.get(self.name, "").strip()
            if not key:
                raise SettingsError(f"RPA_V2_LLM_ENDPOINTS: the variable {self.name}, which holds a key, is not set")
            return _checked_key(key, self)
        try:
            return _checked_key(Path(self.name).expanduser().read_text().strip(), self)
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SettingsError(f"RPA_V2_LLM_ENDPOINTS: the key in {self.name} cannot be read: {why}") from None


def _checked_key(key: str, place: KeyPlace) -> str:
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError(f"RPA_V2_LLM_ENDPOINTS: {place} holds no key: one word of ASCII characters is expected")
    return key


@dataclass(frozen=True, slots=True)
class ModelAt:
    """One model at one endpoint: what is asked, and what has limits. `url` ends before `/chat/completions`."""

    url: str
    model: str
    key: KeyPlace | None = None
    limits: CallLimits = CallLimits()
    context_tokens: int = DEFAULT_CONTEXT_TOKENS
    price: Price | None = None
    structured: Structured = "probe"

    @property
    def name(self) -> str:
        """What it is called in messages, in the status and in records: `MODEL at HOST:PORT`."""
        return f"{self.model} at {self.place}"

    @property
    def place(self) -> str:
        """The endpoint's host and port."""
        return urlsplit(self.url).netloc

    def __str__(self) -> str:
        return " ".join(self._words())

    def _words(self) -> Iterator[str]:
        yield self.url
        yield f"models={self.model}"
        if self.key is not None:
            yield f"key={self.key}"
        for option, name in _COUNTS.items():
            value = getattr(self.limits, name)
            if value is not None:
                yield f"{option}={value}"
        yield f"context={self.context_tokens}"
        if self.price is not None:
            yield f"price={self.price.input_usd:g}/{self.price.output_usd:g}"
        if self.structured != "probe":
            yield f"structured={self.structured}"


@dataclass(frozen=True, slots=True)
class LlmBudget:
    """The most that a day (in UTC) may take, in tokens (both ways) and in millionths of a dollar. None: no limit."""

    tokens_per_day: int | None = None
    micro_usd_per_day: int | None = None

    def __str__(self) -> str:
        tokens = [f"tokens={self.tokens_per_day}"] if self.tokens_per_day is not None else []
        money = [f"usd={self.micro_usd_per_day / MICRO_USD:g}"] if self.micro_usd_per_day is not None else []
        return " ".join(tokens + money)


# Options that are whole numbers, and the limits that they set.
_COUNTS = {
    "requests": "requests_per_minute",
    "input_tokens": "input_tokens_per_minute",
    "output_tokens": "output_tokens_per_minute",
    "in_flight": "in_flight",
}
_PRICE = re.compile(r"(\d+(?:\.\d+)?)/(\d+(?:\.\d+)?)")
_KEY = re.compile(r"(env|file):(\S+)")
_MAX = 10**9


def parse_endpoints(text: str) -> tuple[ModelAt, ...]:
    """Endpoints written as `URL models=A,B option=value …`, one after the other, separated by spaces.

    Each is given once for each of its models, in the order in which they are to be tried. Raises ValueError.
    """
    found: list[ModelAt] = []
    endpoint: dict[str, str] | None = None
    for word in [*text.split(), ""]:
        if not word or word.startswith(("http://", "https://")):
            if endpoint is not None:
                found += _models_of(endpoint)
            endpoint = {"url": word}
            continue
        option, equals, value = word.partition("=")
        if endpoint is None or not equals or not value or option in endpoint:
            raise ValueError(word)
        endpoint[option] = value
    names = [each.name for each in found]
    if not found or len(set(names)) < len(names):
        raise ValueError(text)
    return tuple(found)


def _models_of(options: dict[str, str]) -> list[ModelAt]:
    url = _base_url(options.pop("url"))
    models = [model for model in options.pop("models", "").split(",") if model]
    if not models:
        raise ValueError(url)
    limits = CallLimits()
    for option, name in _COUNTS.items():
        if option in options:
            limits = replace(limits, **{name: _count(options.pop(option))})
    key = _matched(_KEY, options.pop("key", None))
    price = _matched(_PRICE, options.pop("price", None))
    context = _count(options.pop("context", str(DEFAULT_CONTEXT_TOKENS)))
    wanted = options.pop("structured", "probe")
    structured = next((each for each in STRUCTURED if each == wanted), None)
    if options or structured is None:
        raise ValueError(url)
    made = ModelAt(
        url,
        "",
        KeyPlace("env" if key[1] == "env" else "file", key[2]) if key is not None else None,
        limits,
        context,
        Price(float(price[1]), float(price[2])) if price is not None else None,
        structured,
    )
    return [replace(made, model=model) for model in models]


def _matched(pattern: re.Pattern[str], text: str | None) -> re.Match[str] | None:
    """The match of an option that is given. Raises ValueError, which does not show what may be a key."""
    match = None if text is None else pattern.fullmatch(text)
    if text is not None and match is None:
        raise ValueError
    return match


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(url)
    _ = parts.port  # raises ValueError
    return url.rstrip("/").removesuffix("/chat/completions")


def _count(text: str) -> int:
    value = int(text)
    if not 0 < value <= _MAX:
        raise ValueError(text)
    return value


def parse_budget(text: str) -> LlmBudget:
    """A budget written as `tokens=N usd=X`, either or both. Raises ValueError."""
    budget = LlmBudget()
    for word in text.split():
        option, _, value = word.partition("=")
        if option == "tokens" and budget.tokens_per_day is None:
            budget = replace(budget, tokens_per_day=_count(value))
        elif option == "usd" and budget.micro_usd_per_day is None:
            micro = round(float(value) * MICRO_USD)
            if not 0 < micro <= _MAX * MICRO_USD:
                raise ValueError(word)
            budget = replace(budget, micro_usd_per_day=micro)
        else:
            raise ValueError(word)
    if budget == LlmBudget():
        raise ValueError(text)
    return budget
