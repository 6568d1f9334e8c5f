"""Under which arXiv id a paper is known to others, so that references to it and its own rows join.

Guarantee: pure; one rule for records and for references: the paper's own id, else that of arXiv's stamp in it, without
the version. Limit: a PDF from elsewhere that has no stamp has no arXiv id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rpa_shard.model.arxiv_id import from_canonical


@dataclass(frozen=True, slots=True)
class ArxivIdentity:
    """The arXiv id without version, and the version of the PDF; each None if it is unknown."""

    arxiv_id: str | None
    version: int | None


def arxiv_identity(paper_id: str, stamp: Mapping[str, Any] | None) -> ArxivIdentity:
    """Of a paper with this canonical id, and with this stamp in its record."""
    paper = from_canonical(paper_id)
    own = paper.without_version if paper.kind == "arxiv" else None
    if own is not None and paper.version:
        return ArxivIdentity(own, int(paper.version))
    if stamp is not None and own in {None, stamp["id"]}:
        return ArxivIdentity(stamp["id"], stamp["version"])
    return ArxivIdentity(own, None)


def submission_year(arxiv_id: str) -> int:
    """The year in which a paper was first submitted to arXiv, which its id tells."""
    yymm = from_canonical(arxiv_id).yymm
    return int(yymm[:2]) + (1900 if yymm[:2] >= "91" else 2000)
