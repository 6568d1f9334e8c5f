#!/usr/bin/env python3
"""Generates the files that are made from the code: docs/knobs.md, docs/status-file.md and the status file's schema.

A test keeps all of them true.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rpa_shard.config.knob import Kind, default_text
from rpa_shard.config.settings import knobs
from rpa_shard.ipc.run_status import FORMAT, json_schema

REPOSITORY = Path(__file__).parents[1]

KNOBS_HEAD = """# Knobs

Each knob is an environment variable, or a line of a file; both are read once at the start of a command. Totals are for
the complete run: every shard gets its share, and the shares add up to the total (but never less than 1 per shard). An
invalid value, an invalid pair, or a name that begins with `RPA_V2_` and is no knob, ends the command at once with exit
code 2 and one line that says what is wrong and what is allowed.

`./run.sh knobs` shows what each knob is now, and where its value comes from: an option such as `--shards` comes before
the environment, the environment before the file, the file before the default.

## In a file

`rpa_shard.toml`, in the folder that holds the data folder, may give knobs. Without `RPA_V2_DATA_DIR` in the environment
it is the one in the working folder, and may then say itself where the data folder is.

```toml
RPA_V2_DOWNLOAD_USER_AGENT = "my-project/1.0 (mailto:me@example.org)"
RPA_V2_SHARD_COUNT = 4
RPA_V2_KEEP_PDF = false
RPA_V2_SOURCES = ["arxiv", "https://mirror.example.org/{id}.pdf"]
RPA_V2_DATA_DIR = "papers-2026"
```

Numbers, texts, `true` and `false`, and lists of texts are written as in TOML; relative paths are relative to the file.

## All knobs

This page is made from the code: `scripts/generate.py`.

| knob | default | takes | |
| --- | --- | --- | --- |
"""

STATUS_HEAD = f"""# The run's status file

`data/run/status.json` is a run's report on itself. The supervisor replaces it once a second, always complete, so a
reader never sees half of it; it stays as it was when the run has ended or was killed. `./run.sh status --json` shows it
under `run`, beside counts from the store, and `./run.sh health` judges it: see
[operations](operations.md#is-it-healthy).

- **Is the run on?** It is while `state` is not `ended` and the process `pid`, started at `born`, lives. A process id
  alone is not enough: it may have been reused.
- **How old is it?** Older than ten seconds means trouble, except while
  `state` is `resizing`. `written` tells the age by the machine's monotonic clock, which nobody sets, as long as `boot`
  is the machine's boot id.
- **Units.** Names end in their unit: seconds, bytes, percent. What ends in `_at`, and `since` and `until`, is in Unix
  seconds.
- **Names as keys.** Objects of integers or of other objects have names as keys, such as statuses, reasons, hosts or
  stages; one with nothing to count may be missing.
- **How is it doing?** `account` says it in figures and in words: what is done, what waits for what until when, what
  limits the pace, how long it will take. Everything that shows a run shows this.

## The format and its number

The JSON Schema (draft 2020-12) is shipped as `rpa_shard/ipc/run_status.schema.json`. `format` is now {FORMAT}. It goes
up when a field is removed or renamed, or when its type or meaning changes. New fields, states and names may come
without a new number: a reader has to ignore what it does not know. This program reads its own format only and takes a
file of any other as no status, so after such an update `status` knows of no run until the next one.

This page is made from the code: `scripts/generate.py`.
"""


def generated() -> Mapping[Path, str]:
    """Every file that is made from the code, and its content."""
    return {
        REPOSITORY / "docs" / "knobs.md": knobs_page(),
        REPOSITORY / "docs" / "status-file.md": status_page(json_schema()),
        REPOSITORY / "rpa_shard" / "ipc" / "run_status.schema.json": json.dumps(json_schema(), indent=1) + "\n",
    }


def knobs_page() -> str:
    """The table of all knobs."""
    rows = []
    for knob in knobs():
        kind: Kind = knob.metadata["kind"]
        rows.append(
            f"| `{knob.metadata['knob']}` | {default_text(knob)} | {kind.allowed} | {knob.metadata['meaning']} |"
        )
    return KNOBS_HEAD + "\n".join(rows) + "\n"


def status_page(schema: Mapping[str, Any]) -> str:
    """The fields of every object in the status file, a table each, as the schema describes them."""
    parts = [STATUS_HEAD]
    for name in _objects(schema):
        described = schema["$defs"][name]
        parts.append(f"\n## {_title(name)}\n\n{described['description']}\n\n| field | | |\n| --- | --- | --- |\n")
        parts += [
            f"| `{field}` | {_kind(schema, value)} | {value['description']} |\n"
            for field, value in described["properties"].items()
        ]
    return "".join(parts)


def _objects(schema: Mapping[str, Any]) -> list[str]:
    """The names of all objects, each before those that it holds."""
    found: list[str] = []
    waiting = [_name(schema["$ref"])]
    while waiting:
        name = waiting.pop(0)
        if name not in found and "properties" in schema["$defs"][name]:
            found.append(name)
            waiting += [_name(each) for each in _references(schema["$defs"][name])]
    return found


def _references(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "$ref":
                yield inner
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _kind(schema: Mapping[str, Any], value: Mapping[str, Any]) -> str:
    """The type of a field in words."""
    if "$ref" in value:
        name = _name(value["$ref"])
        values = schema["$defs"][name].get("enum")
        return ", ".join(f"`{each}`" for each in values) if values else f"[{_title(name)}](#{_anchor(name)})"
    if "anyOf" in value:
        return " or ".join(_kind(schema, each) for each in value["anyOf"])
    if value["type"] == "array":
        return f"list of {_kinds(schema, value['items'])}"
    if value["type"] == "object":
        return f"object of {_kinds(schema, value['additionalProperties'])}"
    return str(value["type"])


def _kinds(schema: Mapping[str, Any], value: Mapping[str, Any]) -> str:
    """The type of several values in words."""
    return _kind(schema, value) + ("s" if "type" in value else "")


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _title(name: str) -> str:
    return "".join(f" {each.lower()}" if each.isupper() else each for each in name).strip().capitalize()


def _anchor(name: str) -> str:
    return _title(name).lower().replace(" ", "-")


if __name__ == "__main__":
    for path, content in generated().items():
        path.write_text(content)
