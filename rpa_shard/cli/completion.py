"""The command `completion`: what a shell needs to complete this program's commands, options, choices and files.

Guarantee: the script is made from the command line's own parser, needs no process while a person types, and completes
the program that made it, no other one of the same name. Limit: it knows nothing of the papers, and what is new after an
upgrade only once it has been made again.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import shtab

from rpa_shard.cli.arguments import parser
from rpa_shard.model.categories import CATEGORIES
from rpa_shard.system.program import NAME, path

# Options that name a folder, and what stands for a file in the help of those whose value may be something else, too.
_FOLDERS = frozenset({"folder", "data_dir"})
_FILES = frozenset({"F", "ID", "PDF"})
_FIRST_OF_ZSH = "#compdef rpa-shard\n"


def script(shell: str) -> str:
    """The script for a shell, to be sourced when it starts."""
    made = parser()
    made.prog = NAME  # names the functions of the script
    for each in _actions(made):
        if each.dest in _FOLDERS:
            each.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif each.type is Path or each.metavar in _FILES:
            each.complete = shtab.FILE  # type: ignore[attr-defined]
        elif each.dest == "category":
            each.choices = CATEGORIES
    return _FOR[shell](shtab.complete(made, shell), path())


def _actions(made: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Everything that a person can give, of all commands."""
    for each in made._actions:
        if isinstance(each, argparse._SubParsersAction):
            for command in each.choices.values():
                yield from _actions(command)
        else:
            yield each


def _bash(text: str, called: Path | None) -> str:
    if called is None:
        return text
    body, function = _cut(text, r"^complete .*-F (\w+) rpa-shard$")
    # A shell goes by the last part of a name, and there is more than one run.sh.
    return f"""{body}
{function}_here() {{
  if [[ $(type -P -- "${{1/#\\~/$HOME}}") -ef {shlex.quote(str(called))} ]]; then
    {function} "$@"
  else
    COMPREPLY=()
    compopt -o default
  fi
}}
complete -o bashdefault -F {function}_here {shlex.quote(called.name)}
"""


def _zsh(text: str, called: Path | None) -> str:
    body, function = _cut(text, r"^if \[\[ \$zsh_eval_context.*\n\s*#.*\n\s*compdef (\w+) -N rpa-shard\n(?:.*\n)*?fi$")
    name = shlex.quote(NAME if called is None else called.name)
    condition = "true" if called is None else _is_in_zsh(called)
    return f"""#compdef {name}
{body.removeprefix(_FIRST_OF_ZSH)}
{function}_here() {{
  if {condition}; then
    {function} "$@"
  else
    _files
  fi
}}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  {function}_here "$@"
else
  (( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}
  compdef {function}_here {name}
fi
"""


def _is_in_zsh(called: Path) -> str:
    return f'[[ "$(whence -p -- "${{words[1]/#\\~/$HOME}}")" -ef {shlex.quote(str(called))} ]]'


def _fish(text: str, called: Path | None) -> str:
    if called is None:
        return text
    return re.sub(
        r"^complete -c rpa-shard(?= )", lambda _: f"complete -p {shlex.quote(str(called))}", text, flags=re.MULTILINE
    )


def _cut(text: str, registration: str) -> tuple[str, str]:
    """A script without the lines that register its function, and the function's name."""
    found = re.search(registration, text, re.MULTILINE)
    assert found is not None, "shtab writes it so"
    return text[: found.start()].rstrip() + "\n", found[1]


_FOR: Mapping[str, Callable[[str, Path | None], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
