"""Answers as Markdown, and text that is safe in it.

Guarantee: pure; whatever a model wrote, it cannot add headings or HTML to a page, and a text in a YAML head reads back
as it was. Limit: what a schema calls the parts (`title`) are the labels; without a schema, their names are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_HEADING = re.compile(r"^(\s{0,3})([#=]|-{3,}\s*$|~{3}|`{3})", re.MULTILINE)
_TAG = re.compile(r"<(?=[a-zA-Z/!?])")
_BLANK_LINES = re.compile(r"\n\s*\n+")


def as_markdown(content: Any, schema: Any) -> str:
    """The parts of an answer, in the order of the schema: labelled paragraphs and lists."""
    if isinstance(content, Mapping):
        return "\n\n".join(_parts(content, schema))
    return "\n\n".join(_block("", content, schema))


def _parts(content: Mapping[str, Any], schema: Any) -> Iterator[str]:
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    known = properties if isinstance(properties, Mapping) else {}
    names = [name for name in known if name in content] + [name for name in content if name not in known]
    only_one = len(names) == 1
    for name in names:
        inner = known.get(name)
        label = inner.get("title", "") if isinstance(inner, Mapping) else name.replace("_", " ").capitalize()
        yield from _block("" if only_one else str(label), content[name], inner)


def _block(label: str, value: Any, schema: Any) -> Iterator[str]:
    """A value under its label; nothing for what is empty."""
    heading = f"**{label}.** " if label else ""
    if isinstance(value, list):
        items = schema.get("items") if isinstance(schema, Mapping) else None
        lines = [f"- {_item(each, items)}" for each in value]
        if lines:
            yield "\n".join([*([heading.rstrip(), ""] if heading else []), *lines])
    elif isinstance(value, Mapping):
        inner = "\n\n".join(_parts(value, schema))
        if inner:
            yield f"{heading.rstrip()}\n\n{inner}" if heading else inner
    elif value is not None and value != "":
        yield heading + _plain(value)


def _item(value: Any, schema: Any) -> str:
    """One item of a list: its first part, and the others below it."""
    if not isinstance(value, Mapping):
        text = as_markdown(value, schema)
    else:
        blocks = list(_parts(value, schema))
        text = "\n\n".join(blocks)
    return _BLANK_LINES.sub("\n\n", text).replace("\n", "\n  ").replace("\n  \n", "\n\n")


def _plain(value: Any) -> str:
    return escaped(value) if isinstance(value, str) else str(value)


def escaped(text: str) -> str:
    """A text without headings, rules, fences, HTML and control characters."""
    kept = "".join(each for each in text.strip() if each.isprintable() or each in "\n\t" or each.isspace())
    kept = _HEADING.sub(r"\1\\\2", kept.replace("\r\n", "\n").replace("\r", "\n"))
    return _TAG.sub(r"\<", kept)


def yaml_text(text: str) -> str:
    """A text as a scalar of YAML in double quotes, on one line."""
    return '"' + "".join(map(_yaml_character, text)) + '"'


def _yaml_character(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"
