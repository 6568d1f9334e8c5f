"""Which faults a mirror injects, and for which papers: the syntax of `--faults`, and the choice.

Guarantee: pure; the same specification, seed and paper give the same fault, so a run can be repeated. Limit: decides
only; `rpa_shard.testing.fault_responses` carries it out.

A specification is a comma-separated list of `KIND[=ARGUMENT][:SHARE%][*TIMES]`. KIND is an HTTP status or one of
`KINDS`; ARGUMENT is the Retry-After of a status (seconds, or `date` for a date 2 s ahead); SHARE is how many of the
papers are affected (default: all), at their first TIMES requests (default: once; `*always`: every time). `norange`
disables Range requests.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import blake2b

KINDS = {
    "html": "200 with a page instead of a PDF",
    "captcha": "200 with a captcha, in which words and numbers differ each time",
    "login": "a redirect to a page where a person may log in",
    "json": "200 with an error as JSON",
    "empty": "200 without a body",
    "making": "200 with a page that says that the PDF is being made",
    "building": "404 with a page that says so",
    "withdrawn": "200 with a page that says the paper was withdrawn",
    "truncate": "a well-formed answer with half of the PDF",
    "length": "announces the complete PDF, closes after half of it",
    "reset": "resets the connection after half of the PDF",
    "stall": "half of the PDF, then nothing",
    "trickle": "a few bytes per second",
    "loop": "redirects to itself endlessly",
    "hops": "three redirects, then the PDF",
    "inside": "a redirect to a private address",
    "scheme": "a redirect to a file: URL",
    "endless": "a PDF that never ends",
    "bomb": "a compressed body that unpacks to gigabytes",
    "gzip": "the PDF, compressed",
    "garbled": "a response that is not HTTP",
    "badchunk": "a chunked body with a broken chunk",
    "slow": "the PDF after 0.2 seconds",
}
ALWAYS = 10**9

_WORD = re.compile(
    r"(?P<kind>[a-z][a-z-]*|\d{3})(?:=(?P<argument>[a-z0-9]+))?(?::(?P<share>\d+(?:\.\d+)?)%)?(?:\*(?P<times>\d+|always))?"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; `status` is set where the kind is an HTTP status."""

    kind: str
    share: float = 1.0
    times: int = 1
    argument: str = ""

    @property
    def status(self) -> int | None:
        return int(self.kind) if self.kind.isdigit() else None


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """All faults of a mirror; `ranges`: whether it honours Range."""

    faults: Sequence[Fault] = ()
    ranges: bool = True
    seed: int = 0

    def fault_of(self, paper_id: str) -> Fault | None:
        """The fault chosen for this paper, if any."""
        digest = blake2b(f"{self.seed} {paper_id}".encode(errors="replace"), digest_size=8).digest()
        place = int.from_bytes(digest, "big") / 2**64
        for fault in self.faults:
            if place < fault.share:
                return fault
            place -= fault.share
        return None


class FaultCounter:
    """Counts how often each paper's fault was injected."""

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan
        self._met: Counter[str] = Counter()

    def next(self, paper_id: str) -> Fault | None:
        """The fault for a paper's next request, which it counts."""
        fault = self._plan.fault_of(paper_id)
        if fault is None or self._met[paper_id] >= fault.times:
            return None
        self._met[paper_id] += 1
        return fault


def parse_faults(text: str, seed: int = 0, kinds: Collection[str] = KINDS) -> FaultPlan:
    """Parses a specification; `kinds` are those besides HTTP statuses. Raises ValueError with the reason."""
    faults: list[Fault] = []
    ranges = True
    for word in filter(None, (part.strip() for part in text.split(","))):
        match = _WORD.fullmatch(word)
        if word == "norange" and kinds is KINDS:
            ranges = False
        elif match is None or not (match["kind"] in kinds or "100" <= match["kind"] <= "599"):
            known = [*(["norange"] if kinds is KINDS else []), *kinds]
            raise ValueError(f"no such fault: {word!r}; known are HTTP statuses, {', '.join(known)}")
        else:
            share = float(match["share"]) / 100 if match["share"] else 1.0
            times = {None: 1, "always": ALWAYS}.get(match["times"]) or int(match["times"])
            faults.append(Fault(match["kind"], share, times, match["argument"] or ""))
    if sum(fault.share for fault in faults) > 1 + 1e-9:
        raise ValueError("the shares add up to more than 100 %")
    return FaultPlan(tuple(faults), ranges, seed)
