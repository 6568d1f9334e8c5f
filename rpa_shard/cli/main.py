"""From the command line to a command, and from its exception to an exit code.

Guarantee: every error that a person or the system can cause is reported in one line; output that nobody reads ends the
command quietly (141). Limit: a defect of this program is a traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rpa_shard.cli import mending, rehearsals, results, running, watching
from rpa_shard.cli.arguments import parser
from rpa_shard.cli.output import OK, UNWANTED, WRONG_USAGE, Handler, UsageError, output_error, say
from rpa_shard.config.settings import Settings, SettingsError
from rpa_shard.model.errors import StoreError
from rpa_shard.system.streams import discard_from_now_on, open_closed_streams, settle_streams

_COMMANDS: tuple[Handler, ...] = (
    running.add, running.run, running.status, running.plan, running.resize,
    watching.report,
    mending.verify, mending.repair, mending.retry, mending.hosts, mending.failures,
    results.show, results.export,
    rehearsals.mirror, rehearsals.demo, rehearsals.chaos,
)  # fmt: skip
_HANDLERS: Mapping[str, Handler] = {each.__name__: each for each in _COMMANDS}

BROKEN_PIPE, INTERRUPTED = 128 + 13, 128 + 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code."""
    open_closed_streams()
    try:
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
    except SystemExit as ended:  # of the parser: help, or wrong usage
        code = _settled(ended.code if isinstance(ended.code, int) else OK)
        raise SystemExit(code) from None
    except (SettingsError, StoreError, UsageError) as error:
        say(str(error))
        code = WRONG_USAGE
    except BrokenPipeError:
        # The reader of our output has closed it.
        discard_from_now_on(sys.stdout)
        code = BROKEN_PIPE
    except OSError as error:
        say(in_words(error))
        code = WRONG_USAGE
    except KeyboardInterrupt:
        code = INTERRUPTED
    return _settled(code)


def _run(given: list[str]) -> int:
    if not given or (given[0].startswith("-") and given[0] not in {"-h", "--help", "--version"}):
        given.insert(0, "run")
    parsed = parser().parse_args(given)
    environment = dict(os.environ)
    if getattr(parsed, "shards", None) is not None:
        environment["RPA_V2_SHARD_COUNT"] = str(parsed.shards)
    if getattr(parsed, "verbose", False):
        environment["RPA_V2_LOG_LEVEL"] = "info"
    if getattr(parsed, "quiet", False):
        environment["RPA_V2_LOG_LEVEL"] = "error"
    return _HANDLERS[parsed.command](parsed, Settings.from_environment(environment))


def _settled(code: int) -> int:
    """The exit code, once all output has been written, or could not be."""
    error = settle_streams()
    if error is None or error.errno in UNWANTED:
        return code
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE
    say(str(output_error(error)))
    return WRONG_USAGE


def in_words(error: OSError) -> str:
    """An error of the system, in one line."""
    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else None
    if path is not None and Path(path).is_absolute():
        return f"{path}: {error.strerror}"
    try:
        Path.cwd()
    except FileNotFoundError:
        return "the working folder does not exist any more: change to another one"
    return f"{path}: {error.strerror}" if path else str(error)
