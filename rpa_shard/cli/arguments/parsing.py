"""A parser whose errors are one line, and which drops nothing that was given.

Guarantee: an option that is repeated with another value is refused, unless it adds up; a word that is none of those
allowed is answered with the one that may have been meant. Limit: knows no command.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from rpa_shard.cli.output import WRONG_USAGE, report
from rpa_shard.model.id_forms.grammar import shown
from rpa_shard.system.suggestions import did_you_mean

# Adds a command: its name, what it does, an example.
AddCommand = Callable[[str, str, str], argparse.ArgumentParser]


class Once(argparse.Action):
    """Stores the value of an option, and refuses another one."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        given = namespace.__dict__.setdefault("values_given", {})
        if option_string is not None and given.setdefault(self.dest, values) != values:
            raise argparse.ArgumentError(self, f"given twice, as {given[self.dest]} and {values}: give one")
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """A parser whose options are `Once` unless they say otherwise, and whose errors are one line."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.register("action", None, Once)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuses a value that is none of an action's choices, and says what may have been meant."""
        if action.choices is None or value in action.choices:
            return
        meant = did_you_mean(str(value), action.choices) or f": one of {', '.join(action.choices)}"
        if isinstance(action.choices, dict):
            raise argparse.ArgumentError(None, f"{shown(str(value))} is no command{meant}")
        raise argparse.ArgumentError(action, f"{shown(str(value))} is no value of this option{meant}")

    def error(self, message: str) -> NoReturn:
        report(f"{self.prog}: {message} (see {self.prog} --help)")
        raise SystemExit(WRONG_USAGE)
