"""What the definitions of `analyze` and `wrap` share: what is checked before a run, and loaded before it forks.

Guarantee: cheap to import; prompts and `jsonschema` are loaded only by runs that ask models. Limit: whether endpoints
answer is found out by asking them.
"""

from __future__ import annotations

from rpa_shard.config.errors import SettingsError
from rpa_shard.config.settings import Settings
from rpa_shard.model.errors import StoreError
from rpa_shard.store.protocol import Ledger

# A document of fewer tokens shows too little of most papers.
MIN_ROOM_TOKENS = 1000


def warm_up(settings: Settings) -> None:
    """Loads what every shard needs: they share its memory, and start faster."""
    from rpa_shard.phases.writing import paper_desk  # noqa: F401


def refuse(settings: Settings, ledger: Ledger, limit: int | None = None) -> None:
    """Raises StoreError if no model is named, a prompt is wrong, or no paper can fit."""
    from rpa_shard.llm.tokens import estimated_tokens
    from rpa_shard.phases.writing.material.questions import room_for_document
    from rpa_shard.phases.writing.prompts import load_prompts

    if not settings.llm_endpoints:
        raise StoreError("RPA_V2_LLM_ENDPOINTS: no model is named: `http://127.0.0.1:8000/v1 models=NAME`")
    try:
        prompts = load_prompts(settings.prompts)
    except SettingsError as error:
        raise StoreError(str(error)) from None
    smallest = min(settings.llm_endpoints, key=lambda each: each.context_tokens)
    room = room_for_document(smallest.context_tokens, prompts, estimated_tokens)
    if room < MIN_ROOM_TOKENS:
        least = smallest.context_tokens + MIN_ROOM_TOKENS - room
        raise StoreError(
            f"RPA_V2_LLM_ENDPOINTS: context={smallest.context_tokens} of {smallest.name} leaves a paper {max(room, 0)} "
            f"tokens: with these prompts about {least} are needed at least"
        )
