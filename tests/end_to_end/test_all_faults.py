"""Two thousand papers from a mirror that makes every kind of fault: each ends in its state, for the right reason."""

from __future__ import annotations

from pathlib import Path

from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.testing.faults import parse_faults
from rpa_shard.testing.mirror import MirrorProcess
from rpa_shard.testing.sample_papers import demo_collection, write_collection
from tests.rig import Rig

PAPERS = 2000
SEED = 3
# Temporary faults: the paper is prepped in spite of them.
PASSING = "500 502 html truncate length reset stall trickle hops garbled badchunk gzip".split()
# These slow down the complete run each time, so only a few papers get them.
LIMITING = "429=1:0.2%,503:0.2%"
# Permanent faults: the paper fails, for this reason.
LASTING = {
    "404": "not_found",
    "410": "gone",
    "451": "legal",
    "withdrawn": "withdrawn",
    "loop": "redirect_loop",
    "inside": "forbidden_redirect",
    "scheme": "forbidden_redirect",
    "endless": "too_large",
    "bomb": "too_large",
}
SHARE = 19.6 / (len(PASSING) + len(LASTING))
SPECIFICATION = ",".join(
    [LIMITING] + [f"{kind}:{SHARE:.3f}%" for kind in PASSING] + [f"{kind}:{SHARE:.3f}%*always" for kind in LASTING]
)


def test_every_paper_ends_in_the_right_state(rig: Rig, tmp_path: Path) -> None:
    collection = demo_collection(PAPERS)
    write_collection(tmp_path / "shelf", collection)
    plan = parse_faults(SPECIFICATION, SEED)
    with open_ledger(rig.folder, Layout(200, 2)) as ledger:
        ledger.add(collection.pdfs)
    with MirrorProcess(tmp_path / "shelf", SPECIFICATION, SEED) as mirror:
        code, _, errors = rig.run(
            "run",
            SOURCES=f"{mirror.url}/pdf/{{id}}",
            DOWNLOAD_TIMEOUT_SECONDS="1",
            DOWNLOAD_DEADLINE_SECONDS="2",
            HOST_CLOSE_SECONDS="0.1",
            HOST_POLICY="127.0.0.1=2000/1@200",
            MAX_PDF_BYTES="2000000",
            deadline_seconds=240.0,
        )
    assert code == 1, errors
    expected = {}
    for paper_id, pdf in collection.pdfs.items():
        fault = plan.fault_of(paper_id)
        if pdf is None:
            expected[paper_id] = "not_found"
        elif fault is not None and fault.kind in LASTING:
            expected[paper_id] = LASTING[fault.kind]
        elif paper_id == "2401.00004":
            expected[paper_id] = "bad_pdf"
    found = {row.paper_id: row.failure for row in rig.rows().values() if row.status == "failed"}
    assert found == expected
    assert rig.by_status() == {"prepped": PAPERS - len(expected), "failed": len(expected)}
    met = {fault.kind for fault in map(plan.fault_of, collection.pdfs) if fault is not None}
    assert met == {*PASSING, *LASTING, "429", "503"}, "every fault was met"
    assert rig.run("verify")[0] == 0
    rig.assert_nothing_left_behind()
