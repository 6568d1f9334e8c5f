"""Answers from a file, taken in: kept like any others, and then the phases go as far as they get with them.

Guarantee: papers are claimed and their claims ended as a run does it, under the run lock and the fence; an answer is on
disk before anything depends on it; a file that is taken in again changes nothing, so a command that was killed is
simply repeated. Limit: one process; the phases ask nobody, so a paper whose other answers are missing stays as it is.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from rpa_shard.config.settings import Settings
from rpa_shard.control.reclaim import reclaim_from
from rpa_shard.llm.batch import AnswerLine, request_id_of
from rpa_shard.maintain.answer_file import AnswerFile
from rpa_shard.maintain.remove import pages_of
from rpa_shard.model.failure import PaperError, PhasePausedError
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import ANALYZE, WRAP, Phase
from rpa_shard.phases.batch import PAPERS_AT_A_TIME, Giver, kept_answers, open_desk, runners_at
from rpa_shard.phases.runner import Attempt, PhaseRunner, Slots
from rpa_shard.shard.verdict import verdict
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.outcome import Outcome, completed, released
from rpa_shard.store.protocol import Ledger, Store
from rpa_shard.system.activity import Activity

# Why an answer was left out.
KNOWN = "are kept already"
ANSWERED = "answer questions that have an answer meanwhile"
NOT_ASKED = "answer questions that are not asked any more: the prompts or the text have changed since"
UNKNOWN_PAPER = "are about papers that were never added"
NOT_WAITING = "are about papers that wait for no answer"


@dataclass(slots=True)
class TakenIn:
    """What became of the answers in a file, and of their papers, by the event in their histories.

    `left_out` counts answers by the reason; `without` counts lines that have none, by what they say.
    """

    kept: int = 0
    papers: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    without: Counter[str] = field(default_factory=Counter)


def take_in(
    settings: Settings, folder: DataFolder, file: AnswerFile, price_factor: float, ids: Sequence[str]
) -> TakenIn:
    """Takes in the answers about these papers.

    Raises StoreError (FolderBusyError during a run), SettingsError and OSError.
    """
    done = TakenIn()
    with folder.run.run_lock(), open_ledger(folder) as ledger:
        for shard in range(ledger.layout.shards):
            reclaim_from(folder, shard)
        folder.remove_half_written()
        giver = Giver(settings.llm_endpoints, price_factor)
        with open_desk(settings, folder, engine_of(folder), giver) as desk:
            taking = _Taking(settings, folder, ledger, giver, runners_at(desk), Slots(desk.slots), done)
            asyncio.run(taking.run(file, ids))
    return done


@dataclass(slots=True)
class _Taking:
    settings: Settings
    folder: DataFolder
    ledger: Ledger
    giver: Giver
    runners: Mapping[Phase, PhaseRunner]
    slots: Slots
    done: TakenIn

    async def run(self, file: AnswerFile, ids: Sequence[str]) -> None:
        engine, layout = engine_of(self.folder), self.ledger.layout
        async with AsyncExitStack() as opened:
            stores = [
                await opened.enter_async_context(
                    engine.open_store(shard, self.settings.lease_ttl_seconds, group=PAPERS_AT_A_TIME)
                )
                for shard in range(layout.shards)
            ]
            for page in pages_of(ids, PAPERS_AT_A_TIME):
                papers = [self._paper(stores[layout.shard_of(each)], each, file) for each in page]
                for ended in await asyncio.gather(*papers, return_exceptions=True):
                    if ended is not None:
                        raise ended

    async def _paper(self, store: Store, paper_id: str, file: AnswerFile) -> None:
        """Takes in the answers about one paper."""
        Activity()
        new = self._new_lines(file, paper_id)
        self.giver.give(paper_id, new)
        for phase in (ANALYZE, WRAP):
            if self.giver.has_more(paper_id):
                for claim in await store.claim_named(phase, [paper_id]):
                    outcome = await self._attempt(claim)
                    await store.finish(claim, outcome)
                    self.done.papers[outcome.event] += 1
        left = self.giver.take_back(paper_id)
        self.done.kept += len(new) - len(left)
        if left:
            self._account(paper_id, left)

    def _new_lines(self, file: AnswerFile, paper_id: str) -> list[AnswerLine]:
        """The lines with answers that are not kept yet, each once."""
        kept = {(each.key, each.answer.request_id) for each in kept_answers(self.folder, paper_id).all()}
        new = []
        for line in file.lines_of(paper_id):
            identity = (line.key, request_id_of(line))
            if line.answer is None:
                self.done.without[line.says] += 1
            elif identity in kept:
                self.done.left_out[KNOWN] += 1
            else:
                kept.add(identity)
                new.append(line)
        return new

    async def _attempt(self, claim: Claim) -> Outcome:
        try:
            result = await self.runners[claim.phase].run(claim, Attempt(self.slots))
            return completed(claim.phase, {**result, "attempts": claim.attempt})
        except PhasePausedError as paused:
            return released(claim.phase, f"paused: {paused}", suspect=claim.suspect)
        except PaperError as error:
            return verdict(claim, error, random.random(), self.settings.retry_delay_scale)  # noqa: S311  # jitter

    def _account(self, paper_id: str, left: Sequence[AnswerLine]) -> None:
        """Notes why answers were left out."""
        row = self.ledger.paper(paper_id)
        kept = {each.key for each in kept_answers(self.folder, paper_id).all()}
        for line in left:
            if row is None:
                why = UNKNOWN_PAPER
            elif line.key in kept:
                why = ANSWERED
            else:
                why = NOT_ASKED if row.status in (ANALYZE.from_status, WRAP.from_status) else NOT_WAITING
            self.done.left_out[why] += 1
