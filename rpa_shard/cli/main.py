"""From the command line to a command, and from its exception to an exit code.

Guarantee: every error that a person can cause or act on is reported in one line. Limit: a defect of this program is a
traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from rpa_shard.cli import mending, rehearsals, results, running
from rpa_shard.cli.arguments import parser
from rpa_shard.cli.output import WRONG_USAGE, Handler, UsageError
from rpa_shard.config.settings import Settings, SettingsError
from rpa_shard.model.errors import StoreError

_COMMANDS: tuple[Handler, ...] = (
    running.add, running.run, running.status, running.plan, running.resize,
    mending.verify, mending.repair, mending.retry, mending.hosts, mending.failures,
    results.show, results.export,
    rehearsals.mirror, rehearsals.demo, rehearsals.chaos,
)  # fmt: skip
_HANDLERS: Mapping[str, Handler] = {each.__name__: each for each in _COMMANDS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("-") and given[0] not in {"-h", "--help", "--version"}):
        given.insert(0, "run")
    parsed = parser().parse_args(given)
    environment = dict(os.environ)
    if getattr(parsed, "shards", None) is not None:
        environment["RPA_V2_SHARD_COUNT"] = str(parsed.shards)
    try:
        return _HANDLERS[parsed.command](parsed, Settings.from_environment(environment))
    except (SettingsError, StoreError, UsageError) as error:
        print(f"rpa-shard: {error}", file=sys.stderr)
        return WRONG_USAGE
    except BrokenPipeError:
        # The reader of our output has closed it; keep the interpreter from complaining when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except KeyboardInterrupt:
        return 128 + 2
