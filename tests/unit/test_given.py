"""Where knobs come from: options, the environment, the file beside the data; and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rpa_shard.cli import main
from rpa_shard.config.errors import SettingsError
from rpa_shard.config.given import FILE_NAME, OPTION, Given
from rpa_shard.config.settings import Settings, gather, knob_names
from rpa_shard.system.suggestions import closest, did_you_mean

DATA_DIR, WORKERS = "RPA_V2_DATA_DIR", "RPA_V2_WORKERS"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder beside which a file may be; the working folder is another one."""
    for name in knob_names():
        monkeypatch.delenv(name, raising=False)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return tmp_path / "data"


def write(data: Path, text: str) -> Path:
    path = data.parent / FILE_NAME
    path.write_text(text)
    return path


def settings(environment: dict[str, str], **options: str) -> Settings:
    return Settings.from_given(gather({f"RPA_V2_{name.upper()}": text for name, text in options.items()}, environment))


def test_options_come_before_the_environment_and_that_before_the_file(data: Path) -> None:
    path = write(data, f"{WORKERS} = 10\nRPA_V2_KEEP_PDF = false\nRPA_V2_SHARD_COUNT = 2\n")
    found = gather({"RPA_V2_SHARD_COUNT": "3"}, {DATA_DIR: str(data), WORKERS: "20", "PATH": "/bin"})
    assert found["RPA_V2_SHARD_COUNT"] == Given("3", OPTION)
    assert (found[WORKERS].text, found[WORKERS].file) == ("20", None)
    assert (found["RPA_V2_KEEP_PDF"].text, found["RPA_V2_KEEP_PDF"].file) == ("0", path)
    made = Settings.from_given(found)
    assert (made.shard_count, made.workers, made.keep_pdf, made.data_dir) == (3, 20, False, data)


def test_values_of_every_kind(data: Path) -> None:
    write(
        data,
        'RPA_V2_SOURCES = ["arxiv", "https://a.example/{id}"]\nRPA_V2_HOST_CLOSE_SECONDS = 0.5\n'
        'RPA_V2_FASTER_THAN_PUBLISHED = true\nRPA_V2_PHASES = "prep"\nRPA_V2_METRICS_FILE = "metrics/rpa.prom"\n',
    )
    made = settings({DATA_DIR: str(data)})
    assert made.sources == ("arxiv", "https://a.example/{id}")
    assert (made.host_close_seconds, made.faster_than_published, made.phases) == (0.5, True, ("prep",))
    assert made.metrics_file == data.parent / "metrics" / "rpa.prom"


def test_the_file_in_the_working_folder_may_say_where_the_data_is(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(data, f'{DATA_DIR} = "corpus"\n')
    monkeypatch.chdir(data.parent)
    assert settings({}).data_dir == path.parent / "corpus"
    assert settings({DATA_DIR: "other"}).data_dir == path.parent / "other"
    assert settings({DATA_DIR: "elsewhere/data"}).data_dir == path.parent / "elsewhere" / "data"


def test_an_option_decides_which_file(data: Path) -> None:
    write(data, f"{WORKERS} = 10\n")
    assert settings({DATA_DIR: "somewhere/data"}, data_dir=str(data)).workers == 10
    assert settings({DATA_DIR: "somewhere/data"}).workers == 200


def test_without_a_file_nothing_changes(data: Path) -> None:
    assert settings({DATA_DIR: str(data)}) == Settings.from_environment({DATA_DIR: str(data)})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{WORKERS} = 0", "RPA_V2_WORKERS=0: must be a whole number from 1"),
        ("RPA_V2_WORKER = 1", "RPA_V2_WORKER is no knob: did you mean RPA_V2_WORKERS?"),
        ("workers = 1", "workers is no knob: did you mean RPA_V2_WORKERS?"),
        ("elsewhere = 1", "elsewhere is no knob: `knobs` lists them all"),
        (f"{WORKERS} = [1]", "give a number, a text in quotes"),
        (f"[{WORKERS}]\na = 1", "give a number, a text in quotes"),
        (f"{WORKERS} = 2026-01-01", "give a number, a text in quotes"),
        (f"{WORKERS} 10", "is no TOML"),
        ('RPA_V2_EXTRACT_ENGINE = "pdfuim"', "did you mean pdfium?"),
        ("x" * 1_000_001, "too large"),
    ],
)
def test_mistakes_in_the_file(data: Path, text: str, says: str) -> None:
    path = write(data, text)
    with pytest.raises(SettingsError) as caught:
        settings({DATA_DIR: str(data)})
    message = str(caught.value)
    assert says in message
    assert str(path) in message
    assert "\n" not in message


def test_a_file_that_cannot_be_read_is_refused(data: Path) -> None:
    (data.parent / FILE_NAME).mkdir()
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        settings({DATA_DIR: str(data)})


def test_unknown_names_in_the_environment_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"RPA_V2_DATADIR is no knob: did you mean RPA_V2_DATA_DIR\?"):
        gather({}, {"RPA_V2_DATADIR": "/x"})
    with pytest.raises(SettingsError, match="RPA_V2_NONSENSE_X is no knob: `knobs` lists them all"):
        gather({}, {"RPA_V2_NONSENSE_X": "1"})
    assert gather({}, {"RPA_V2_DATADIR": " ", "RPA_SHARD_PROGRAM": "./run.sh"}) == {}


def test_every_command_obeys_the_file(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(data, f'{WORKERS} = 10\n{DATA_DIR} = "data"\n')
    monkeypatch.chdir(data.parent)
    assert main(["add", "2401.00001"]) == 0
    assert data.is_dir()
    assert main(["knobs", "--json"]) == 0
    shown = {each["name"]: each for each in json.loads(capsys.readouterr().out.splitlines()[-1])}
    assert shown[WORKERS] == {"name": WORKERS, "value": "10", "origin": str(path), "default": "200"}
    assert shown["RPA_V2_KEEP_PDF"]["origin"] == "default"
    path.write_text(f"{WORKERS} = 0\n")
    assert main(["status"]) == 2
    assert str(path) in capsys.readouterr().err


def test_knobs_shows_what_is_given_and_no_secret(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["knobs", "--changed"]) == 0
    assert "every knob has its default" in capsys.readouterr().out
    monkeypatch.setenv("RPA_V2_SERVE_TOKEN", "a-secret-of-some-length")
    monkeypatch.setenv(WORKERS, "12")
    assert main(["knobs", "--changed"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "RPA_V2_WORKERS 12 (from environment)",
        "RPA_V2_SERVE_TOKEN set (from environment)",
    ]
    assert main(["knobs"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(knob_names())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["statsu"], "rpa-shard: statsu is no command: did you mean status?"),
        (["xyzzy"], "rpa-shard: xyzzy is no command: one of add, run, "),
        (["run", "--progress", "bra"], "argument --progress: bra is no value of this option: did you mean bar?"),
        (["run", "--progress", "x"], "argument --progress: x is no value of this option: one of bar, lines, json"),
        (["redo", "--status", "preped"], "did you mean prepped?"),
        (["redo", "--reason", "notfound"], "did you mean not_found?"),
    ],
)
def test_wrong_words_say_what_may_have_been_meant(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_suggestions_are_close_or_none() -> None:
    assert closest("Statsu", ["status", "show"]) == "status"
    assert closest("cs.lg", ["cs.LG", "cs.LO"]) == "cs.LG"
    assert closest("xyz", ["status", "show"]) is None
    assert did_you_mean("xyz", ["status"]) == ""
