"""Counting what calls take.

Guarantee: an answer is counted once, when it comes, whether it is of use or not. Limit: of one shard's process; answers
that had been kept are not asked for, and not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rpa_shard.config.llm import ModelAt
from rpa_shard.ipc.call_totals import totals_of
from rpa_shard.ipc.model_status import Spent
from rpa_shard.llm.question import Answer, Question
from rpa_shard.phases.writing.inquiry import Asks


class CountedAsker:
    """Has questions answered by `asker`, and adds to `totals` what that took."""

    def __init__(self, asker: Asks, totals: Counter[str]) -> None:
        self._asker = asker
        self._totals = totals

    @property
    def models(self) -> Sequence[ModelAt]:
        return self._asker.models

    @property
    def context_tokens(self) -> int:
        return self._asker.context_tokens

    async def ask(self, question: Question) -> Answer:
        answer = await self._asker.ask(question)
        usage = answer.usage
        took = Spent(
            requests=1,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            micro_usd=answer.micro_usd,
        )
        self._totals.update(totals_of(took))
        return answer
