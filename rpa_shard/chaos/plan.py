"""What a trial is: its papers, its disruptions, its faults, and the knobs of its runs.

Guarantee: pure; runs of the same plan get the same knobs, apart from what is drawn when they start. Limit: times are
short, so that what takes minutes in a real run happens within seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rpa_shard.chaos.schedule import MODEL_POINTS, SHARD_POINTS
from rpa_shard.config.host_policy import HostPolicy
from rpa_shard.model.phase import PHASES, PREP, Phase
from rpa_shard.testing.llm_mirror import MODEL
from rpa_shard.testing.llm_mirror.limits import Limits

DEFAULT_FAULTS = "404:1%*always,500:3%,html:1%,truncate:2%,length:2%,reset:2%,hops:1%,slow:20%"
# Every paper meets at most one of them, in one of its questions, once: so all of them are finished in the end. 429 is
# rare, since each one, until a model has long been calm, doubles the time for which it is left alone.
DEFAULT_LLM_FAULTS = (
    "500:3%,503:1%,429=1:0.1%,429=500ms:0.1%,429=reset:0.1%,drop:3%,stall:1%,slow:5%,error-in-stream:2%,cut:4%,"
    "refusal:2%,filter:2%,invalid:4%,not-json:2%,fence:2%,empty:4%,echo:2%,repair:4%,usage-missing:5%,usage-wrong:5%"
)
POLICY = HostPolicy("127.0.0.1", 100, 0.5, 64)
WORKERS = 200
# Short times, so that what takes minutes in a real run happens within seconds.
KNOBS = {
    "RPA_V2_HOST_POLICY": str(POLICY),
    "RPA_V2_WORKERS": str(WORKERS),
    "RPA_V2_LEASE_TTL_SECONDS": "2",
    "RPA_V2_LEASE_RENEW_SECONDS": "0.5",
    "RPA_V2_SHARD_SILENCE_SECONDS": "4",
    "RPA_V2_DRAIN_SECONDS": "5",
    "RPA_V2_RETRY_DELAY_SCALE": "0.01",
    "RPA_V2_CRASH_LOOP_DEATHS": "1000000",
    "RPA_V2_PREP_EXTRACT_WORKERS": "4",
    "RPA_V2_MIN_FREE_BYTES": "0",
}
# What the endpoint of the models allows, and what the run is told of it.
LLM_LIMITS = Limits(requests=2000, input_tokens=4_000_000, output_tokens=450_000, in_flight=64)
LLM_KNOBS = {
    "RPA_V2_LLM_STALL_SECONDS": "2",
    "RPA_V2_LLM_DEADLINE_SECONDS": "20",
    "RPA_V2_LLM_CLOSE_SECONDS": "0.5",
}
LLM_LATENCY_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do. `kills` is the minimum number of processes to kill, `minutes` how long the disruptions may last.

    `from_archive`: papers come from a tar file, and only those that it lacks are looked for at the mirror. `phases` are
    those of the run; `llm_faults` are those of the endpoint of models, if the run asks any.
    """

    seed: int
    papers: int = 1000
    kills: int = 25
    minutes: float | None = None
    faults: str = DEFAULT_FAULTS
    keep_pdf: bool = True
    from_archive: bool = False
    phases: tuple[Phase, ...] = (PREP,)
    llm_faults: str = DEFAULT_LLM_FAULTS

    @property
    def asks_models(self) -> bool:
        """Whether the run has phases that ask models."""
        return self.phases != (PREP,)

    @property
    def points(self) -> tuple[str, ...]:
        """Where in its work a shard may be made to die."""
        return SHARD_POINTS + MODEL_POINTS if self.asks_models else SHARD_POINTS


# Which phases a run may have.
PHASES_OF_RUNS: Mapping[str, tuple[Phase, ...]] = {"prep": (PREP,), "all": PHASES}


def endpoint_knobs(phases: tuple[Phase, ...], base_url: str) -> dict[str, str]:
    """The knobs of a run over `phases` that asks the models at an endpoint."""
    limits = LLM_LIMITS
    words = (
        f"{base_url} models={MODEL} requests={limits.requests} input_tokens={limits.input_tokens} "
        f"output_tokens={limits.output_tokens} in_flight={limits.in_flight}"
    )
    return {**LLM_KNOBS, "RPA_V2_PHASES": ",".join(each.name for each in phases), "RPA_V2_LLM_ENDPOINTS": words}


def limit_words() -> str:
    """The limits, as the endpoint is told them."""
    names = ("requests", "input_tokens", "output_tokens", "in_flight")
    return " ".join(f"{name}={getattr(LLM_LIMITS, name)}" for name in names)
