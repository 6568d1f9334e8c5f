"""Which metrics there are, and their figures from a run's status.

Guarantee: pure; the families are the same for every status, only their samples differ; what has a fixed set of label
values has a sample for each of them, also while it is 0. Limit: of governed hosts only the first `HOSTS_SHOWN` have
samples, shut ones first; `rpa_hosts` counts all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from rpa_shard import __version__
from rpa_shard.config.llm import MICRO_USD, LlmBudget, parse_budget
from rpa_shard.ipc.account import Cause, Limit
from rpa_shard.ipc.model_status import ModelStatus, Spent
from rpa_shard.ipc.run_status import HostStatus, RunState, RunStatus, ShardStatus
from rpa_shard.ipc.shard_report import ShardState
from rpa_shard.model.distribution import Distribution
from rpa_shard.model.phase import Status
from rpa_shard.observe.metrics.exposition import Family, Kind, Sample, number
from rpa_shard.store.rows import Counts

HOSTS_SHOWN = 50
# Upper bounds of the histograms, in seconds.
BOUNDS_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
TOTALS = {"downloaded_bytes": "Bytes of PDFs that were downloaded.", "pages": "Pages that were extracted."}
# Of each governed host, and of each shard: the end of the name, the meaning, the figure.
HOST_FIGURES: tuple[tuple[str, str, Callable[[HostStatus], float]], ...] = (
    ("closed", "Whether a host is left alone for a while.", lambda host: int(host.closed_seconds is not None)),
    ("refuses", "Whether a host refuses us until a person acts.", lambda host: int(host.blocked is not None)),
    ("rate_factor", "The share of its allowed rate at which a host is asked.", lambda host: host.factor),
    ("requests_wanted", "Requests that wait for their turn at a host.", lambda host: host.wanted),
    ("requests_under_way", "Requests that are under way at a host.", lambda host: host.under_way),
)
SHARD_FIGURES: tuple[tuple[str, str, Callable[[ShardStatus], float]], ...] = (
    ("silent_seconds", "The time since the last report of a shard.", lambda shard: shard.silent_seconds),
    ("held_papers", "Papers under a lease of a shard.", lambda shard: shard.report.held),
    ("open_fds", "Open file descriptors of a shard.", lambda shard: shard.process.descriptors),
    ("max_fds", "The most descriptors that a shard may need.", lambda shard: shard.descriptor_budget),
    ("resident_memory_bytes", "Resident memory of a shard.", lambda shard: shard.process.rss_bytes),
    ("cpu_cores", "CPU that a shard uses, in cores.", lambda shard: shard.process.cpu_percent / 100),
)


MODEL_FIGURES: tuple[tuple[str, str, Callable[[ModelStatus], float]], ...] = (
    ("closed", "Whether a model is left alone for a while.", lambda model: int(model.closed_seconds is not None)),
    ("refuses", "Whether a model refuses us until a person acts.", lambda model: int(model.blocked is not None)),
    ("calls_wanted", "Calls that wait for their turn at a model.", lambda model: model.wanted),
    ("calls_under_way", "Calls that are under way at a model.", lambda model: model.under_way),
    ("calls_allowed", "The most calls that may be under way at a model now.", lambda model: model.in_flight_limit),
)
# Since midnight UTC: then they begin at 0 again.
MODEL_TOTALS: tuple[tuple[str, str, Callable[[Spent], float]], ...] = (
    ("calls", "Calls to a model that were answered, or may have been, this day (UTC).", lambda spent: spent.requests),
    ("input_tokens", "Tokens of the questions to a model, this day (UTC).", lambda spent: spent.input_tokens),
    ("output_tokens", "Tokens of the answers of a model, this day (UTC).", lambda spent: spent.output_tokens),
    ("cost_dollars", "The price of the calls to a model, where one is known, this day (UTC).",
     lambda spent: spent.micro_usd / MICRO_USD),
)  # fmt: skip


def families(run: RunStatus | None, counts: Counts, *, live: bool, free_bytes: int | None = None) -> list[Family]:
    """All metrics. `run` is the current run or the last one, `live`: it is in progress."""
    return [
        _of("build", Kind.INFO, "The version of the program.", [({"version": __version__}, 1)]),
        _one("run_up", "Whether a run is in progress.", int(live)),
        _each("papers", "Papers by status.", "status", {each.value: counts.by_status.get(each, 0) for each in Status}),
        _each("failed_papers", "Papers that failed for good, by reason.", "reason", counts.by_failure),
        _of("disk_free_bytes", Kind.GAUGE, "Free space of the fullest disk of the data folder.",
            [] if free_bytes is None else [({}, free_bytes)]),
        *(_run(run) if run is not None else ()),
    ]  # fmt: skip


def counts_of(run: RunStatus) -> Counts:
    """The papers as the shards of a run have counted them."""
    statuses: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    for shard in run.shards:
        statuses.update(shard.report.by_status)
        failures.update(shard.report.by_failure)
    return Counts(dict(statuses), dict(failures))


def _run(run: RunStatus) -> Iterator[Family]:
    yield from _of_the_run(run)
    yield from _of_the_account(run)
    yield from _of_work(run)
    yield from _of_hosts(run.hosts)
    yield from _of_models(run)
    yield from _of_shards(run.shards)


def _of_the_run(run: RunStatus) -> Iterator[Family]:
    states = {each.value: int(run.state is each) for each in RunState}
    yield _each("run_state", "The state of the run: 1 for the one it is in.", "state", states)
    yield _one("run_paused", "Whether nothing is started because a disk is short of room.", int(run.paused))
    yield _one("run_start_timestamp_seconds", "When the run began.", run.started_at)
    yield _one("status_timestamp_seconds", "When the run wrote these figures: once a second.", run.written_at)
    yield _one("progress_timestamp_seconds", "When the work on a paper last ended.", run.progress_at)
    yield _one("disk_min_free_bytes", "The run pauses while less than this is free.", run.min_free_bytes)


def _of_the_account(run: RunStatus) -> Iterator[Family]:
    account = run.account
    places = {
        "done": account.done,
        "failed": account.failed,
        "in_work": account.in_work,
        "queued": account.queued,
        "waiting": account.waiting,
    }
    yield _each("account_papers", "Papers by what becomes of them in this run.", "state", places)
    waiting = Counter({cause.value: 0 for cause in Cause})
    for wait in account.waits:
        waiting[wait.cause.value] += wait.papers
    yield _each("waiting_papers", "Papers that wait, by what they wait for.", "cause", waiting)
    limits = {each.value: int(account.limited_by is each) for each in Limit}
    yield _each("limited_by", "What limits the pace: 1 for what does.", "limit", limits)
    yield _one("pace_papers_per_second", "Papers per second while the run does not wait.", account.pace)
    left = account.left_seconds
    yield _of("left_seconds", Kind.GAUGE, "How long the run is likely to take; missing if nobody can tell.",
              [] if left is None else [({}, left)])  # fmt: skip
    waited = {cause.value: sum(past.seconds for past in run.waited if past.cause is cause) for cause in Cause}
    yield _count("waited_seconds", "For how long something was waited for.", "cause", waited)
    yield _of(
        "idle_seconds",
        Kind.COUNTER,
        "How long no paper was worked on because all had to wait.",
        [({}, run.idle_seconds)],
    )


def _of_work(run: RunStatus) -> Iterator[Family]:
    work = run.work
    ended = [
        ({"phase": phase, "outcome": how}, number) for phase, by in work.ended.items() for how, number in by.items()
    ]
    yield _of("claims_ended", Kind.COUNTER, "Claims on papers that ended, by phase and how.", ended)
    failures = Counter(work.retried) + Counter(work.failed)
    yield _count("failures", "Attempts that failed, for good or to be repeated, by reason.", "reason", failures)
    for name, what in TOTALS.items():
        yield _of(name, Kind.COUNTER, what, [({}, work.totals.get(name, 0))])
    yield _of(
        "leases_lost", Kind.COUNTER, "Results thrown away because their lease was lost.", [({}, work.lost_leases)]
    )
    yield _of("papers_handed_back", Kind.COUNTER, "Papers of dead shards that went back.", [({}, run.handed_back)])
    yield _histogram("download_seconds", "How long the download of a paper took.", work.durations.get("download"))
    yield _histogram("extract_seconds", "How long the extraction of a paper took.", work.durations.get("extract"))


def _of_hosts(hosts: Mapping[str, HostStatus]) -> Iterator[Family]:
    refuse = sum(each.blocked is not None for each in hosts.values())
    closed = sum(each.is_shut for each in hosts.values()) - refuse
    states = {"open": len(hosts) - refuse - closed, "closed": closed, "refuses": refuse}
    yield _each("hosts", "Governed hosts by state.", "state", states)
    first = sorted(hosts.items(), key=lambda item: (item[1].blocked is None, not item[1].is_shut, item[0]))
    shown = dict(first[:HOSTS_SHOWN])
    for name, what, figure in HOST_FIGURES:
        yield _each(f"host_{name}", what, "host", {host: figure(each) for host, each in shown.items()})


def _of_models(run: RunStatus) -> Iterator[Family]:
    for name, what, figure in MODEL_FIGURES:
        yield _each(f"model_{name}", what, "model", {model: figure(each) for model, each in run.models.items()})
    for name, what, total in MODEL_TOTALS:
        yield _count(f"model_{name}", what, "model", {model: total(each.today) for model, each in run.models.items()})
    budget = run.llm_budget
    yield _one("budget_spent", "Whether the day's budget for models is spent.", int(budget.spent_seconds is not None))
    try:
        most = parse_budget(budget.budget)
    except ValueError:
        most = LlmBudget()
    tokens, money = most.tokens_per_day, most.micro_usd_per_day
    yield _of("budget_tokens", Kind.GAUGE, "The tokens that a day may take; missing if there is no limit.",
              [] if tokens is None else [({}, tokens)])  # fmt: skip
    yield _of("budget_dollars", Kind.GAUGE, "The money that a day may take; missing if there is no limit.",
              [] if money is None else [({}, money / MICRO_USD)])  # fmt: skip


def _of_shards(shards: Iterable[ShardStatus]) -> Iterator[Family]:
    numbered = {str(each.number): each for each in shards}
    states = Counter(each.state.value for each in numbered.values())
    yield _each("shards", "Shards by state.", "state", {each.value: states[each] for each in ShardState})
    lags = [
        ({"shard": number, "quantile": quantile}, seconds)
        for number, each in numbered.items()
        for quantile, seconds in (
            ("0.5", each.report.loop_lag.p50_seconds),
            ("0.99", each.report.loop_lag.p99_seconds),
            ("1.0", each.report.loop_lag.max_seconds),
        )
    ]
    yield _of("loop_lag_seconds", Kind.SUMMARY, "How late the event loop of a shard was.", lags)
    restarts = {shard: each.restarts for shard, each in numbered.items()}
    yield _count("shard_restarts", "How often a shard died in this run.", "shard", restarts)
    for name, what, figure in SHARD_FIGURES:
        yield _each(f"shard_{name}", what, "shard", {shard: figure(each) for shard, each in numbered.items()})
    in_use, limits = Counter[str](), Counter[str]()
    for each in numbered.values():
        for name, gauge in each.report.gauges.items():
            in_use[name] += gauge.in_use
            limits[name] += gauge.limit
    yield _each("slots_in_use", "Slots and pools in use, of all shards.", "slot", dict(in_use))
    yield _each("slots", "The most of each that may be in use.", "slot", dict(limits))


def _of(name: str, kind: Kind, help: str, figures: Iterable[tuple[Mapping[str, str], float]]) -> Family:
    return Family(f"rpa_{name}", kind, help, tuple(Sample(value, labels) for labels, value in figures))


def _one(name: str, help: str, value: float) -> Family:
    return _of(name, Kind.GAUGE, help, [({}, value)])


def _each(name: str, help: str, label: str, figures: Mapping[str, float]) -> Family:
    """A gauge for each value of a label."""
    return _of(name, Kind.GAUGE, help, [({label: value}, figure) for value, figure in figures.items()])


def _count(name: str, help: str, label: str, figures: Mapping[str, float]) -> Family:
    """A counter for each value of a label."""
    return _of(name, Kind.COUNTER, help, [({label: value}, figure) for value, figure in figures.items()])


def _histogram(name: str, help: str, measured: Distribution | None) -> Family:
    found = measured or Distribution()
    buckets = [Sample(found.up_to(bound), {"le": number(bound)}, "_bucket") for bound in BOUNDS_SECONDS]
    buckets.append(Sample(found.count, {"le": "+Inf"}, "_bucket"))
    sums = (Sample(found.count, {}, "_count"), Sample(found.sum_seconds, {}, "_sum"))
    return Family(f"rpa_{name}", Kind.HISTOGRAM, help, (*buckets, *sums))
