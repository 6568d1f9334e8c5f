"""Commands for analyzing papers: `analyze`, `prompts`."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
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
_SHOWN_ERRORS = 5
_WAITING = (ANALYZE.from_status, WRAP.from_status)
_FINISHED = (Status.ANALYZED, Status.DONE, Status.FAILED)


def analyze(parsed: argparse.Namespace, settings: Settings) -> int:
    """Runs the phases that ask models, or prepares their questions for a batch, or takes in its answers."""
    wanted = chosen(parsed)
    _refuse(parsed, settings, wanted)
    if parsed.redo is not None:
        code = _redo_changed(parsed, settings, wanted)
        return code if parsed.dry_run else run(parsed, settings) or code
    if parsed.batch_out is not None:
        return _batch_out(parsed, settings, wanted)
    if parsed.batch_in is not None:
        return _batch_in(parsed, settings, wanted)
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
    if parsed.batch_in is None and parsed.price_factor is not None:
        raise UsageError("--price-factor is for answers of a batch: give --batch-in F too")
    if parsed.batch_out is None and parsed.force:
        raise UsageError("--force replaces files of questions: give --batch-out F too")
    if parsed.batch_in is not None and parsed.dry_run:
        raise UsageError("--batch-in has no --dry-run: a file that is taken in twice is kept once")
    if (parsed.batch_in or parsed.batch_out or parsed.dry_run) and (parsed.daemon or parsed.stats or parsed.progress):
        raise UsageError("--daemon, --stats and --progress are for a run, and this is none")
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
    with open_ledger(DataFolder.of(settings)) as ledger:
        try:
            send_back_changed(ledger, ledger.select(selection, wanted.ids), today, done, dry_run=parsed.dry_run)
        except IntakeError as error:
            raise UsageError(str(error)) from None
    went = f"{done.papers.total()} papers {'would go' if parsed.dry_run else 'went'} back: {_by_phase(done.papers)}"
    lines = [went, *[f"{done.left} in work or changed meanwhile, and left: repeat the command"] * bool(done.left)]
    if parsed.dry_run:
        print_lines(lines)
    elif not parsed.quiet:
        for line in lines:
            say(line)  # standard output is for what the run prints
    return SOME_FAILED if done.left or wanted.invalid else OK


def _batch_out(parsed: argparse.Namespace, settings: Settings, wanted: Chosen) -> int:
    from rpa_shard.intake.errors import IntakeError
    from rpa_shard.observe.batch_files import Written, write_batch
    from rpa_shard.observe.export import ExportError, file_of_set
    from rpa_shard.observe.open_questions import Found, question_lines
    from rpa_shard.store.factory import open_ledger

    folder, found = DataFolder.of(settings), Found()
    selection = wanted.selection
    selection = replace(selection, statuses=tuple(each for each in selection.statuses or _WAITING if each in _WAITING))
    if not selection.statuses:
        raise UsageError(f"questions are asked about papers that are {' or '.join(_WAITING)}: give no other --status")
    with open_ledger(folder) as ledger:
        rows = islice(ledger.select(selection, wanted.ids), parsed.limit)
        lines = question_lines(settings, folder, rows, found)
        try:
            if parsed.dry_run:
                done = Written()
                done.questions = sum(1 for _ in lines)
            else:
                done = write_batch(parsed.batch_out, lines, folder, force=parsed.force)
        except (ExportError, IntakeError) as error:
            raise UsageError(str(error)) from None
    where = (
        f" to {done.files} files, {file_of_set(parsed.batch_out, 0)} …, {done.size_bytes} bytes" if done.files else ""
    )
    papers = ", ".join(f"{found.papers[phase]} for {phase.name}" for phase in (ANALYZE, WRAP))
    print_lines([f"{done.questions} questions about {found.papers.total()} papers ({papers}){where}"])
    if found.answered:
        print_lines([f"{found.answered} papers have all their answers: a run finishes them"])
    print_lines(f"{count} papers would fail: {reason}" for reason, count in found.failing.items())
    return SOME_FAILED if wanted.invalid else OK


def _batch_in(parsed: argparse.Namespace, settings: Settings, wanted: Chosen) -> int:
    from rpa_shard.intake.errors import IntakeError
    from rpa_shard.maintain.answer_file import AnswerFile
    from rpa_shard.maintain.taking_answers import KNOWN, take_in
    from rpa_shard.store.factory import open_ledger

    folder, file = DataFolder.of(settings), AnswerFile(parsed.batch_in)
    ids = file.papers
    if not wanted.everything:
        try:
            with open_ledger(folder) as ledger:
                chosen_ids = {row.paper_id for row in ledger.select(wanted.selection, wanted.ids or iter(ids))}
        except IntakeError as error:
            raise UsageError(str(error)) from None
        ids = [each for each in ids if each in chosen_ids]
    ids = ids[: parsed.limit]
    done = take_in(settings, folder, file, 0.5 if parsed.price_factor is None else parsed.price_factor, ids)
    print_lines([f"kept {done.kept} answers about {len(ids)} papers", *_what_became(done.papers)])
    print_lines(f"left out  {count} {why}" for why, count in done.left_out.items())
    print_lines(f"no answer {count}: {says}" for says, count in done.without.most_common(_SHOWN_ERRORS))
    if file.unreadable:
        print_lines([f"no answer {file.unreadable} lines; {file.first_problem}"])
    all_well = not (file.unreadable or done.without or set(done.left_out) - {KNOWN} or wanted.invalid)
    return OK if all_well and not done.papers["failed"] else SOME_FAILED


def _what_became(papers: Mapping[str, int]) -> list[str]:
    """What became of the papers, by the event in their histories."""
    words = {
        "analyzed": "analyzed",
        "done": "done",
        "released": "wait for more answers",
        "postponed": "failed, and wait for another answer",
        "failed": "failed for good",
    }
    said = [f"{papers[event]} {what}" for event, what in words.items() if papers[event]]
    return [f"papers    {', '.join(said)}"] if said else []


def _by_phase(papers: Mapping[Phase, int]) -> str:
    return ", ".join(f"{papers[phase]} to {phase.name}" for phase in (ANALYZE, WRAP))


def _say_what_waits(settings: Settings) -> int:
    from rpa_shard.store.factory import open_ledger

    with open_ledger(DataFolder.of(settings)) as ledger:
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
