"""From a paper to the URLs where its PDF may be.

Guarantee: pure; URLs come in the order in which they are to be tried, at the hosts meant for programs. Limit: says
nothing about whether a source has the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from rpa_shard.config.host_policy import polite_url
from rpa_shard.config.source_names import template_of
from rpa_shard.model.arxiv_id import PaperId

FIRST_VERSION = "1"


def urls_of(paper: PaperId, sources: Sequence[str], known_version: str | None = None) -> list[str]:
    """Where to look for `paper`: the sources' templates filled in for arXiv papers, the URL itself for others.

    For an id without version, `{version}` is `known_version`, else the first, which every paper has.
    """
    if paper.kind != "arxiv":
        return [polite_url(paper.canonical)]
    parts = {
        "id": quote(paper.canonical),
        "name": paper.file_stem,
        "archive": paper.archive,
        "yymm": paper.yymm,
        "number": paper.number,
        "version": paper.version or known_version or FIRST_VERSION,
    }
    templates = (template_of(word, old_id=bool(paper.archive)) for word in sources)
    return [polite_url(template.format_map(parts)) for template in templates]
