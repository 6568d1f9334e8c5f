"""Options that are repeated add up, or refuse another value in one line: all of them, from the parser itself."""

from __future__ import annotations

import argparse
import gzip
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpa_shard.cli import main
from rpa_shard.cli.arguments import MOST, Once, parser
from rpa_shard.cli.arguments.nodes import node_name
from rpa_shard.ipc.run_status import HostStatus
from rpa_shard.ipc.saved_hosts import save_hosts
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PREP
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import failed
from rpa_shard.testing.sample_papers import Kind, sample_pdf

Captured = pytest.CaptureFixture[str]
# Two values for an option of any type.
CANDIDATES = (
    "1", "2", "0.5", "2024-01-01", "2024-01-02", "one", "two", "postgresql://me@db/papers", "postgresql://me@db/others",
)  # fmt: skip


def commands() -> dict[str, argparse.ArgumentParser]:
    (sub,) = (each for each in parser()._actions if isinstance(each.choices, dict))
    assert isinstance(sub.choices, dict)
    return sub.choices


def options() -> Iterator[tuple[str, argparse.Action]]:
    for name, sub in commands().items():
        for action in sub._actions:
            if action.option_strings and not isinstance(action, argparse._HelpAction):
                yield name, action


EVERY_OPTION = pytest.mark.parametrize(
    ("name", "action"), [pytest.param(*each, id=f"{each[0]} {each[1].dest}") for each in options()]
)


def two_values(action: argparse.Action) -> list[str]:
    if action.choices is not None:
        return list(action.choices)[:2]
    found = []
    for each in CANDIDATES:
        try:
            if callable(action.type):
                action.type(each)
            found.append(each)
        except (argparse.ArgumentTypeError, ValueError):
            continue
    return found[:2]


def required(name: str, but: argparse.Action) -> list[str]:
    """What the command cannot do without."""
    needed: list[str] = []
    for action in commands()[name]._actions:
        if action is but or not action.required:
            continue
        if action.option_strings:
            needed.append(action.option_strings[0])
        needed.append(two_values(action)[0])
    return needed


@EVERY_OPTION
def test_no_value_is_dropped(name: str, action: argparse.Action, capsys: Captured) -> None:
    option = action.option_strings[0]
    if action.nargs == 0:
        once, twice = (parser().parse_args([name, *required(name, action), *[option] * times]) for times in (1, 2))
        assert once == twice, "a switch"
        return
    if isinstance(action.nargs, int):
        assert_pair_is_kept(name, action, capsys)
        return
    first, *others = two_values(action)
    given = [name, *required(name, action), option, first]
    again = parser().parse_args([*given, option, first])
    convert = action.type if callable(action.type) else str
    if not isinstance(action, Once):
        (second,) = others
        assert getattr(again, action.dest) == [convert(first)] * 2
        both = parser().parse_args([*given, option, second])
        assert getattr(both, action.dest) == [convert(first), convert(second)]
        assert getattr(parser().parse_args(given[:-2] if not action.required else given), action.dest) is not None
        return
    assert getattr(again, action.dest) == convert(first), "the same value twice is no contradiction"
    if not others:
        return  # there is only one
    (second,) = others
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([*given, option, second])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"given twice, as {convert(first)} and {convert(second)}: give one" in line


def assert_pair_is_kept(name: str, action: argparse.Action, capsys: Captured) -> None:
    first, second = two_values(action)
    given = [name, *required(name, action), action.option_strings[0], first, second]
    assert getattr(parser().parse_args(given), action.dest) == [Path(first), Path(second)]
    with pytest.raises(SystemExit):
        parser().parse_args([*given, action.option_strings[0], second, first])
    assert "given twice" in capsys.readouterr().err


@EVERY_OPTION
def test_numbers_beyond_all_bounds_are_one_line(name: str, action: argparse.Action, capsys: Captured) -> None:
    if not callable(action.type) or action.type in (Path, node_name) or two_values(action)[:1] != ["1"]:
        return
    for odd in (str(10**20), str(-(10**20)), "nan", "1e400", "\u0663", "", "one"):
        given = [name, *required(name, action), f"{action.option_strings[0]}={odd}"]
        try:
            number = getattr(parser().parse_args(given), action.dest)
        except SystemExit:
            assert len(capsys.readouterr().err.splitlines()) == 1
        else:
            assert -MOST <= number <= MOST or name in ("run", "node", "analyze"), (
                odd,
                number,
            )  # a knob has its own bounds


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RPA_V2_SHARD_COUNT", "2")
    return DataFolder(tmp_path / "data")


def ids_in(folder: DataFolder) -> set[str]:
    with open_ledger(folder) as ledger:
        return {row.paper_id for row in ledger.papers()}


def test_lists_add_up(folder: DataFolder, tmp_path: Path, capsys: Captured) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.txt").write_text(f"2401.0000{number}\nnonsense\n")
    given = ["--file", str(tmp_path / "1.txt"), "--file", str(tmp_path / "2.txt")]
    assert main(["plan", *given]) == 1
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["export.arxiv.org", "2"]
    assert main(["add", "2401.00003", *given]) == 1
    assert ids_in(folder) == {"2401.00001", "2401.00002", "2401.00003"}
    errors = capsys.readouterr().err
    assert f"{tmp_path / '1.txt'}, line 2: nonsense" in errors
    assert f"{tmp_path / '2.txt'}, line 2: nonsense" in errors


def test_archives_and_their_manifests_add_up(folder: DataFolder, tmp_path: Path, capsys: Captured) -> None:
    pdf = tmp_path / "paper.pdf"
    pdf.write_bytes(sample_pdf(Kind.TWO_COLUMNS, "2401.00001"))
    for number in (1, 2, 3):
        with tarfile.open(tmp_path / f"{number}.tar", "w") as tar:
            tar.add(pdf, f"2401/2401.0000{number}.pdf")
        # The second one is one file short.
        (tmp_path / f"{number}.xml").write_text(
            f"<arXivPDF><file><filename>pdf/{number}.tar</filename><num_items>{number}</num_items></file></arXivPDF>"
        )
    tars = [str(tmp_path / f"{number}.tar") for number in (1, 2, 3)]
    manifests = [f"--manifest={tmp_path / f'{number}.xml'}" for number in (1, 2)]
    assert main(["add", "--tar", *tars[:2], "--tar", tars[2], *manifests]) == 1
    assert "2.tar: has 1 files, but the manifest says 2" in capsys.readouterr().err
    assert ids_in(folder) == {"2401.00001", "2401.00003"}


def test_snapshots_add_up_to_the_limit(folder: DataFolder, tmp_path: Path, capsys: Captured) -> None:
    def row(number: int, categories: str) -> str:
        first = {"version": "v1", "created": "Mon, 1 Jan 2024 00:00:00 GMT"}
        fields = dict.fromkeys(("title", "authors", "abstract"), "x")
        return json.dumps({"id": f"2401.{number:05}", **fields, "categories": categories, "versions": [first]}) + "\n"

    (tmp_path / "a").write_text(row(1, "cs.LG") + row(2, "math.CO"))
    with gzip.open(tmp_path / "b", "wt") as file:
        file.write(row(3, "cs.CL") + row(4, "hep-th") + row(5, "cs.LG"))
    given = ["add", "--metadata", str(tmp_path / "a"), "--metadata", str(tmp_path / "b"), "--category", "cs.LG"]
    assert main([*given, "--category", "hep-th", "--limit", "2"]) == 0
    assert ids_in(folder) == {"2401.00001", "2401.00004"}
    assert main([*given, "--category", "cs"]) == 0
    assert ids_in(folder) == {"2401.00001", "2401.00003", "2401.00004", "2401.00005"}
    assert capsys.readouterr().err == ""


async def test_reasons_add_up(folder: DataFolder, capsys: Captured) -> None:
    reasons = (Failure.NETWORK, Failure.NOT_FOUND, Failure.BAD_PDF)
    with open_ledger(folder, Layout(200, 1)) as ledger:
        ledger.add(f"2401.0000{number}" for number in range(1, 4))
    async with engine_of(folder).open_store(0, 60) as store:
        claims = sorted(await store.claim(PREP, 3), key=lambda each: each.paper_id)
        for claim, reason in zip(claims, reasons, strict=True):
            await store.finish(claim, failed(PREP, reason, "so it was"))
    assert main(["retry", "2401.00003", "--reason", "network", "--reason", "not_found"]) == 0
    assert capsys.readouterr().err == ("rpa-shard: 2401.00003: not failed with network or not_found, left as it is\n")
    assert main(["retry", "--reason", "network", "--reason", "not_found", "--reason", "network"]) == 0
    assert capsys.readouterr().out == "back in the queue: 2\n"
    with open_ledger(folder) as ledger:
        assert ledger.counts().by_failure == {"bad_pdf": 1}


def test_hosts_to_reopen_add_up(folder: DataFolder, capsys: Captured) -> None:
    main(["add", "2401.00001"])
    closed = HostStatus(
        policy="a.org=4/1@4", temporary=False, factor=1.0, closings=1, closed_seconds=600.0, blocked=None
    )
    folder.run.status_file.parent.mkdir()
    save_hosts(folder.run.governor_file, {"a.org": closed, "b.org": closed})
    assert main(["hosts", "--reopen", "a.org", "--reopen", "c.org"]) == 2
    assert not folder.run.reopen_folder.exists(), "all of them or none"
    assert main(["hosts", "--reopen", "a.org", "--reopen", "B.org"]) == 0
    assert {each.name for each in folder.run.reopen_folder.iterdir()} == {"a.org", "b.org"}
    assert capsys.readouterr().out.count("will reopen") == 2


def test_faults_add_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from rpa_shard.testing import mirror

    served: list[mirror.Behaviour] = []
    monkeypatch.setattr(mirror, "serve", lambda folder, host, port, announce, behaviour: served.append(behaviour))
    assert main(["mirror", str(tmp_path), "--faults", "404:5%", "--faults", "html:3%,reset:2%"]) == 0
    assert main(["mirror", str(tmp_path), "--faults", "404:5%,html:3%,reset:2%"]) == 0
    assert main(["mirror", str(tmp_path)]) == 0
    assert served[0].faults == served[1].faults != served[2].faults
