"""JSON Schemas of answers: whether one is usable, and where an answer does not fit it.

Guarantee: draft 2020-12; nothing is ever fetched: a reference leads into the schema itself, or the schema is refused.
Limit: loads `jsonschema`, so only what deals with prompts and answers imports this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

MAX_DETAIL_CHARACTERS = 160

Misfit = Callable[[Any], str | None]


def check_schema(schema: Any) -> None:
    """Raises ValueError, with one line, if this is no schema of a JSON object."""
    if not isinstance(schema, dict):
        raise ValueError("it is no JSON object")
    try:
        Draft202012Validator.check_schema(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path)) or "the schema"
        raise ValueError(f"{where}: {_one_line(error.message)}") from None
    if schema.get("type") != "object":
        raise ValueError('an answer must be an object: "type": "object" is missing')
    resolver = _registry(schema).resolver()
    for reference in texts_called("$ref", schema):
        try:
            resolver.lookup(reference)
        except Unresolvable:
            raise ValueError(
                f"{reference} leads nowhere: use references into the schema itself, like #/$defs/x"
            ) from None


def misfit_of(schema: Mapping[str, Any]) -> Misfit:
    """What tells, in one line, where a value does not fit the schema; None if it fits. Made once for each schema."""
    validator = Draft202012Validator(schema, registry=_registry(schema))

    def misfit(value: Any) -> str | None:
        error = best_match(validator.iter_errors(value))
        if error is None:
            return None
        where = ".".join(map(str, error.absolute_path)) or "the answer"
        return f"{where}: {_one_line(error.message)}"

    return misfit


def _registry(schema: Mapping[str, Any]) -> Registry[Any]:
    made: Registry[Any] = Registry().with_resource("", DRAFT202012.create_resource(schema))
    return made


def texts_called(keyword: str, value: Any) -> Iterator[str]:
    """Every text that a keyword has, in a schema and below."""
    if isinstance(value, dict):
        for name, below in value.items():
            if name == keyword and isinstance(below, str):
                yield below
            yield from texts_called(keyword, below)
    elif isinstance(value, list):
        for below in value:
            yield from texts_called(keyword, below)


def _one_line(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= MAX_DETAIL_CHARACTERS else line[: MAX_DETAIL_CHARACTERS - 1] + "…"
