"""The phases as data: every function for every status, and which phases a run may have."""

from __future__ import annotations

from collections.abc import Collection
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.config.errors import SettingsError
from rpa_shard.config.knob import as_text
from rpa_shard.config.settings import Settings
from rpa_shard.model.errors import StoreError
from rpa_shard.model.phase import (
    ACTIVE_STATUSES,
    ANALYZE,
    INITIAL_STATUS,
    PHASES,
    PREP,
    WRAP,
    Phase,
    Status,
    completed_phases,
    in_order,
    is_completed,
    open_statuses,
    outstanding,
    phase_from,
    phase_holding,
    phase_named,
)
from rpa_shard.phases.prep.definition import PREP_DEFINITION
from rpa_shard.phases.registry import BUILT_IN_PHASES, PhaseRegistry
from rpa_shard.phases.runner import PhaseDefinition

# How many phases a paper has been through that is in this status, or has failed in this phase.
COMPLETED = {
    Status.PENDING: 0,
    Status.PREPPING: 0,
    Status.PREPPED: 1,
    Status.ANALYZING: 1,
    Status.ANALYZED: 2,
    Status.WRAPPING: 2,
    Status.DONE: 3,
}
COMPLETED_WHEN_FAILED = {None: 0, "prep": 0, "analyze": 1, "wrap": 2}
OPEN = {
    PREP: {Status.PENDING, Status.PREPPING},
    ANALYZE: {Status.PREPPED, Status.ANALYZING},
    WRAP: {Status.ANALYZED, Status.WRAPPING},
}
SUBSETS = [subset for size in range(4) for subset in combinations(PHASES, size)]


def test_the_tables_are_complete() -> None:
    assert {*COMPLETED, Status.FAILED} == set(Status)
    assert set(OPEN) == set(PHASES)
    assert (INITIAL_STATUS, ACTIVE_STATUSES) == ("pending", ("prepping", "analyzing", "wrapping"))


def test_each_phase_claims_what_the_one_before_it_leads_to() -> None:
    assert [phase.name for phase in PHASES] == ["prep", "analyze", "wrap"]
    for before, after in pairwise(PHASES):
        assert before.to_status is after.from_status
    assert PHASES[-1].to_status is Status.DONE


@pytest.mark.parametrize("failed_phase", COMPLETED_WHEN_FAILED)
@pytest.mark.parametrize("status", Status)
def test_which_phases_a_paper_has_been_through(status: Status, failed_phase: str | None) -> None:
    number = COMPLETED_WHEN_FAILED[failed_phase] if status is Status.FAILED else COMPLETED[status]
    for given_as in (status, status.value):
        assert completed_phases(given_as, failed_phase) == PHASES[:number]
        for place, phase in enumerate(PHASES):
            assert is_completed(phase, given_as, failed_phase) == (place < number)


def test_what_is_no_status_or_phase_is_refused() -> None:
    for asked in (completed_phases, lambda status, phase: is_completed(PREP, status, phase)):
        with pytest.raises(ValueError, match="lost"):
            asked("lost", None)
        with pytest.raises(KeyError, match="lunch"):
            asked("failed", "lunch")


@pytest.mark.parametrize("phases", SUBSETS, ids=lambda phases: "+".join(phase.name for phase in phases) or "none")
def test_on_which_papers_a_run_has_work_to_do(phases: Collection[Phase]) -> None:
    expected = {status for phase in phases for status in OPEN[phase]}
    assert open_statuses(phases) == expected
    assert open_statuses(list(reversed(list(phases)))) == expected
    by_status = {status.value: 10**place for place, status in enumerate(Status)}
    assert outstanding(by_status, phases) == sum(10**place for place, each in enumerate(Status) if each in expected)
    assert outstanding({}, phases) == 0


@given(st.dictionaries(st.sampled_from(Status), st.integers(0, 10**9)), st.sampled_from(SUBSETS))
def test_papers_are_to_be_worked_on_once_whatever_the_phases(
    by_status: dict[str, int], phases: tuple[Phase, ...]
) -> None:
    assert outstanding(by_status, phases) == sum(outstanding(by_status, [phase]) for phase in phases)
    rest = by_status.get("done", 0) + by_status.get("failed", 0)
    assert outstanding(by_status, PHASES) == sum(by_status.values()) - rest


@pytest.mark.parametrize("status", Status)
def test_which_phase_claims_from_a_status_and_which_holds_it(status: Status) -> None:
    claiming = [phase for phase in PHASES if phase.from_status is status]
    holding = [phase for phase in PHASES if phase.active_status is status]
    for lookup, found in ((phase_from, claiming), (phase_holding, holding)):
        for given_as in (status, status.value):
            if found:
                assert [lookup(given_as)] == found
            else:
                with pytest.raises(KeyError):
                    lookup(given_as)
    for lookup in (phase_from, phase_holding):
        with pytest.raises(ValueError, match="lost"):
            lookup("lost")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], ()),
        (["prep"], (PREP,)),
        (["wrap", "prep"], (PREP, WRAP)),
        (["analyze", "analyze", "prep", "analyze"], (PREP, ANALYZE)),
        (["wrap", "analyze", "prep"], PHASES),
    ],
)
def test_phases_come_in_order_and_once(names: list[str], expected: tuple[Phase, ...]) -> None:
    assert in_order(names) == expected
    assert in_order(iter(names)) == expected


@pytest.mark.parametrize("name", ["", "lunch", "Prep", "pending", " prep"])
def test_an_unknown_phase_is_refused(name: str) -> None:
    with pytest.raises(KeyError):
        phase_named(name)
    with pytest.raises(KeyError):
        in_order(["prep", name])


@pytest.mark.parametrize(
    ("value", "phases"),
    [
        ("prep", (PREP,)),
        ("analyze", (ANALYZE,)),
        ("wrap,prep", (PREP, WRAP)),
        ("prep,analyze,wrap", PHASES),
        ("prep,prep", (PREP,)),
        (" wrap, analyze ", (ANALYZE, WRAP)),
        ("prep analyze", (PREP, ANALYZE)),
        ("", (PREP,)),
        (None, (PREP,)),
    ],
)
def test_the_phases_of_a_run(value: str | None, phases: tuple[Phase, ...]) -> None:
    settings = Settings.from_environment({} if value is None else {"RPA_V2_PHASES": value})
    assert settings.run_phases == phases
    again = Settings.from_environment({"RPA_V2_PHASES": as_text(settings.phases)})
    assert again.run_phases == phases, "as it is shown, it can be given"


@pytest.mark.parametrize("value", ["lunch", "Prep", "prep;wrap", "prep,lunch", "pending", ",", ", ,"])
def test_what_are_no_phases(value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({"RPA_V2_PHASES": value})
    allowed = "must be phases, separated by commas, of prep, analyze, wrap"
    assert str(caught.value).removesuffix(": did you mean prep?") == f"RPA_V2_PHASES={value.strip()}: {allowed}"


def definition(phase: Phase) -> PhaseDefinition:
    def never(context: object) -> None:
        raise AssertionError("not opened")

    return PhaseDefinition(phase, never)  # type: ignore[arg-type]


def test_definitions_are_chosen_in_order() -> None:
    registry = PhaseRegistry((definition(WRAP), definition(PREP), definition(ANALYZE)))
    assert [each.phase for each in registry.chosen([WRAP, PREP])] == [PREP, WRAP]
    assert [each.phase for each in registry.chosen(iter(PHASES))] == list(PHASES)
    assert registry.chosen([]) == ()


@pytest.mark.parametrize("phases", [[ANALYZE], [PREP, ANALYZE], [WRAP, PREP], PHASES])
def test_a_phase_that_nothing_can_run_gives_one_line(phases: Collection[Phase]) -> None:
    with pytest.raises(StoreError) as caught:
        PhaseRegistry((PREP_DEFINITION,)).chosen(phases)
    line = str(caught.value)
    unknown = [phase.name for phase in phases if phase is not PREP]
    assert line in [
        f"RPA_V2_PHASES: this version cannot run the phase {name}, only: prep" for name in unknown
    ]  # fmt: skip


def test_the_built_in_phases_are_all_that_there_are() -> None:
    assert [each.phase for each in BUILT_IN_PHASES.chosen(PHASES)] == list(PHASES)
    assert [each.phase for each in BUILT_IN_PHASES.definitions if each.asks_models] == [ANALYZE, WRAP]
