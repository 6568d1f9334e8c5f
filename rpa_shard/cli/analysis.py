"""Commands for analyzing papers: `analyze`, `prompts`."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from rpa_shard.cli.output import OK, SOME_FAILED, UsageError, print_lines, say
from rpa_shard.cli.running import run
from rpa_shard.cli.selectors import Chosen, chosen
from rpa_shard.config.errors import SettingsError
from rpa_shard.config.settings import Settings
from rpa_shard.model.phase import ANALYZE, WRAP, Phase, Status
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.system.program import program

if TYPE_CHECKING:
    from rpa_shard.phases.writing.prompts import Prompt

# How much of a hash is shown.
SHOWN_DIGITS = 12
_FINISHED = (Status.ANALYZED, Status.DONE, Status.FAILED)


def analyze(parsed: argparse.Namespace, settings: Settings) -> int:
    """Runs the phases that ask models, or prepares their questions for a batch, or takes in its answers."""
    wanted = chosen(parsed)
    _refuse(parsed, settings, wanted)
    if parsed.redo is not None:
        code = _redo_changed(parsed, settings, wanted)
        return code if parsed.dry_run else run(parsed, settings) or code
    if parsed.dry_run:
        return _say_what_waits(settings)
    return run(parsed, settings)


def _refuse(parsed: argparse.Namespace, settings: Settings, wanted: Chosen) -> None:
    """Raises UsageError or SettingsError for what makes no sense, or cannot be done."""
    special = parsed.redo or parsed.batch_out or parsed.batch_in
    if not wanted.everything and not special:
        raise UsageError(
            "a run takes the papers of the queue, by their priority: papers are chosen for --redo, --batch-out and "
            "--batch-in only"
        )
    if not settings.llm_endpoints and not (parsed.dry_run and not special):
        raise SettingsError("RPA_V2_LLM_ENDPOINTS: no model is named: `http://127.0.0.1:8000/v1 models=NAME`")


def _redo_changed(parsed: argparse.Namespace, settings: Settings, wanted: Chosen) -> int:
    from rpa_shard.intake.errors import IntakeError
    from rpa_shard.maintain.changed import SentBack, Today, send_back_changed
    from rpa_shard.phases.writing.prompts import load_prompts
    from rpa_shard.store.factory import open_ledger

    today = Today.of(load_prompts(settings.prompts), {each.model for each in settings.llm_endpoints})
    selection, done = wanted.selection, SentBack()
    if not selection.statuses:
        selection = replace(selection, statuses=_FINISHED)
    with open_ledger(DataFolder(settings.data_dir)) as ledger:
        try:
            send_back_changed(ledger, ledger.select(selection, wanted.ids), today, done, dry_run=parsed.dry_run)
        except IntakeError as error:
            raise UsageError(str(error)) from None
    verb = "would go back" if parsed.dry_run else "went back"
    print_lines([f"{done.papers.total()} papers {verb}: {_by_phase(done.papers)}"])
    if done.left:
        print_lines([f"{done.left} in work or changed meanwhile, and left: repeat the command"])
    return SOME_FAILED if done.left or wanted.invalid else OK


def _by_phase(papers: dict[Phase, int]) -> str:
    return ", ".join(f"{papers[phase]} to {phase.name}" for phase in (ANALYZE, WRAP))


def _say_what_waits(settings: Settings) -> int:
    from rpa_shard.store.factory import open_ledger

    with open_ledger(DataFolder(settings.data_dir)) as ledger:
        by_status = ledger.counts().by_status
    waiting = {phase: by_status.get(phase.from_status, 0) for phase in settings.run_phases}
    print_lines(["waiting: " + ", ".join(f"{papers} for {phase.name}" for phase, papers in waiting.items())])
    return OK


def prompts(parsed: argparse.Namespace, settings: Settings) -> int:
    """Lists the prompts, checks them, or copies those that are built in."""
    from rpa_shard.phases.writing.prompts import copy_prompts, load_prompts

    if parsed.folder is not None:
        made = parsed.folder.absolute()
        files = copy_prompts(made)
        print_lines(
            [f"{len(files)} files in {made}: change them, and RPA_V2_PROMPTS={shlex.quote(str(made))} uses them"]
        )
        return OK
    found = load_prompts(settings.prompts)
    where = f"of {settings.prompts}" if settings.prompts is not None else "built in"
    every = [each for phase in (ANALYZE, WRAP) for each in found.of(phase)]
    if parsed.check:
        print_lines([f"{len(every)} prompts {where}: valid"])
        return OK
    print_lines([f"prompts   {where}", *_lines(every)])
    tags = "made of the corpus" if found.tags is None else f"{len(found.tags)}, and no others"
    print_lines([f"tags      {tags}"])
    if settings.prompts is None:
        say(f"`{program()} prompts --copy DIR` makes a folder of them to change")
    return OK


def _lines(found: list[Prompt]) -> Iterator[str]:
    """A line for each prompt: phase, name, the beginning of its hash, title."""
    name_columns = max(len(each.name) for each in found)
    for each in found:
        yield f"{each.phase.name:<8}  {each.name:<{name_columns}}  {each.sha256[:SHOWN_DIGITS]}  {each.title}"
