"""One paper's way through the analyze phase: all writers at a time, then the record.

Guarantee: the record is on disk before `run` returns, so before the store says `analyzed`, and it has every section;
what was answered in an earlier attempt is not asked again. Limit: it does not touch the store; the worker ends the
claim with its result.
"""

from __future__ import annotations

from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import ANALYZE
from rpa_shard.phases.analyze.record import as_bytes, make_analysis
from rpa_shard.phases.analyze.result import row_result
from rpa_shard.phases.files import sync_names, write_durably
from rpa_shard.phases.runner import Attempt, Result
from rpa_shard.phases.writing.desk import PAPERS, AtDesk, spent_in_words
from rpa_shard.phases.writing.loading import LoadedPaper
from rpa_shard.phases.writing.paper_desk import Asked, PaperDesk
from rpa_shard.system.failpoints import reach
from rpa_shard.system.threads import run_to_its_end


class AnalyzeRunner(AtDesk):
    """The analyze phase of one shard."""

    async def run(self, claim: Claim, attempt: Attempt) -> Result:
        desk = self._desk
        async with attempt.slot(PAPERS):
            paper = await desk.load(claim.paper_id)
            table = PaperDesk(desk, paper, attempt)
            if any("signals" in prompt.reads for prompt in desk.prompts.analyze):
                await table.look_up()
            prompts = desk.prompts.analyze
            taken = await table.ask([Asked(prompt) for prompt in prompts])
            assert table.document is not None
            record = make_analysis(
                paper,
                table.document,
                table.signals,
                list(zip(prompts, taken, strict=True)),
                desk.prompts.sha256_of(ANALYZE),
            )
            content = as_bytes(record)
            reach("before_analysis")
            await run_to_its_end(desk.disk, self._write, paper, content)
            reach("after_analysis")
        desk.count(taken)
        return row_result(record, content)

    def _write(self, paper: LoadedPaper, content: bytes) -> None:
        write_durably(content, self._desk.writer, paper.files.analysis)
        sync_names(paper.files.analysis.parent)

    def summary(self, result: Result) -> str:
        return f"sections={result['sections']} answers={result['answers']} {spent_in_words(result)}"
