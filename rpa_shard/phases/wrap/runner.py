"""One paper's way through the wrap phase: limitations and tags, the judge, at most one repair, the report.

Guarantee: report and record are on disk before `run` returns, so before the store says `done`, and the judge has passed
them; what was answered in an earlier attempt is not asked again. Limit: a report that the judge does not pass is failed
for good: with the same prompts and models, the same would be found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import WRAP
from rpa_shard.phases.analyze.record import as_bytes
from rpa_shard.phases.files import sync_names, write_durably
from rpa_shard.phases.runner import Attempt, Result
from rpa_shard.phases.signals.tags import checked_tags
from rpa_shard.phases.wrap.record import Draft, draft_of, make_report, read_analysis
from rpa_shard.phases.wrap.report import as_markdown
from rpa_shard.phases.wrap.result import row_result
from rpa_shard.phases.writing.desk import PAPERS, AtDesk, spent_in_words
from rpa_shard.phases.writing.inquiry import Taken
from rpa_shard.phases.writing.loading import LoadedPaper
from rpa_shard.phases.writing.material.questions import Section
from rpa_shard.phases.writing.paper_desk import Asked, PaperDesk, facts_of
from rpa_shard.phases.writing.prompts import Prompt
from rpa_shard.system.failpoints import reach
from rpa_shard.system.threads import run_to_its_end

PASS, REPAIR = "PASS", "REPAIR"
SHOWN_REASONS = 3


class WrapRunner(AtDesk):
    """The wrap phase of one shard."""

    async def run(self, claim: Claim, attempt: Attempt) -> Result:
        desk = self._desk
        async with attempt.slot(PAPERS):
            paper = await desk.load(claim.paper_id)
            draft = draft_of(await run_to_its_end(desk.disk, read_analysis, paper), desk.prompts.analyze)
            table = PaperDesk(desk, paper, attempt)
            await table.look_up(tags=True)
            await self._complete(table, draft)
            await self._judge(table, draft)
            if draft.verdict == REPAIR:
                await self._repair(table, draft)
                await self._judge(table, draft)
            if draft.verdict != PASS:
                raise PaperError(Failure.LLM_JUDGED, f"{draft.verdict}: {'; '.join(draft.reasons[:SHOWN_REASONS])}")
            assert table.document is not None
            record = make_report(paper, table.document, draft, desk.prompts.sha256_of(WRAP))
            content, report = as_bytes(record), as_markdown(record, draft.shown).encode()
            reach("before_report")
            await run_to_its_end(desk.disk, self._write, paper, content, report)
            reach("after_report")
        desk.count(draft.taken)
        desk.tallies["verdict"]["repaired" if draft.repaired else "passed"] += 1
        return row_result(record, content, report)

    async def _complete(self, table: PaperDesk, draft: Draft) -> None:
        """Adds limitations and tags."""
        prompts = self._desk.prompts

        def check_tags(content: dict[str, Any]) -> None:
            if not _tags(table, content):
                proposed = ", ".join(map(str, content["tags"]))[:100]
                raise PaperError(Failure.LLM_INVALID, f"none of its tags is one that a report may have: {proposed}")

        asked = [Asked(prompts.limitations), Asked(prompts.tags_prompt, check=check_tags)]
        limitations, tags = await table.ask(asked, draft.shown)
        draft.taken += [limitations, tags]
        draft.tags = _tags(table, tags.content)
        _put(draft, prompts.limitations, limitations)

    async def _judge(self, table: PaperDesk, draft: Draft) -> None:
        (judged,) = await table.ask([Asked(self._desk.prompts.judge)], draft.shown)
        draft.taken.append(judged)
        draft.verdict = str(judged.content["verdict"])
        draft.reasons = [str(each) for each in judged.content["reasons"]]

    async def _repair(self, table: PaperDesk, draft: Draft) -> None:
        """Has the sections written again that the judge names; all that can be, if it names none."""
        prompts = self._desk.prompts
        by_name = {prompt.name: prompt for prompt in (*prompts.analyze, prompts.limitations)}
        possible = [section for section in draft.shown if section.name in by_name]
        named = {str(each).strip("[] ") for each in draft.taken[-1].content.get("sections", ())}
        sections = [section for section in possible if section.name in named] or possible
        asked = [
            Asked(prompts.repair, _remarks(section, by_name[section.name], draft.reasons), by_name[section.name])
            for section in sections
        ]
        for section, taken in zip(sections, await table.ask(asked), strict=True):
            draft.taken.append(taken)
            draft.repaired.append(section.name)
            _put(draft, by_name[section.name], taken)

    def _write(self, paper: LoadedPaper, content: bytes, report: bytes) -> None:
        write_durably(report, self._desk.writer, paper.files.report)
        write_durably(content, self._desk.writer, paper.files.report_record)
        sync_names(paper.files.report.parent)

    def summary(self, result: Result) -> str:
        made = f"tags={len(result['tags'])} repaired={result['repaired']}"
        return f"{made} answers={result['answers']} {spent_in_words(result)}"


def _tags(table: PaperDesk, content: Mapping[str, Any]) -> tuple[str, ...]:
    """The tags of an answer that a report may have now: a list that is made of the corpus changes as it grows."""
    return checked_tags([each for each in content["tags"] if isinstance(each, str)], table.tags)


def _put(draft: Draft, prompt: Prompt, taken: Taken) -> None:
    section = Section(name=prompt.name, title=prompt.title, content=taken.content, schema=prompt.schema)
    draft.replace(section, facts_of(taken.kept))


def _remarks(section: Section, prompt: Prompt, reasons: list[str]) -> str:
    """What a repair is told besides its instruction."""
    return "\n\n".join([
        f"The section [{section.name}] {section.title}:",
        section.markdown,
        "The reasons for which it was found faulty:",
        "\n".join(f"- {reason}" for reason in reasons),
        "The instruction for which it was written:",
        prompt.instruction,
    ])  # fmt: skip
