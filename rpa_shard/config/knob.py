"""What a knob is: an environment variable with a default, a kind of value and a meaning.

Guarantee: a knob is a field of a dataclass, so that its name, default, check and documentation are in one place.
Limit: the knobs themselves are declared in `rpa_shard.config.settings`, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass, field
from pathlib import Path
from typing import Any, cast

from rpa_shard.config.host_policy import parse_policies
from rpa_shard.config.llm import STRUCTURED, parse_budget, parse_endpoints
from rpa_shard.config.places import parse_artifacts, parse_node_name, parse_store
from rpa_shard.config.source_names import SOURCE_FIELDS, parse_sources
from rpa_shard.model.phase import PHASES, in_order


@dataclass(frozen=True, slots=True)
class Kind:
    """How the text of a knob becomes a value: `parse` raises ValueError, `allowed` describes valid values.

    `words` are all valid values, if they are words. What is `private` is not repeated in errors: a wrong value may hold
    a key.
    """

    allowed: str
    parse: Callable[[str], Any]
    words: tuple[str, ...] = ()
    private: bool = False


def integer(low: int, high: int) -> Kind:
    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError
        return value

    return Kind(f"a whole number from {low:,} to {high:,}".replace(",", "_"), parse)


def number(low: float, high: float) -> Kind:
    def parse(text: str) -> float:
        value = float(text)
        if not low <= value <= high:  # NaN compares false
            raise ValueError
        return value

    return Kind(f"a number from {low:g} to {high:g}", parse)


def choice(*words: str) -> Kind:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return Kind(f"one of {', '.join(words)}", parse, words)


def flag() -> Kind:
    return Kind("0 or 1", lambda text: {"0": False, "1": True}[text])


def text() -> Kind:
    def parse(text: str) -> str:
        if not text or not text.isprintable():
            raise ValueError
        return text

    return Kind("a line of text", parse)


def phase_names() -> Kind:
    def parse(text: str) -> tuple[str, ...]:
        names = tuple(phase.name for phase in in_order(text.replace(",", " ").split()))
        if not names:
            raise ValueError
        return names

    names = tuple(phase.name for phase in PHASES)
    return Kind(f"phases, separated by commas, of {', '.join(names)}", parse, names)


def folder() -> Kind:
    return Kind("a folder", _path)


def file() -> Kind:
    return Kind("a file", _path)


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:  # there is no such user
        raise ValueError(str(error)) from None


def policies() -> Kind:
    return Kind("HOST=REQUESTS/SECONDS@CONNECTIONS, separated by spaces, hosts without ports", parse_policies)


def sources() -> Kind:
    names = ", ".join(f"{{{name}}}" for name in sorted(SOURCE_FIELDS))
    return Kind(
        f"`arxiv`, `gcs`, http(s):// or file:// URL templates with {names}, at least the id, name or number; "
        "separated by spaces",
        parse_sources,
    )


def endpoints() -> Kind:
    allowed = (
        "`URL models=A,B option=value …`, one endpoint after the other, separated by spaces; options: key=env:NAME or "
        "key=file:PATH, requests=, input_tokens= and output_tokens= (a minute), in_flight=, context= (tokens), "
        f"price=IN/OUT (dollars for a million tokens), structured= ({', '.join(STRUCTURED)})"
    )
    return Kind(allowed, parse_endpoints, private=True)


def store() -> Kind:
    allowed = (
        "postgresql://USER@HOST:PORT/DATABASE without a password, which belongs in a file (PGPASSFILE, PGSERVICE) "
        "or in PGPASSWORD"
    )
    return Kind(allowed, parse_store, private=True)


def artifacts() -> Kind:
    return Kind("s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or file:///FOLDER", parse_artifacts)


def node_name() -> Kind:
    return Kind("up to 63 letters, digits, dots, dashes and underscores", parse_node_name)


def budget() -> Kind:
    return Kind("tokens=N, usd=X, or both, for a day", parse_budget)


def knob(name: str, default: Any, kind: Kind, meaning: str, *, shown: str = "", secret: bool = False) -> Any:
    """A field of `Settings`. `shown` replaces a computed default in the documentation; nothing shows a `secret`."""
    metadata = {"knob": name, "kind": kind, "meaning": meaning, "shown": shown, "secret": secret}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def default_text(knob_field: Field[Any]) -> str:
    """A knob's default as it would be written in the environment."""
    if knob_field.metadata["shown"]:
        return cast(str, knob_field.metadata["shown"])
    return as_text(knob_field.default)


def as_text(value: object) -> str:
    """A knob's value as the text that would give it."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return str(value)
