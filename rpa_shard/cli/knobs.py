"""Where the knobs of a command come from, and the commands about the command line itself: `knobs`, `completion`.

Guarantee: all commands find their knobs in the same way; a secret is never shown. Limit: a run keeps the knobs that it
began with; this shows those that the next command would have.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import Field
from typing import Any

from rpa_shard.cli.output import OK, in_columns, print_lines
from rpa_shard.config.given import DEFAULT, FILE_NAME, Given
from rpa_shard.config.knob import as_text, default_text
from rpa_shard.config.settings import Settings, gather
from rpa_shard.config.settings import knobs as all_knobs

# Options of commands that give a knob: the option's name, the knob's, and its value if the option takes none.
_OPTIONS = (
    ("shards", "RPA_V2_SHARD_COUNT", None),
    ("phases", "RPA_V2_PHASES", None),
    ("data_dir", "RPA_V2_DATA_DIR", None),
    ("verbose", "RPA_V2_LOG_LEVEL", "info"),
    ("quiet", "RPA_V2_LOG_LEVEL", "error"),
)
_NONE, _SET = "none", "set"


def given_by(parsed: argparse.Namespace) -> Mapping[str, Given]:
    """The knobs for a command: by its options, the environment, the file beside the data. Raises SettingsError."""
    options = {}
    for option, name, value in _OPTIONS:
        given = getattr(parsed, option, None)
        if given is not None and given is not False:
            options[name] = str(given) if value is None else value
    return gather(options, os.environ)


def knobs(parsed: argparse.Namespace, settings: Settings) -> int:
    """Shows each knob, its value, and where it comes from."""
    given = given_by(parsed)
    shown = [each for each in all_knobs() if not parsed.changed or each.metadata["knob"] in given]
    if parsed.json:
        print_lines([json.dumps([_as_json(each, settings, given) for each in shown])])
    else:
        print_lines(in_columns(_lines(shown, settings, given)))
    return OK


def completion(parsed: argparse.Namespace, settings: Settings) -> int:
    """Prints the script with which a shell completes this program."""
    from rpa_shard.cli.completion import script

    print_lines([script(parsed.shell)])
    return OK


def _lines(shown: list[Field[Any]], settings: Settings, given: Mapping[str, Given]) -> Iterator[str]:
    width = max((len(each.metadata["knob"]) for each in shown), default=0)
    for each in shown:
        name = each.metadata["knob"]
        where = f"  (from {_origin(given.get(name))})" if name in given else ""
        yield f"{name:<{width}}  {_value(each, settings)}{where}"
    if not shown:
        yield f"every knob has its default; give others in the environment or in {FILE_NAME} beside the data folder"


def _as_json(knob: Field[Any], settings: Settings, given: Mapping[str, Given]) -> dict[str, Any]:
    name = knob.metadata["knob"]
    value = getattr(settings, knob.name)
    return {
        "name": name,
        "value": None if value is None else _value(knob, settings),
        "origin": _origin(given.get(name)),
        "default": default_text(knob),
    }


def _value(knob: Field[Any], settings: Settings) -> str:
    """A knob's value as it would be written, but not a secret one."""
    value = getattr(settings, knob.name)
    if value is None:
        return _NONE
    if value == () and knob.metadata["shown"]:
        return str(knob.metadata["shown"])
    return _SET if knob.metadata["secret"] else as_text(value)


def _origin(given: Given | None) -> str:
    return DEFAULT if given is None else given.origin
