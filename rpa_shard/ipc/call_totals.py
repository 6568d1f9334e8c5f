"""What the runners of phases that ask models sum up of their calls, among their other totals.

Guarantee: pure; one place for the names. Limit: the calls of one run that were answered; what a day took, also by
earlier runs and by calls without an answer, is in `rpa_shard.ipc.model_status`.
"""

from __future__ import annotations

from collections.abc import Mapping

from rpa_shard.ipc.model_status import Spent

CALLS, INPUT_TOKENS, OUTPUT_TOKENS, MICRO_USD = "llm_calls", "llm_input_tokens", "llm_output_tokens", "llm_micro_usd"
OF_CALLS = frozenset({CALLS, INPUT_TOKENS, OUTPUT_TOKENS, MICRO_USD})


def totals_of(spent: Spent) -> dict[str, int]:
    """What calls took, as totals of a runner."""
    return {
        CALLS: spent.requests,
        INPUT_TOKENS: spent.input_tokens,
        OUTPUT_TOKENS: spent.output_tokens,
        MICRO_USD: spent.micro_usd,
    }


def spent_in(totals: Mapping[str, int]) -> Spent:
    """What the totals of runners say of calls."""
    return Spent(
        requests=totals.get(CALLS, 0),
        input_tokens=totals.get(INPUT_TOKENS, 0),
        output_tokens=totals.get(OUTPUT_TOKENS, 0),
        micro_usd=totals.get(MICRO_USD, 0),
    )
