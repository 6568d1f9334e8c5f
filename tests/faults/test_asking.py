"""Phases that ask models, through the real supervisor and shards: a refusal, a spent budget, kills."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from rpa_shard.ipc.account import Cause
from rpa_shard.model.phase import PREP
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed
from tests.asking_phase import INPUT_TOKENS, OUTPUT_TOKENS, REFUSES, SENT
from tests.rig import Rig, wait_for

PAPERS = 40
NAME = "model at 127.0.0.1:1"


@pytest.fixture
async def prepped(rig: Rig) -> Rig:
    """A rig with forty papers that are prepped, and a phase that asks a model about them."""
    with open_ledger(rig.folder, Layout(16, 2)) as ledger:
        ledger.add([f"2401.{number:05}" for number in range(PAPERS)])
    for shard in (0, 1):
        async with engine_of(rig.folder).open_store(shard, 60.0) as store:
            for claim in await store.claim(PREP, PAPERS):
                await store.finish(claim, completed(PREP, {}))
    here = str(Path(__file__).parents[2])
    rig.environment |= {
        "RPA_V2_PHASES": "analyze",
        "RPA_V2_WORKERS": "16",
        "RPA_V2_LLM_ENDPOINTS": "http://127.0.0.1:1 models=model in_flight=4",
        "PYTHONPATH": os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH")))),
        REFUSES: str(rig.root.with_name("refuses")),
        SENT: str(rig.root.with_name("sent")),
    }
    return rig


def sent(rig: Rig) -> list[str]:
    """The papers about which something was asked."""
    path = Path(rig.environment[SENT])
    return [line.split()[1] for line in path.read_text().splitlines()] if path.exists() else []


async def test_a_refusal_ends_the_run_and_fails_no_paper(prepped: Rig) -> None:
    refuses = Path(prepped.environment[REFUSES])
    refuses.touch()
    code, output, errors = prepped.run(module="tests.asking_phase")
    assert (code, output) == (1, f"refused: {NAME} refuses us: HTTP 402: no credit (see to that, then run again)\n")
    assert errors.count("not asked until a person acts and starts a run: HTTP 402: no credit") == 1
    assert (prepped.by_status(), sent(prepped)) == ({"prepped": PAPERS}, [])
    assert all(row.attempts == 0 for row in prepped.rows().values()), "free of charge"
    status = prepped.status()
    assert status is not None
    assert [(wait.cause, wait.papers) for wait in status.account.waits] == [(Cause.MODEL_REFUSAL, PAPERS)]
    refuses.unlink()
    code, _, errors = prepped.run(module="tests.asking_phase")
    assert code == 0, errors
    assert prepped.by_status() == {"analyzed": PAPERS}
    assert f"model {NAME}: one call is to show whether it can be asked: HTTP 402: no credit" in errors
    assert sorted(sent(prepped)) == sorted(prepped.rows()), "each once"


async def test_a_spent_budget_is_known_after_kills(prepped: Rig) -> None:
    def is_spent() -> bool:
        status = prepped.status()
        return status is not None and any(wait.cause is Cause.BUDGET for wait in status.account.waits)

    per_paper = INPUT_TOKENS + OUTPUT_TOKENS
    budget = {"LLM_BUDGET": f"tokens={20 * per_paper}"}
    run = prepped.start(module="tests.asking_phase", **budget)
    wait_for(lambda: sent(prepped), "something is asked")
    shards = prepped.running_shards(2)
    os.kill(shards[0], signal.SIGKILL)
    run.kill()
    run.communicate(timeout=60)
    run = prepped.start(module="tests.asking_phase", **budget)
    wait_for(is_spent, "the budget is spent")
    asked = len(sent(prepped))
    assert 0 < asked <= 20
    run.kill()
    run.communicate(timeout=60)
    run = prepped.start(module="tests.asking_phase", **budget)
    wait_for(is_spent, "the budget is still spent")
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=60)
    assert len(sent(prepped)) == asked
    code, _, errors = prepped.run(module="tests.asking_phase", SHARD_COUNT="3")
    assert code == 0, errors
    assert prepped.by_status() == {"analyzed": PAPERS}
    assert not prepped.processes()


async def test_a_run_without_models_or_their_key_is_refused_in_one_line(prepped: Rig) -> None:
    code, _, errors = prepped.run(module="tests.asking_phase", LLM_ENDPOINTS="")
    assert (code, errors.count("\n")) == (2, 1)
    assert errors.startswith("RPA_V2_LLM_ENDPOINTS: no model is named, but this run asks one (analyze): `http://127.")
    endpoint = "http://127.0.0.1:1 models=model key=env:NO_SUCH_KEY"
    code, _, errors = prepped.run(module="tests.asking_phase", LLM_ENDPOINTS=endpoint)
    assert (code, errors) == (2, "RPA_V2_LLM_ENDPOINTS: the variable NO_SUCH_KEY, which holds a key, is not set\n")
    code, _, errors = prepped.run(module="tests.asking_phase", LLM_BUDGET="usd=5")
    assert (code, errors.count("\n")) == (2, 1)
    assert errors.startswith(f"RPA_V2_LLM_BUDGET=usd=5: needs to know the price of {NAME}: add price=IN/OUT to ")
