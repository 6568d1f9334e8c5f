"""The allowance of a run with a limit: no event makes it more or less than what there was at first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.ipc.allowance import Allowance
from rpa_shard.ipc.shard_report import Ending
from rpa_shard.model.phase import ANALYZE, PHASES, PREP, WRAP, Phase

papers = st.integers(0, 5)


@given(
    st.sets(st.sampled_from(PHASES), min_size=1).map(lambda some: tuple(each for each in PHASES if each in some)),
    st.fixed_dictionaries({phase.name: papers for phase in PHASES}),
    st.lists(st.tuples(st.sampled_from(PHASES), st.sampled_from(Ending)), max_size=40),
)
def test_what_is_left_and_what_has_ended_is_what_there_was(
    phases: Sequence[Phase], given_papers: dict[str, int], events: Sequence[tuple[Phase, Ending]]
) -> None:
    first = Allowance({name: count for name, count in given_papers.items() if name in {each.name for each in phases}})
    ended: defaultdict[str, Counter[str]] = defaultdict(Counter)
    gone = 0
    for phase, ending in events:
        if phase not in phases or not first.after(ended, phases).papers[phase.name]:
            continue  # nothing may be taken there, so nothing ends
        ended[phase.name][ending] += 1
        goes_on = ending is Ending.COMPLETED and any(each.from_status is phase.to_status for each in phases)
        gone += ending in (Ending.COMPLETED, Ending.FAILED, Ending.POSTPONED) and not goes_on
        assert first.after(ended, phases).total + gone == first.total
    for phase in phases:  # as many as there were can end
        while first.after(ended, phases).papers[phase.name]:
            ended[phase.name][Ending.COMPLETED] += 1
    assert first.after(ended, phases).total == 0


def test_a_paper_that_is_done_in_one_phase_goes_on_in_the_next_of_the_run() -> None:
    ended = {"prep": {"completed": 2, "failed": 1, "released": 5, "lost_lease": 1}, "analyze": {"postponed": 1}}
    first = Allowance({"prep": 4, "analyze": 1})
    assert first.after(ended, (PREP, ANALYZE)) == Allowance({"prep": 1, "analyze": 2})
    assert first.after(ended, (PREP,)) == Allowance({"prep": 1})
    assert first.after(ended, (PREP, WRAP)) == Allowance({"prep": 1, "wrap": 0})
