"""Knobs: every value checked, impossible pairs refused in one line, shares that add up, documents up to date."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rpa_shard.config.errors import SettingsError
from rpa_shard.config.settings import Settings
from rpa_shard.observe.summary import advice_lines
from rpa_shard.system.cores import usable_cores
from scripts.generate import generated

REPOSITORY = Path(__file__).parents[2]


def settings(**environment: str) -> Settings:
    return Settings.from_environment({f"RPA_V2_{name}": value for name, value in environment.items()})


def test_defaults_are_possible_anywhere() -> None:
    assert Settings.from_environment({}).shard_count == usable_cores()


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("WORKERS", "0", "a whole number from 1 to 10_000"),
        ("WORKERS", "many", "a whole number"),
        ("SHARD_COUNT", "201", "at most RPA_V2_WORKERS=200"),
        ("PREP_EXTRACT_POOL", "gpu", "one of thread, process"),
        ("EXTRACT_ENGINE", "mupdf", "one of auto, pdfium, pypdf"),
        ("LEASE_RENEW_SECONDS", "300", "less than RPA_V2_LEASE_TTL_SECONDS=300"),
        ("LEASE_TTL_SECONDS", "nan", "a number from"),
        ("HTTP_MAX_KEEPALIVE", "257", "at most RPA_V2_HTTP_MAX_CONNECTIONS=256"),
        ("KEEP_PDF", "yes", "0 or 1"),
        ("DATA_DIR", "~nobody-of-this-name/data", "a folder"),
        ("SOURCES", "https://example.org/same-for-all.pdf", "URL templates"),
        ("SOURCES", "ftp://example.org/{id}", "URL templates"),
        ("SOURCES", "https://example.org/{yymm}.pdf", "at least the id, name or number"),
        ("HOST_POLICY", "export.arxiv.org=5/2@4", "without RPA_V2_FASTER_THAN_PUBLISHED=1"),
        ("HOST_POLICY", "export.arxiv.org=4/0.9@1", "no faster than export.arxiv.org=4/1@4"),
        ("HOST_POLICY", "mirror.example:8080=4/1@4", "hosts without ports"),
        ("SOURCES", "https://example.org/{title}", "URL templates"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(name: str, value: str, allowed: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**{name: value})
    message = str(caught.value)
    assert message.startswith(f"RPA_V2_{name}={value}: must be ")
    assert allowed in message
    assert "\n" not in message


def test_policies_as_slow_as_one_likes_and_faster_only_on_purpose() -> None:
    assert settings(HOST_POLICY="export.arxiv.org=1/3@1 mirror.example=900/1@64").host_policies[0].per_seconds == 3.0
    assert settings(HOST_POLICY="arxiv.org=40/1@8", FASTER_THAN_PUBLISHED="1").host_policies[0].requests == 40
    with pytest.raises(SettingsError, match="published rate"):
        settings(HOST_POLICY="ArXiv.org.=40/1@8")


def test_a_computed_shard_count_gives_way_to_few_workers() -> None:
    assert settings(WORKERS="1").shard_count == 1


def test_shares_of_all_totals_add_up() -> None:
    chosen = settings(SHARD_COUNT="7")
    shares = [chosen.share(shard) for shard in range(7)]
    assert sum(len(each.workers) for each in shares) == 200
    assert sum(each.download_concurrency for each in shares) == 64
    assert sum(each.extract_concurrency for each in shares) == 16
    assert sum(each.extract_workers for each in shares) == 12
    assert sum(each.max_connections for each in shares) == 256
    assert sum(each.max_keepalive for each in shares) == 128


ANYWHERE = "https://papers.example/{id}.pdf"


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (None, True),
        ("arxiv", True),
        ("gcs", True),
        ("gcs arxiv", True),
        (ANYWHERE, True),
        (f"http://127.0.0.1:8000/pdf/{{id}} {ANYWHERE}", True),
        ("http://127.0.0.1:8000/pdf/{id}", False),
        ("http://localhost/pdf/{id} http://[::1]:8000/{id}", False),
        ("file:///shelf/{name}.pdf", False),
    ],
)
def test_who_asks_others_for_papers_is_asked_for_a_contact(sources: str | None, expected: bool) -> None:
    """Regression: the names of sources were taken for templates without a host."""
    chosen = settings(**{} if sources is None else {"SOURCES": sources})
    said = advice_lines(chosen)
    assert [each.split(":")[0] for each in said] == ["please add a contact"] * expected
    contact = replace(chosen, user_agent="my-project/1.0 (mailto:me@example.org)")
    assert advice_lines(contact) == []


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_what_is_made_from_the_code_is_up_to_date(path: Path) -> None:
    assert path.read_text() == generated()[path], "run scripts/generate.py"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("cgroup", "files", "cores"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "100000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        (
            "3:cpu,cpuacct:/x\n",
            {"cpu,cpuacct/x/cpu.cfs_quota_us": "100000\n", "cpu,cpuacct/x/cpu.cfs_period_us": "100000\n"},
            1,
        ),
    ],
)
def test_quotas_of_control_groups_count(tmp_path: Path, cgroup: str, files: dict[str, str], cores: int) -> None:
    write(tmp_path / "proc" / "cgroup", cgroup)
    for name, text in files.items():
        write(tmp_path / "groups" / name, text)
    assert usable_cores(tmp_path / "proc", tmp_path / "groups") == cores


def test_without_quota_affinity_decides(tmp_path: Path) -> None:
    import os

    assert usable_cores(tmp_path, tmp_path) == len(os.sched_getaffinity(0))
