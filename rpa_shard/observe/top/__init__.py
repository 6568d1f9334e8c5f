"""The live view of a run in a terminal: `rpa-shard top`.

Guarantee: only reads: the run's status once a second, the store when no run is on, a paper when it is opened; it never
holds a lock while it waits. Limit: it shows what the run's status says, so the lists of papers in work and of failures
are as long as there.

`text` and `table` are lines and how they are cut, `stages` what workers do, `head`, `sections` and `lists` the parts of
the screen, `view` what the person has chosen, `screen` all of it at a size, `source` where the figures come from. These
need no library, and all but the last are pure; `app` shows the lines with Textual.
"""
