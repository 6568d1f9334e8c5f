"""The commands, and nothing but the commands: what each takes, what it prints, how it exits.

Guarantee: a mistake of a person ends in one line and exit code 2 (3 for `health`), never in a traceback. Limit: no work
is done here; each command calls the module that does it, and imports it only then, so that `--help` is quick.

`arguments` is the command line, `main` chooses the command; `running`, `analysis`, `mending`, `results`, `watching` and
`rehearsals` hold the commands, `output` what they share; `demo` is the demo.
"""

from rpa_shard.cli.main import main

__all__ = ["main"]
