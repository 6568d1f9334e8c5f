"""Typesets papers with TeX in the styles of journals and conferences, with known bibliographies.

Guarantee: the same papers for the same seed; next to each PDF is its label, in the form that scripts/quality.py reads.
Limit: needs pdflatex, latex, dvips, ps2pdf and bibtex with the classes named below (Debian: texlive-publishers,
texlive-science, texlive-bibtex-extra, texlive-fonts-recommended); what is missing is skipped and reported.

    python scripts/typeset_papers.py FOLDER [--entries 60] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SURNAMES = (
    'Ondine|Fjord|Weir|Span|Arch|Pylon|Root|Master|Quay|Lock|Buoy|Tidemark|Gauge|Ebbing|Holm|Sund|M{\\"u}ller|'
    "Garc{\\'i}a|{van der Meer}|Kov{\\'a}{\\v c}|O'Brien|Nguyen|Li|Zhang|Smith|{de la Cruz}|{\\O}stergaard|Ivanov|Rossi"
).split("|")
_GIVEN = "Ada Bo Carla Dora Emil Fritz Greta Hugo Ida Jan Kim Lena Max Nora Otto Pia".split()
_WORDS = (
    "slow water clocks harbour tides measured spectral bounds for deep networks with sparse pencils and patience a "
    "new method of lattice self-consistent quantum ships on random graphs towards understanding state-of-the-art "
    "equivariant Bayesian inference under drift evidence from long-term records"
).split()
_JOURNALS = (
    "Physical Review Letters|Journal of High Energy Physics|Nature|Annals of Slow Measurements|"
    "Transactions of the American Mathematical Society|IEEE Transactions on Bridges|Physics Letters B"
).split("|")
_BODY = (
    "The ruler stands at the end of the pier and is read at dawn and at dusk~\\cite{%s}. Wind moves the water by a "
    "hand or two, and so every reading is the mean of three, taken one minute apart. The notebook is kept "
    "in a dry place.\n\n"
)


@dataclass(frozen=True, slots=True)
class Look:
    """How a paper is typeset: class, packages, bibliography style, what precedes the body, columns, old tools."""

    name: str
    head: str
    bibliography_style: str
    style: str
    columns: int
    natbib: bool = False
    hyperref: bool = True
    dvips: bool = False
    heading: str | None = "References"
    front: str = "\\title{Slow clocks}\\author{A. Sample}\\maketitle\\begin{abstract}Read by hand.\\end{abstract}"
    before: str = ""


_ARTICLE = "\\documentclass[10pt]{article}\\usepackage[margin=1.2in]{geometry}"
_TWO = "\\documentclass[10pt,twocolumn]{article}\\usepackage[margin=0.8in]{geometry}"
_PLAIN_FRONT = "\\title{Slow clocks}\\author{A. Sample}\\date{}\\maketitle\\begin{abstract}Read by hand.\\end{abstract}"
_REVTEX_FRONT = (
    "\\title{Slow clocks}\\author{A. Sample}\\affiliation{Harbour Office}\\begin{abstract}Read by hand.\\end{abstract}"
    "\\maketitle"
)
_LLNCS_FRONT = (
    "\\title{Slow clocks}\\author{A. Sample}\\institute{Harbour Office}\\maketitle\\begin{abstract}Read by hand."
    "\\end{abstract}"
)
_ELSEVIER_FRONT = (
    "\\begin{frontmatter}\\title{Slow clocks}\\author{A. Sample}\\begin{abstract}Read by hand.\\end{abstract}"
    "\\end{frontmatter}"
)
_AMS_FRONT = "\\title{Slow clocks}\\author{A. Sample}\\begin{abstract}Read by hand.\\end{abstract}\\maketitle"

_BIBLATEX = "\\usepackage[backend=bibtex,style=%s,maxbibnames=9]{biblatex}\\addbibresource{refs.bib}"

LOOKS = (
    Look("plain-article", _ARTICLE, "plain", "numbered", 1),
    Look("unsrt-two-columns", _TWO, "unsrt", "numbered", 2),
    Look("alpha-article", _ARTICLE, "alpha", "alphabetic", 1),
    Look("plainnat-article", _ARTICLE, "plainnat", "author-year", 1, natbib=True),
    Look("plainnat-two-columns", _TWO, "plainnat", "author-year", 2, natbib=True),
    Look("apalike-two-columns", _TWO, "apalike", "author-year", 2, natbib=True),
    Look("unsrtnat-article", _ARTICLE + "\\PassOptionsToPackage{numbers}{natbib}", "unsrtnat", "numbered", 1,
         natbib=True),
    Look("revtex-prl", "\\documentclass[prl,twocolumn]{revtex4-2}", "apsrev4-2", "numbered", 2, heading=None,
         front=_REVTEX_FRONT),
    Look("revtex-prd-preprint", "\\documentclass[prd,preprint]{revtex4-2}", "apsrev4-2", "numbered", 1, heading=None,
         front=_REVTEX_FRONT),
    Look("revtex-aip", "\\documentclass[aip,twocolumn]{revtex4-2}", "aipnum4-2", "numbered", 2, heading=None,
         front=_REVTEX_FRONT),
    Look("revtex-rmp", "\\documentclass[rmp,twocolumn]{revtex4-2}", "apsrmp4-2", "author-year", 2, front=_REVTEX_FRONT),
    Look("ieee", "\\documentclass[conference]{IEEEtran}", "IEEEtran", "numbered", 2, front=_PLAIN_FRONT),
    Look("llncs", "\\documentclass{llncs}", "splncs04", "numbered", 1, front=_LLNCS_FRONT),
    Look("elsarticle", "\\documentclass[5p]{elsarticle}", "elsarticle-num", "numbered", 2, front=_ELSEVIER_FRONT),
    Look("elsarticle-harv", "\\documentclass[1p,authoryear]{elsarticle}", "elsarticle-harv", "author-year", 1,
         front=_ELSEVIER_FRONT),
    Look("amsplain", "\\documentclass{amsart}", "amsplain", "numbered", 1, front=_AMS_FRONT),
    Look("amsalpha", "\\documentclass{amsart}", "amsalpha", "alphabetic", 1, front=_AMS_FRONT),
    Look("mnras", "\\documentclass{mnras}", "mnras", "author-year", 2, front=_AMS_FRONT, heading="REFERENCES"),
    Look("numbered-lines", _ARTICLE + "\\usepackage{lineno}\\AtBeginDocument{\\linenumbers}", "plain", "numbered", 1),
    Look("aastex", "\\documentclass[twocolumn]{aastex631}", "aasjournal", "author-year", 2, front=_AMS_FRONT,
         heading="REFERENCES"),
    Look("ieeetr-two-columns", _TWO, "ieeetr", "numbered", 2),
    Look("naturemag", _ARTICLE, "naturemag", "numbered", 1),
    Look("siam", _ARTICLE, "siam", "numbered", 1),
    Look("acm-two-columns", _TWO, "acm", "numbered", 2),
    Look("apacite", _ARTICLE + "\\usepackage{apacite}", "apacite", "author-year", 1),
    Look("chicago", _ARTICLE + "\\usepackage{chicago}", "chicago", "author-year", 1),
    Look("biblatex-numeric", _ARTICLE + _BIBLATEX % "numeric", "", "numbered", 1),
    Look("biblatex-alphabetic", _TWO + _BIBLATEX % "alphabetic", "", "alphabetic", 2),
    Look("biblatex-authoryear", _TWO + _BIBLATEX % "authoryear", "", "author-year", 2),
    Look("thesis", "\\documentclass{report}", "plain", "numbered", 1, heading="Bibliography", front="",
         before="\\tableofcontents\\chapter{Clocks}"),
)  # fmt: skip


def _sentence(chance: random.Random, words: int) -> str:
    return " ".join(chance.choice(_WORDS) for _ in range(words)).capitalize()


def _bib(chance: random.Random, entries: int) -> str:
    parts = []
    for number in range(entries):
        authors = " and ".join(
            f"{chance.choice(_SURNAMES)}, {chance.choice(_GIVEN)} {chance.choice('ABCDEFGH')}."
            for _ in range(chance.choice((1, 1, 2, 3, 4, 9)))
        )
        year = chance.randint(1985, 2024)
        fields = {"author": authors, "title": "{" + _sentence(chance, chance.randint(4, 16)) + "}", "year": str(year)}
        kind = chance.choice(("article", "article", "article", "inproceedings", "misc", "book"))
        if kind == "book":
            fields["publisher"] = "Harbour Press"
        elif kind == "inproceedings":
            fields |= {"booktitle": "Proceedings of the " + _sentence(chance, 6), "pages": "101--112"}
        else:
            fields |= {"journal": chance.choice(_JOURNALS), "volume": str(chance.randint(1, 400)), "pages": "11--19"}
        if kind in {"article", "inproceedings"} and chance.random() < 0.6:
            fields["doi"] = (
                f"10.{chance.randint(1000, 9999)}/harbour{chance.randint(10, 99)}.{chance.randint(1000, 99999)}"
            )
        if year >= 2015 and chance.random() < 0.7:
            fields |= {"eprint": f"{year % 100:02}{chance.randint(1, 12):02}.{chance.randint(1, 19999):05}"}
            fields |= {"archiveprefix": "arXiv", "note": f"arXiv:{fields['eprint']}"}
        listed = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
        parts.append(f"@{kind}{{key{number},\n{listed}\n}}\n")
    return "\n".join(parts)


def _tex(look: Look, entries: int) -> str:
    keys = [f"key{number}" for number in range(entries)]
    body = "".join(_BODY % ",".join(keys[at : at + 3]) for at in range(0, entries, 3))
    packages = ("\\usepackage{natbib}" if look.natbib else "") + ("\\usepackage{hyperref}" if look.hyperref else "")
    tail = "\\appendix\\section{Further readings of the ruler}" + _BODY % keys[0] * 6
    if look.name == "thesis":
        tail = ""
    listed = f"\\bibliographystyle{{{look.bibliography_style}}}\n\\bibliography{{refs}}"
    if "biblatex" in look.name:
        listed = "\\printbibliography"
    return (
        f"{look.head}{packages}\\providecommand\\doi[1]{{doi:#1}}\\providecommand\\url[1]{{#1}}\n"
        f"\\providecommand\\eprint[1]{{#1}}\\begin{{document}}\n{look.front}\n{look.before}\\section{{Readings}}\n{body}\n"
        f"{listed}\n{tail}\n\\end{{document}}\n"
    )


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)


def typeset(look: Look, entries: int, seed: int, out: Path) -> bool:
    """Makes one paper and its label in `out`; False if TeX failed."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "refs.bib").write_text(_bib(random.Random(seed), entries))  # noqa: S311 - nothing secret
        (folder / "paper.tex").write_text(_tex(look, entries))
        engine = "latex" if look.dvips else "pdflatex"
        for command in (engine, "bibtex", engine, engine):
            _run(folder, command, *(("-interaction=nonstopmode",) if command != "bibtex" else ()), "paper")
        if look.dvips:
            _run(folder, "dvips", "-o", "paper.ps", "paper.dvi")
            _run(folder, "ps2pdf", "paper.ps", "paper.pdf")
        pdf, bbl = folder / "paper.pdf", folder / "paper.bbl"
        if not pdf.exists() or not bbl.exists():
            return False
        label = _label(look, bbl.read_text(errors="replace"))
        if not label["count"]:
            return False
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{_name(look)}.pdf").write_bytes(pdf.read_bytes())
        (out / f"{_name(look)}.json").write_text(json.dumps(label, indent=1, ensure_ascii=False) + "\n")
        return True


def _name(look: Look) -> str:
    return look.name + ("-hyperref" if look.hyperref else "-plain") + ("-dvips" if look.dvips else "")


def _label(look: Look, bbl: str) -> dict[str, object]:
    """The label for the bibliography that BibTeX made; without hyperref, without names that only links would show."""
    bbl = bbl.replace("%\n", "")
    if not look.hyperref:
        bbl = re.sub(r"\\(?:href|Doi|doibase|bibinfo\s*\{doi\})\s*(?:@noop\s*)?\{[^{}]*\}", "", bbl)
    return {
        "style": look.style,
        "columns": look.columns,
        "heading": look.heading,
        "count": len(re.findall(r"\\bibitem\b|\\entry\{", bbl)),
        "arxiv_ids": {
            name: ["text"] for name in sorted(set(re.findall(r"\b\d{4}\.\d{5}\b(?!\d)", bbl.replace("%\n", ""))))
        },
        "dois": {
            name: ["text"] for name in sorted(set(re.findall(r"10\.\d{4}/harbour\d\d\.\d+", bbl.replace("%\n", ""))))
        },
        "stamp": None,
        "first": "",
        "last": "",
    }


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--entries", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="a part of the names of the looks to make")
    parsed = parser.parse_args(arguments)
    for number, look in enumerate(each for each in LOOKS if parsed.only in each.name):
        fields = {name: getattr(look, name) for name in look.__slots__}
        variants: list[dict[str, bool]] = [{}, {"hyperref": False}]
        for variant in variants if number % 4 else [*variants, {"hyperref": False, "dvips": True}]:
            made = typeset(Look(**{**fields, **variant}), parsed.entries, parsed.seed + number, parsed.folder)
            print(f"{look.name} {variant or ''}{'' if made else ': TeX failed'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
