"""Which hosts are arXiv's own, and which others show arXiv's papers under their ids.

Guarantee: pure; the only list of such hosts for what people give (`reading.identifiers.arxiv_names` has the few that
references name). Limit: a site that is not listed is an ordinary host, and a URL there that of a PDF.

Sources: arXiv's page of mirrors ("arXiv mirror sites", as archived between 1998 and 2020); the others by their URLs.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Mirrors under names outside arxiv.org. Most are gone; lists still name them.
_MIRRORS = frozenset(
    """
    arxiv.cornell.edu arxiv.library.cornell.edu xxx.arxiv.cornell.edu xxx.lanl.gov eprints.lanl.gov
    xxx.adelaide.edu.au xxx.if.usp.br xxx.itp.ac.cn ebooks.itp.ac.cn xxx.uni-augsburg.de xxx.lpthe.jussieu.fr
    xxx.imsc.res.in xxx.imsc.ernet.in xxx.tau.ac.il xxx.sissa.it babbage.sissa.it xxx.yukawa.kyoto-u.ac.jp xxx.itep.ru
    xxx.snu.ac.kr xxx.kias.re.kr xxx.nthu.edu.tw xxx.sf.nchc.gov.tw xxx.unizar.es xxx.soton.ac.uk xxx.cf.ac.uk
    """.split()
)

# Host, without www, and what the path of a paper begins with there.
READERS: Mapping[str, str | tuple[str, ...]] = MappingProxyType(
    {
        "ar5iv.org": "/",
        "alphaxiv.org": "/",
        "arxiv-vanity.com": "/",
        "arxiv-sanity.com": "/",
        "arxiv-sanity-lite.com": "/",
        "talk2arxiv.org": "/",
        "eprintweb.org": "/",
        "front.math.ucdavis.edu": "/",
        "api.semanticscholar.org": "/",
        "semanticscholar.org": "/arxiv/",
        "huggingface.co": "/papers/",
        "hf.co": "/papers/",
        "scirate.com": "/arxiv/",
        "papers.cool": "/arxiv/",
        "bytez.com": "/docs/arxiv/",
        "emergentmind.com": "/papers/",
        "tldr.takara.ai": "/p/",
        "paperswithcode.com": "/api/",
        "inspirehep.net": ("/literature", "/search", "/api/arxiv/", "/api/literature"),
        "ui.adsabs.harvard.edu": "/",
        "adsabs.harvard.edu": "/abs/",
        "dblp.org": "/rec/",
        "dblp.uni-trier.de": "/rec/",
        "dblp.dagstuhl.de": "/rec/",
        "doi.org": ("/10.48550/arxiv", "/doi:10.48550/arxiv"),
        "dx.doi.org": ("/10.48550/arxiv", "/doi:10.48550/arxiv"),
        "api.datacite.org": "/dois/10.48550/arxiv",
        "catalyzex.com": "/paper/arxiv",
        "connectedpapers.com": "/api/redirect/arxiv",
    }
)


def is_arxiv_host(host: str) -> bool:
    """Whether a host, in lower case, is arXiv's main site, one of its other hosts, or a mirror of it."""
    return host == "arxiv.org" or host.endswith(".arxiv.org") or host in _MIRRORS


def shows_arxiv(host: str) -> bool:
    """Whether paths at a host are those of arXiv: also through a library's proxy or a translator."""
    return is_arxiv_host(host) or host.startswith(("arxiv.org.", "arxiv-org.", "www-arxiv-org.", "xxx."))
