"""A report on a run, or on all that happened in a folder: one HTML file with everything in it.

Guarantee: reads only; memory stays flat however many papers there are; the page loads nothing and runs nothing, and
text of papers and hosts can add nothing to it. Limit: made from the rows, the history and the last run's status, as
they are at this moment.

`figures` reads, `axes` and `plots` draw, `words` tells, `page` puts it together.
"""

from __future__ import annotations

from datetime import datetime

from rpa_shard.config.settings import Settings
from rpa_shard.observe.report.figures import gather
from rpa_shard.observe.report.page import page
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.protocol import Ledger


def report(folder: DataFolder, ledger: Ledger, settings: Settings, *, whole: bool = False) -> str:
    """The report on the last run, or on the `whole` history of the folder. Raises StoreError."""
    now = datetime.now().astimezone()
    zone = now.tzinfo
    assert zone is not None
    return page(gather(folder, ledger, settings, now.timestamp(), whole=whole), zone)
