"""A run whose papers' files are kept in an object store: killed, refused for a while, and read afterwards."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from rpa_shard.testing.flaky_http import FlakyHttp
from rpa_shard.testing.s3_server import S3Server
from rpa_shard.testing.sample_papers import Collection
from tests.rig import Rig, wait_for


def local_files(rig: Rig) -> list[Path]:
    """All but the PDFs that are set aside for a person to look at."""
    files = [path for path in (rig.root / "papers").rglob("*") if path.is_file()]
    return [path for path in files if not path.name.endswith(".bad.pdf")]


def test_a_killed_run_goes_on_and_everything_is_read_from_there(
    queued: Rig, s3: S3Server, collection: Collection, tmp_path: Path
) -> None:
    rig = queued
    with FlakyHttp(s3.url, share=0.1, lost=0.05) as proxy:
        url = s3.create_bucket("killed")
        rig.environment |= s3.environment(proxy.url) | {"RPA_V2_ARTIFACTS": f"{url}/prefix", "RPA_V2_KEEP_PDF": "0"}
        run = rig.start("run")
        wait_for(lambda: rig.by_status().get("prepped", 0) > 5, "some papers prepped")
        run.send_signal(signal.SIGKILL)
        run.wait()
        code, _, errors = rig.run("run")
        assert code in (0, 1), errors
        proxy.share = proxy.lost = 0.0
        assert local_files(rig) == []
        rows = rig.rows()
        prepped = [paper_id for paper_id, row in rows.items() if row.status == "prepped"]
        assert len(prepped) > len(collection.pdfs) / 2
        assert all(rig.events(each).count("prepped") == 1 for each in prepped)
        code, output, errors = rig.run("verify")
        assert code == 0, output + errors
        out = tmp_path / "out.jsonl"
        assert rig.run("export", "--out", str(out))[0] == 0
        records = {record["id"]: record for record in map(json.loads, out.read_text().splitlines())}
        assert all(records[each]["text"] for each in prepped)
        shown = rig.run("show", prepped[0])[1]
        assert f"{url}/prefix/" in shown and "references (" in shown
