#!/usr/bin/env python3
"""Writes docs/knobs.md from the declarations in `rpa_shard.config.settings`. A test keeps the page true."""

from __future__ import annotations

from pathlib import Path

from rpa_shard.config.knob import Kind, default_text
from rpa_shard.config.settings import knobs

PAGE = Path(__file__).parents[1] / "docs" / "knobs.md"
HEAD = """# Knobs

Each knob is an environment variable, read once at the start of a command. Totals are for the whole run: every shard
gets its share, and the shares add up to the total (but never to less than 1 a shard). A wrong value, or a pair that
cannot be, ends the command at once with exit code 2 and one line that names the knob, its value and what is allowed.

`run.sh` exports the defaults of the knobs marked *run.sh* where you have set none, so that they show in the
environment of every process of the run.

This page is made from the code: `scripts/make_knobs_page.py`.

| knob | default | takes | |
| --- | --- | --- | --- |
"""


def knobs_page() -> str:
    """The page as it should be."""
    rows = []
    for knob in knobs():
        kind: Kind = knob.metadata["kind"]
        mark = " *run.sh*" if knob.metadata["set_by_run_sh"] else ""
        rows.append(
            f"| `{knob.metadata['knob']}` | {default_text(knob)} | {kind.allowed} | {knob.metadata['meaning']}{mark} |"
        )
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(knobs_page())
