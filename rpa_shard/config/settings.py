"""Every knob: its name, default, meaning and check, once.

Guarantee: every `Settings` is valid: each value is in its range, and pairs agree. Totals are for the run; `share` gives
each shard its part. Limit: the environment is read once, at the start; changing a knob requires a new run. Whether the
process may open the descriptors that a run needs is checked when one starts (`rpa_shard.config.descriptors`).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from rpa_shard import __version__
from rpa_shard.config.errors import SettingsError
from rpa_shard.config.given import ENVIRONMENT, Given, given_knobs
from rpa_shard.config.host_policy import PUBLISHED, HostPolicy
from rpa_shard.config.knob import (
    Kind,
    artifacts,
    as_text,
    budget,
    choice,
    endpoints,
    file,
    flag,
    folder,
    integer,
    knob,
    node_name,
    number,
    phase_names,
    policies,
    sources,
    store,
    text,
)
from rpa_shard.config.llm import LlmBudget, ModelAt
from rpa_shard.config.places import node_name_of
from rpa_shard.model.partition import share_of, workers_of
from rpa_shard.model.phase import PREP, Phase, in_order
from rpa_shard.system.cores import usable_cores
from rpa_shard.system.suggestions import did_you_mean

MAX_SHARDS = 1024
MAX_WORKERS = 10_000
# Descriptors of a shard that are neither connections nor files being written: store, logs, sockets, loop, pipes.
BASE_DESCRIPTORS = 64
PIPES_PER_CHILD = 4


def _default_shards() -> int:
    return min(usable_cores(), MAX_SHARDS)


def _default_data_dir() -> Path:
    return Path("data").absolute()


def _default_node() -> str:
    return node_name_of(socket.gethostname())


@dataclass(frozen=True, slots=True)
class Share:
    """One shard's part of the totals of a run."""

    workers: range
    download_concurrency: int
    extract_concurrency: int
    extract_workers: int
    io_threads: int
    max_connections: int
    max_keepalive: int
    llm_papers: int = 0
    llm_connections: int = 0

    @property
    def descriptors(self) -> int:
        """The most descriptors that this shard may need at a time."""
        return (
            BASE_DESCRIPTORS
            + self.max_connections
            + self.download_concurrency
            + self.io_threads
            + PIPES_PER_CHILD * (self.extract_workers + 1)  # and the slow lane's
            + self.llm_connections
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """All knobs of a run, checked."""

    shard_count: int = knob(
        "RPA_V2_SHARD_COUNT",
        _default_shards,
        integer(1, MAX_SHARDS),
        "Shard processes. Changing it moves the papers between shard files at the next start.",
        shown="cores this process may use",
    )
    workers: int = knob(
        "RPA_V2_WORKERS",
        200,
        integer(1, MAX_WORKERS),
        "Workers (asyncio tasks): the most papers in flight at a time.",
    )
    phases: tuple[str, ...] = knob(
        "RPA_V2_PHASES",
        (PREP.name,),
        phase_names(),
        "The phases that a run works on, separated by commas. Papers in later phases go first, so that papers in "
        "progress get finished.",
    )
    download_concurrency: int = knob("RPA_V2_PREP_DOWNLOAD_CONCURRENCY", 64, integer(1, 10_000), "Downloads at a time.")
    extract_concurrency: int = knob(
        "RPA_V2_PREP_EXTRACT_CONCURRENCY",
        16,
        integer(1, 10_000),
        "Papers handed to the extraction pool at a time, running or waiting in it.",
    )
    extract_pool: Literal["thread", "process"] = knob(
        "RPA_V2_PREP_EXTRACT_POOL",
        "thread",
        choice("thread", "process"),
        "Where parsing happens: in the shard's threads (fast), or in a killable child process for each thread "
        "(for untrusted PDFs).",
    )
    extract_workers: int = knob(
        "RPA_V2_PREP_EXTRACT_WORKERS", 12, integer(1, 1_000), "Threads of the extraction pools."
    )
    io_threads: int = knob(
        "RPA_V2_PREP_IO_THREADS",
        64,
        integer(1, 1_000),
        "Threads that write, flush and hash files.",
    )
    max_connections: int = knob("RPA_V2_HTTP_MAX_CONNECTIONS", 256, integer(1, 100_000), "HTTP connections at a time.")
    max_keepalive: int = knob(
        "RPA_V2_HTTP_MAX_KEEPALIVE",
        128,
        integer(0, 100_000),
        "HTTP connections kept open while idle, part of the total; 0 closes each after use.",
    )
    data_dir: Path = knob(
        "RPA_V2_DATA_DIR",
        _default_data_dir,
        folder(),
        "Where everything is kept: the queue, the PDFs, the texts, the records.",
        shown="./data",
    )
    sources: tuple[str, ...] = knob(
        "RPA_V2_SOURCES",
        ("arxiv",),
        sources(),
        "Where arXiv papers come from, tried in this order: `arxiv` (its host for programs), `gcs` (its public "
        "bucket), URL templates. {id} is the complete id, {name} the id with _ for /, and {archive}, {yymm}, {number}, "
        "{version} are its parts.",
    )
    host_policies: tuple[HostPolicy, ...] = knob(
        "RPA_V2_HOST_POLICY",
        (),
        policies(),
        "How fast a host may be asked, over how many connections, for all shards: `export.arxiv.org=1/3@1` is one "
        "request in 3 seconds on one connection. Hosts without a policy are asked as fast as they answer.",
        shown="arXiv's published rate: export.arxiv.org=4/1@4",
    )
    faster_than_published: bool = knob(
        "RPA_V2_FASTER_THAN_PUBLISHED", False, flag(), "1 allows a policy faster than a host's published rate."
    )
    host_close_seconds: float = knob(
        "RPA_V2_HOST_CLOSE_SECONDS",
        60.0,
        number(0.1, 86_400),
        "How long a host is left alone after it answered 429 or 503 (unless it asks for longer) or gave nobody a PDF; "
        "doubles each time.",
    )
    arxiv_max_papers: int = knob(
        "RPA_V2_ARXIV_MAX_PAPERS",
        50_000,
        integer(1, 100_000_000),
        "A run refuses to fetch more papers than this from arXiv's own host.",
    )
    user_agent: str = knob(
        "RPA_V2_DOWNLOAD_USER_AGENT",
        f"rpa_shard/{__version__} (no contact given)",
        text(),
        "How we introduce ourselves to sources. Add a contact address: sources block anonymous clients first.",
    )
    engine: Literal["auto", "pdfium", "pypdf"] = knob(
        "RPA_V2_EXTRACT_ENGINE",
        "auto",
        choice("auto", "pdfium", "pypdf"),
        "What reads PDFs: auto is pdfium, and pypdf if that fails.",
    )
    extract_deadline_seconds: float = knob(
        "RPA_V2_EXTRACT_DEADLINE_SECONDS",
        120.0,
        number(0.1, 86_400),
        "The longest time for parsing one paper; for one that runs alone, the longest with each engine. Past it, the "
        "process that parses is killed.",
    )
    extract_slow_seconds: float = knob(
        "RPA_V2_EXTRACT_SLOW_SECONDS",
        5.0,
        number(0.01, 86_400),
        "A paper that takes longer than this to parse goes on in the shard's slow lane, a child process of its own, so "
        "that no other paper waits for it.",
    )
    lease_ttl_seconds: float = knob(
        "RPA_V2_LEASE_TTL_SECONDS", 300.0, number(0.1, 86_400), "How long a lease lasts without being renewed."
    )
    lease_renew_seconds: float = knob(
        "RPA_V2_LEASE_RENEW_SECONDS", 100.0, number(0.05, 86_400), "How often a shard renews its leases."
    )
    keep_pdf: bool = knob("RPA_V2_KEEP_PDF", True, flag(), "0 keeps no PDFs: they are parsed from memory.")
    download_timeout_seconds: float = knob(
        "RPA_V2_DOWNLOAD_TIMEOUT_SECONDS",
        60.0,
        number(0.1, 86_400),
        "The longest wait for a connection, or for the next bytes of a download.",
    )
    download_deadline_seconds: float = knob(
        "RPA_V2_DOWNLOAD_DEADLINE_SECONDS", 600.0, number(0.1, 86_400), "The longest that one download may take."
    )
    min_bytes_per_second: float = knob(
        "RPA_V2_DOWNLOAD_MIN_BYTES_PER_SECOND",
        1000.0,
        number(0, 10**9),
        "A download slower than this over half a minute is given up and tried again later.",
    )
    min_free_bytes: int = knob(
        "RPA_V2_MIN_FREE_BYTES",
        500_000_000,
        integer(0, 10**15),
        "A run pauses while a disk of the data folder has less free space than this, and resumes by itself.",
    )
    max_pdf_bytes: int = knob(
        "RPA_V2_MAX_PDF_BYTES",
        200_000_000,
        integer(1_000, 10_000_000_000),
        "The size cap of a PDF in bytes; a download stops there.",
    )
    child_memory_bytes: int = knob(
        "RPA_V2_EXTRACT_CHILD_MEMORY_BYTES",
        2 * 1024**3,
        integer(256 * 1024**2, 1024**4),
        "The most address space of an extraction child, in bytes.",
    )
    shard_memory_bytes: int = knob(
        "RPA_V2_SHARD_MEMORY_BYTES",
        2 * 1024**3,
        integer(32 * 1024**2, 1024**4),
        "The most memory of a shard, in bytes. One that holds four fifths of it drains and is replaced by a fresh one; "
        "past it the shard is killed, and the paper that it was parsing runs alone in a child process.",
    )
    retry_delay_scale: float = knob(
        "RPA_V2_RETRY_DELAY_SCALE",
        1.0,
        number(0, 100),
        "Multiplies every back-off: between attempts at a paper, and before a dead shard is started again.",
    )
    drain_seconds: float = knob(
        "RPA_V2_DRAIN_SECONDS",
        30.0,
        number(0.1, 86_400),
        "How long a stopping shard may finish or hand back its papers before it is killed.",
    )
    shard_silence_seconds: float = knob(
        "RPA_V2_SHARD_SILENCE_SECONDS",
        60.0,
        number(1, 86_400),
        "A shard that has not reported for this long is stuck: it is killed and started again.",
    )
    crash_loop_deaths: int = knob(
        "RPA_V2_CRASH_LOOP_DEATHS",
        5,
        integer(1, 1_000_000),
        "Deaths of shards within a minute that stop the run (exit 3).",
    )

    llm_endpoints: tuple[ModelAt, ...] = knob(
        "RPA_V2_LLM_ENDPOINTS",
        (),
        endpoints(),
        "The models that `analyze` and `wrap` ask, tried in this order, at endpoints that speak OpenAI's chat "
        "completions: `http://127.0.0.1:8000/v1 models=qwen3 in_flight=64 context=32768`. A key is never written here, "
        "only where it is: key=env:NAME or key=file:PATH.",
        shown="none",
    )
    llm_budget: LlmBudget = knob(
        "RPA_V2_LLM_BUDGET",
        LlmBudget(),
        budget(),
        "The most that a day (UTC) may take, all models together: `tokens=20_000_000 usd=5`. Once it is spent, the "
        "phases that ask models wait for the next day.",
        shown="none",
    )
    prompts: Path | None = knob(
        "RPA_V2_PROMPTS",
        None,
        folder(),
        "The folder of the prompts and their schemas; `prompts --copy` makes one to start from.",
        shown="those that are built in",
    )
    llm_papers: int = knob(
        "RPA_V2_LLM_PAPERS", 200, integer(1, 10_000), "Papers that are analyzed or wrapped at a time."
    )
    llm_stall_seconds: float = knob(
        "RPA_V2_LLM_STALL_SECONDS",
        120.0,
        number(0.1, 86_400),
        "An answer of which nothing new has come for this long is given up.",
    )
    llm_deadline_seconds: float = knob(
        "RPA_V2_LLM_DEADLINE_SECONDS", 900.0, number(0.1, 86_400), "The longest that one answer may take."
    )
    llm_close_seconds: float = knob(
        "RPA_V2_LLM_CLOSE_SECONDS",
        5.0,
        number(0.1, 86_400),
        "How long a model is left alone after it answered 429 (unless it asks for longer) or failed several times in a "
        "row; doubles each time until it has answered 20 calls.",
    )
    llm_stream: bool = knob(
        "RPA_V2_LLM_STREAM",
        True,
        flag(),
        "0 asks for answers in one piece: for servers that cannot stream; stalled answers are then noticed later.",
    )

    store: str | None = knob(
        "RPA_V2_STORE",
        None,
        store(),
        "The PostgreSQL database that holds the rows, for runs on several machines: "
        "`postgresql://rpa@db.example/papers`.",
        shown="SQLite files in the data folder",
    )
    artifacts: str | None = knob(
        "RPA_V2_ARTIFACTS",
        None,
        artifacts(),
        "Where papers' files are kept, for runs on several machines: `s3://bucket/prefix`, `gs://`, `az://`, "
        "`file:///shared/folder`.",
        shown="`papers` in the data folder",
    )
    node: str = knob(
        "RPA_V2_NODE",
        _default_node,
        node_name(),
        "What this machine is called among those of a run on several machines; no two may have the same name.",
        shown="the name of the machine",
    )
    node_address: str | None = knob(
        "RPA_V2_NODE_ADDRESS",
        None,
        text(),
        "The address at which the other machines of a run reach this one.",
        shown="the one from which it reaches the database",
    )
    node_lease_seconds: float = knob(
        "RPA_V2_NODE_LEASE_SECONDS",
        15.0,
        number(0.5, 3600),
        "How long a machine that is not heard of counts as part of the run.",
    )
    governor_lease_seconds: float = knob(
        "RPA_V2_GOVERNOR_LEASE_SECONDS",
        10.0,
        number(0.5, 3600),
        "How long the process that governs hosts and models for all machines may be silent before another takes over.",
    )

    log_level: Literal["error", "warning", "info"] = knob(
        "RPA_V2_LOG_LEVEL",
        "warning",
        choice("error", "warning", "info"),
        "The least important log lines that standard error shows where there is no bar; info is a few lines a paper. "
        "The files under `logs` in the data folder have them all.",
    )
    log_format: Literal["text", "json"] = knob(
        "RPA_V2_LOG_FORMAT", "text", choice("text", "json"), "How standard error shows log lines."
    )
    metrics_file: Path | None = knob(
        "RPA_V2_METRICS_FILE",
        None,
        file(),
        "A file that a run keeps up to date with its metrics, for the textfile collector of Prometheus' node exporter.",
        shown="none",
    )
    serve_token: str | None = knob(
        "RPA_V2_SERVE_TOKEN",
        None,
        text(),
        "The token that a browser needs for the page of `serve`, at least 16 characters; needed wherever other "
        "machines can reach it.",
        shown="none",
        secret=True,
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """The settings in `environment` alone. Raises SettingsError."""
        texts = {name: environment.get(name, "").strip() for name in knob_names()}
        return cls.from_given({name: Given(text, ENVIRONMENT) for name, text in texts.items() if text})

    @classmethod
    def from_given(cls, given: Mapping[str, Given]) -> Settings:
        """The settings that are given, by the names of their knobs. Raises SettingsError."""
        values: dict[str, Any] = {}
        for knob_field in knobs():
            text = given.get(knob_field.metadata["knob"])
            if text is not None:
                values[knob_field.name] = _parse(knob_field, text)
        if "shard_count" not in values:
            # A small number of workers lowers a computed default, but not a number that a person has set.
            values["shard_count"] = min(_default_shards(), values.get("workers", 200))
        settings = cls(**values)
        settings.check()
        return settings

    @property
    def run_phases(self) -> tuple[Phase, ...]:
        """The phases that a run works on, earliest first."""
        return in_order(self.phases)

    def share(self, shard: int) -> Share:
        """The part of shard number `shard` (from 0)."""
        count = self.shard_count
        return Share(
            workers=workers_of(shard, self.workers, count),
            download_concurrency=share_of(self.download_concurrency, shard, count),
            extract_concurrency=share_of(self.extract_concurrency, shard, count),
            extract_workers=share_of(self.extract_workers, shard, count),
            io_threads=share_of(self.io_threads, shard, count),
            max_connections=share_of(self.max_connections, shard, count),
            max_keepalive=share_of(self.max_keepalive, shard, count) if self.max_keepalive else 0,
            llm_papers=share_of(self.llm_papers, shard, count),
            llm_connections=self.llm_connections,
        )

    @property
    def llm_connections(self) -> int:
        """The most calls that any shard may have under way: the governor divides them as papers need them."""
        asks = any(phase.name != PREP.name for phase in self.run_phases)
        return sum(each.limits.in_flight for each in self.llm_endpoints) if asks else 0

    def check(self) -> None:
        """Raises SettingsError for impossible pairs."""
        if self.shard_count > self.workers:
            raise _pair_error(self, "shard_count", f"at most RPA_V2_WORKERS={self.workers}: every shard needs a worker")
        if self.lease_renew_seconds >= self.lease_ttl_seconds:
            raise _pair_error(
                self, "lease_renew_seconds", f"less than RPA_V2_LEASE_TTL_SECONDS={self.lease_ttl_seconds:g}"
            )
        if self.max_keepalive > self.max_connections:
            raise _pair_error(self, "max_keepalive", f"at most RPA_V2_HTTP_MAX_CONNECTIONS={self.max_connections}")
        for policy in self.host_policies:
            published = PUBLISHED.get(policy.host)
            if published is not None and not policy.is_within(published) and not self.faster_than_published:
                allowed = f"no faster than {published} (its published rate) without RPA_V2_FASTER_THAN_PUBLISHED=1"
                raise _pair_error(self, "host_policies", allowed)

    @property
    def descriptors(self) -> int:
        """The most descriptors that any shard may need."""
        return max(self.share(shard).descriptors for shard in range(self.shard_count))


def knobs() -> tuple[Field[Any], ...]:
    """The fields of `Settings`, each with its knob in `metadata`."""
    return fields(Settings)


def knob_names() -> tuple[str, ...]:
    """The names of all knobs."""
    return tuple(knob_field.metadata["knob"] for knob_field in knobs())


def gather(options: Mapping[str, str], environment: Mapping[str, str]) -> Mapping[str, Given]:
    """The knobs that are given, by options, in the environment or in the file beside the data. Raises SettingsError."""
    return given_knobs(options, environment, knob_names())


def _parse(knob_field: Field[Any], given: Given) -> Any:
    kind: Kind = knob_field.metadata["kind"]
    try:
        value = kind.parse(given.text)
    except (ValueError, KeyError, IndexError):
        where = f"{given.file}: " if given.file is not None else ""
        name = knob_field.metadata["knob"]
        if kind.private:
            raise SettingsError(f"{where}{name}: must be {kind.allowed}") from None
        meant = did_you_mean(given.text, kind.words)
        raise SettingsError(f"{where}{name}={given.text}: must be {kind.allowed}{meant}") from None
    if isinstance(value, Path) and given.file is not None:
        return given.file.parent / Path(given.text).expanduser()
    return value


def _pair_error(settings: Settings, name: str, allowed: str) -> SettingsError:
    knob_field = next(each for each in knobs() if each.name == name)
    return SettingsError(f"{knob_field.metadata['knob']}={as_text(getattr(settings, name))}: must be {allowed}")
