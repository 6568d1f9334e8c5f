"""The governor of models at work: what is on file before anything is sent, what shards and people learn."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from rpa_shard.config.llm import CallLimits, LlmBudget, ModelAt
from rpa_shard.config.settings import Settings
from rpa_shard.control.governors import memory as memory_module
from rpa_shard.control.governors.memory import FileMemory
from rpa_shard.control.models import broker as broker_module
from rpa_shard.control.models.broker import CallBroker
from rpa_shard.control.models.keeper import SAVE_DAY_SECONDS, SAVE_SECONDS
from rpa_shard.control.models.spending import DAY_SECONDS, Now
from rpa_shard.ipc.calls import (
    CallBegun,
    CallEnded,
    CallForgotten,
    CallsGranted,
    CallWanted,
    ModelLimited,
    ModelRefused,
    ModelStates,
)
from rpa_shard.ipc.messages import ToShard
from rpa_shard.ipc.model_status import Spent
from rpa_shard.ipc.saved_models import SavedModels, later_of, read_models, save_models
from rpa_shard.store.data_folder import DataFolder

MODEL = ModelAt("http://127.0.0.1:1", "model", limits=CallLimits(requests_per_minute=100, in_flight=8))
NAME = MODEL.name


class Bench:
    """A broker whose clock stands still until it is set."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, budget: LlmBudget) -> None:
        self.at = 1000.0
        monkeypatch.setattr(broker_module, "_now", lambda: Now(self.at, 20_000 * DAY_SECONDS + self.at))
        self.folder = DataFolder(root)
        self.settings = Settings(
            data_dir=root, phases=("prep", "analyze"), llm_endpoints=(MODEL,), llm_budget=budget
        )  # fmt: skip
        self.broker = CallBroker(self.settings, FileMemory(self.folder.run))
        self.sent: list[tuple[int, ToShard]] = []

    def act(self, *shards: int) -> list[tuple[int, ToShard]]:
        """What is sent."""
        self.sent.clear()
        self.broker.act(shards, lambda number, message: self.sent.append((number, message)))
        return self.sent

    @property
    def saved(self) -> SavedModels:
        found = read_models(self.folder.run.models_file)
        assert found is not None
        return found[0]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch, LlmBudget(tokens_per_day=1000))


@pytest.fixture
def unwritable(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes the files of models unwritable; the next call makes them writable again."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    broken = False

    def turn() -> None:
        nonlocal broken
        broken = not broken
        monkeypatch.setattr(memory_module, "save_models", fail if broken else save_models)

    return turn


def test_a_call_from_beginning_to_end(bench: Bench) -> None:
    first = bench.act(0, 1)
    assert [(number, type(message)) for number, message in first] == [(0, ModelStates), (1, ModelStates)]
    bench.broker.handle(0, CallWanted(NAME, 1, 100, 50))
    bench.broker.handle(0, CallWanted(NAME, 2, 100, 50))
    bench.broker.handle(0, CallForgotten(NAME, 2))
    assert bench.act(0, 1) == [(0, CallsGranted(NAME, (1,)))]
    assert bench.saved.reserved[NAME].input_tokens >= 100
    bench.broker.handle(0, CallBegun(NAME, 1))
    bench.broker.handle(0, CallEnded(NAME, 1, "answered", 90, 20))
    assert bench.act(0, 1) == []
    status = bench.broker.states().models[NAME]
    assert status.today == status.last_minute == Spent(requests=1, input_tokens=90, output_tokens=20)
    bench.broker.close()
    assert bench.saved.today == {NAME: status.today}
    assert CallBroker(bench.settings, FileMemory(bench.folder.run)).states().models[NAME].today == status.today


def test_what_is_granted_is_on_file_before_it_is_sent(bench: Bench) -> None:
    """A process that is killed while it sends has saved what it sends."""
    bench.act(0)
    for number in range(3):
        bench.broker.handle(0, CallWanted(NAME, number, 10, 10))

    def killed(number: int, message: ToShard) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.broker.act([0], killed)
    later = CallBroker(bench.settings, FileMemory(bench.folder.run)).states()
    assert later.budget.today.requests >= 3
    assert later.budget.today.input_tokens >= 30


def test_a_steady_flow_is_saved_once_a_second(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.act(0)
    saves = []
    monkeypatch.setattr(memory_module, "save_models", lambda path, models: saves.append(models))
    days = []
    monkeypatch.setattr(memory_module, "save_day", lambda path, models: days.append(models))
    for number in range(90):
        bench.broker.handle(0, CallWanted(NAME, number, 1, 1))
        assert (0, CallsGranted(NAME, (number,))) in bench.act(0)
        bench.broker.handle(0, CallEnded(NAME, number, "answered", 1, 1))
        bench.at += 0.5
    assert 45 <= len(saves) <= 60 + 2
    assert len(days) == int(45 / SAVE_DAY_SECONDS)
    bench.act(0)
    before = len(saves)
    for _ in range(5):
        bench.at += SAVE_SECONDS
        bench.act(0)
    assert len(saves) <= before + 1, "nothing has happened"


def test_nothing_is_sent_that_cannot_be_saved(
    bench: Bench, unwritable: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    bench.act(0, 1)
    unwritable()
    bench.broker.handle(0, CallWanted(NAME, 1, 10, 10))
    bench.broker.handle(1, CallWanted(NAME, 1, 10, 10))
    assert bench.act(0, 1) == []
    bench.broker.forget(1)
    assert bench.act(0) == []
    assert caplog.text.count("so no model is asked: No space left on device") == 1
    unwritable()
    assert bench.act(0) == [(0, CallsGranted(NAME, (1,)))]
    assert bench.act(0) == []


def test_shards_and_people_learn_of_pauses_and_refusals(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench.act(0, 1)
    for number in (1, 2):
        bench.broker.handle(0, CallWanted(NAME, number, 10, 10))
    bench.act(0, 1)
    bench.broker.handle(0, ModelLimited(NAME, 1, 60.0, "HTTP 429"))
    told = bench.act(0, 1)
    assert [number for number, message in told if isinstance(message, ModelStates)] == [0, 1]
    assert "left alone for 60 s: asked for a pause: HTTP 429" in caplog.text
    standing = bench.broker.standing()
    assert (standing.may_ask, standing.is_stopped, standing.seconds) == (False, False, 60.0)
    assert bench.saved.models[NAME].status.closed_seconds == 60.0
    bench.at += 51.0
    told = bench.act(0, 1)
    assert [type(message) for _, message in told] == [ModelStates, ModelStates], "it is time to claim papers again"
    assert bench.broker.standing().may_ask
    bench.at += 9.0
    bench.broker.handle(1, CallWanted(NAME, 1, 10, 10))
    assert bench.act(0, 1) == [(1, CallsGranted(NAME, (1,)))]
    bench.broker.handle(1, CallEnded(NAME, 1, "answered", 1, 1))
    bench.act(0, 1)
    assert f"model {NAME}: answers again, 4 calls at a time" in caplog.text
    bench.broker.handle(0, ModelRefused(NAME, 2, "HTTP 402: no credit"))
    assert len(bench.act(0, 1)) == 2
    assert "refuses us, not asked until a person acts and starts a run: HTTP 402: no credit" in caplog.text
    assert bench.broker.standing().is_stopped
    later = CallBroker(bench.settings, FileMemory(bench.folder.run))
    assert later.standing().may_ask
    later.act([], lambda number, message: None)
    assert "one call is to show whether it can be asked: HTTP 402: no credit" in caplog.text


def test_a_shard_hears_what_follows_from_each_pause_that_it_reports(bench: Bench) -> None:
    """Also when the model is closed already: until it hears, it asks that model nothing, so nothing would probe it."""
    bench.act(0, 1)
    for number in (0, 1):
        bench.broker.handle(number, CallWanted(NAME, 1, 10, 10))
    bench.act(0, 1)
    for number in (0, 1):
        bench.broker.handle(number, ModelLimited(NAME, 1, None, "HTTP 429"))
        assert [type(message) for _, message in bench.act(0, 1)] == [ModelStates, ModelStates]
    assert bench.act(0, 1) == []


def test_a_spent_budget_is_told_once_and_ends_at_midnight(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench.act(0)
    bench.broker.handle(0, CallWanted(NAME, 1, 90, 20))
    bench.act(0)
    bench.broker.handle(0, CallEnded(NAME, 1, "answered", 90, 20))
    bench.broker.handle(0, CallWanted(NAME, 1, 800, 100))
    for _ in range(3):
        bench.act(0)
    assert (
        caplog.text.count("the day's budget is spent (tokens=1000): no model is asked until 00:00 UTC, in 23.7 h") == 1
    )
    assert not bench.broker.standing().may_ask
    assert not bench.broker.standing().is_stopped
    bench.broker.handle(0, CallForgotten(NAME, 1))
    bench.at = float(DAY_SECONDS)
    assert [type(message) for _, message in bench.act(0)] == [ModelStates]
    assert "a new day: models are asked again" in caplog.text


def test_a_budget_that_is_too_small_for_a_call_is_called_so(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.act(0)
    bench.broker.handle(0, CallWanted(NAME, 1, 900, 200))
    bench.act(0)
    assert "the day's budget is less than a single call may take (tokens=1000): raise RPA_V2_LLM_BUDGET" in caplog.text


def test_a_run_that_asks_no_model_saves_nothing(tmp_path: Path) -> None:
    broker = CallBroker(Settings(data_dir=tmp_path), FileMemory(DataFolder(tmp_path).run))
    broker.handle(0, CallWanted(NAME, 1, 10, 10))
    sent: list[ToShard] = []
    broker.act([0], lambda number, message: sent.append(message))
    broker.close()
    assert (sent, broker.seconds_to_next_grant(), list(tmp_path.iterdir())) == ([], None, [])


def test_damaged_files_count_as_missing(bench: Bench) -> None:
    bench.act(0)
    file = bench.folder.run.models_file
    whole = file.read_bytes()
    for content in (whole[:-5], b"", whole.replace(b'"day":20000', b'"day":"x"'), b"[" * 100_000):
        file.write_bytes(content)
        assert read_models(file) is None
    bench.broker.handle(0, CallWanted(NAME, 1, 10, 10))
    bench.act(0)
    file.write_bytes(file.read_bytes().replace(b'"input_tokens":1', b'"input_tokens":-1'))
    assert read_models(file) is None
    assert CallBroker(bench.settings, FileMemory(bench.folder.run)).states().budget.today == Spent()


def test_of_two_files_the_later_day_counts_and_of_one_day_the_larger_figures() -> None:
    def saved(day: int, requests: int, tokens: int) -> SavedModels:
        today = {NAME: Spent(requests=requests, input_tokens=tokens)}
        return SavedModels(day=day, today=today, reserved={}, models={})

    assert later_of(None, None) is None
    assert later_of(saved(1, 2, 3), None) == later_of(None, saved(1, 2, 3)) == saved(1, 2, 3)
    assert later_of(saved(1, 2, 3), saved(2, 1, 1)) == later_of(saved(2, 1, 1), saved(1, 2, 3)) == saved(2, 1, 1)
    assert later_of(saved(1, 2, 3), saved(1, 1, 4)) == saved(1, 2, 4)
