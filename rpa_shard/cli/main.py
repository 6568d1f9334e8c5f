"""From the command line to a command, and from its exception to an exit code.

Guarantee: every error that a person or the system can cause is reported in one line; output that nobody reads ends the
command quietly (141); an error of `health` is what monitors call unknown (3). Limit: a defect of this program is a
traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rpa_shard.cli import analysis, knobs, looking, mending, nodes, papers, rehearsals, results, running, watching
from rpa_shard.cli.arguments import parser
from rpa_shard.cli.knobs import given_by
from rpa_shard.cli.output import HEALTH_UNKNOWN, OK, UNWANTED, WRONG_USAGE, Handler, UsageError, output_error, say
from rpa_shard.config.errors import SettingsError
from rpa_shard.config.settings import Settings
from rpa_shard.intake.errors import IntakeError
from rpa_shard.model.errors import StoreError
from rpa_shard.system.streams import discard_from_now_on, open_closed_streams, settle_streams

_COMMANDS: tuple[Handler, ...] = (
    running.add, running.run, running.status, running.plan, running.resize, nodes.node, nodes.drain, nodes.migrate,
    analysis.analyze, analysis.prompts,
    mending.verify, mending.repair, mending.retry, mending.hosts, mending.failures,
    papers.redo, papers.remove,
    looking.list_, looking.show, results.export, results.extract,
    watching.top, watching.health, watching.metrics, watching.report, watching.serve,
    knobs.knobs, knobs.completion,
    rehearsals.mirror, rehearsals.llm_mirror, rehearsals.demo, rehearsals.chaos,
)  # fmt: skip
# A command that is called as something of Python's own, such as `list`, has a handler whose name ends in _.
_HANDLERS: Mapping[str, Handler] = {each.__name__.removesuffix("_").replace("_", "-"): each for each in _COMMANDS}

BROKEN_PIPE, INTERRUPTED = 128 + 13, 128 + 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code."""
    open_closed_streams()
    given = list(sys.argv[1:] if arguments is None else arguments)
    for_monitor = given[:1] == [watching.health.__name__]
    wrong = HEALTH_UNKNOWN if for_monitor else WRONG_USAGE
    try:
        code = _run(given)
    except SystemExit as ended:  # of the parser: help, or wrong usage
        code = _settled(wrong if ended.code else OK, wrong)
        raise SystemExit(code) from None
    except BrokenPipeError:
        # The reader of our output has closed it.
        discard_from_now_on(sys.stdout)
        code = BROKEN_PIPE
    except (UsageError, IntakeError) as error:
        say(str(error))
        code = wrong
    except (SettingsError, StoreError, OSError) as error:
        why = in_words(error) if isinstance(error, OSError) else str(error)
        watching.report_unknown(given, why) if for_monitor else say(why)
        code = wrong
    except KeyboardInterrupt:
        code = INTERRUPTED
    return _settled(code, wrong)


def _run(given: list[str]) -> int:
    if not given or (given[0].startswith("-") and given[0] not in {"-h", "--help", "--version"}):
        given.insert(0, "run")
    parsed = parser().parse_args(given)
    return _HANDLERS[parsed.command](parsed, Settings.from_given(given_by(parsed)))


def _settled(code: int, wrong: int) -> int:
    """The exit code, once all output has been written, or could not be: that is `wrong`."""
    error = settle_streams()
    if error is None or error.errno in UNWANTED:
        return code
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE
    say(str(output_error(error)))
    return wrong


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
