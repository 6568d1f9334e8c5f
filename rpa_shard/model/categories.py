"""arXiv's categories, for suggestions.

Guarantee: every category and archive of arXiv's published taxonomy. Limit: new ones may come, so nothing is refused
because it is missing here.

Source: arXiv's category taxonomy, as of 2026.
"""

from __future__ import annotations

_BY_ARCHIVE = {
    "astro-ph": "CO EP GA HE IM SR",
    "cond-mat": "dis-nn mes-hall mtrl-sci other quant-gas soft stat-mech str-el supr-con",
    "cs": "AI AR CC CE CG CL CR CV CY DB DC DL DM DS ET FL GL GR GT HC IR IT LG LO MA MM MS NA NE NI OH OS PF PL RO "
    "SC SD SE SI SY",
    "econ": "EM GN TH",
    "eess": "AS IV SP SY",
    "gr-qc": "",
    "hep-ex": "",
    "hep-lat": "",
    "hep-ph": "",
    "hep-th": "",
    "math": "AC AG AP AT CA CO CT CV DG DS FA GM GN GR GT HO IT KT LO MG MP NA NT OA OC PR QA RA RT SG SP ST",
    "math-ph": "",
    "nlin": "AO CD CG PS SI",
    "nucl-ex": "",
    "nucl-th": "",
    "physics": "acc-ph ao-ph app-ph atm-clus atom-ph bio-ph chem-ph class-ph comp-ph data-an ed-ph flu-dyn gen-ph "
    "geo-ph hist-ph ins-det med-ph optics plasm-ph pop-ph soc-ph space-ph",
    "q-bio": "BM CB GN MN NC OT PE QM SC TO",
    "q-fin": "CP EC GN MF PM PR RM ST TR",
    "quant-ph": "",
    "stat": "AP CO ME ML OT TH",
}

CATEGORIES = tuple(
    name
    for archive, parts in _BY_ARCHIVE.items()
    for name in (archive, *(f"{archive}.{part}" for part in parts.split()))
)


def is_in(category: str, wanted: str) -> bool:
    """Whether a paper's category is the wanted one, or belongs to the wanted archive (`cs` for `cs.LG`)."""
    return category == wanted or category.startswith(f"{wanted}.")
