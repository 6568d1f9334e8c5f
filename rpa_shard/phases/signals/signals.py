"""What the corpus says of one paper.

Guarantee: frozen; small enough for a prompt. Limit: of the papers that had been indexed at the time.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A paper of the corpus with a similar title and abstract."""

    paper_id: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """The paper's neighbours, nearest first; how many papers of the corpus cite it; which of them it cites.

    `corpus_papers` is how many papers had been indexed. `complete` is False if the time allowed was not enough.
    """

    corpus_papers: int = 0
    neighbours: tuple[Neighbour, ...] = ()
    cited_by: int = 0
    cites: tuple[Neighbour, ...] = ()
    complete: bool = True
