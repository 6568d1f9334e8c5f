"""Sphinx's settings for the site: README.md and docs/*.md as they lie in the repository.

Guarantee: a page reads the same in the repository and in the site, since what only the site needs (the navigation, the
Python reference) is added while a page is read; no page loads anything from another host. Limit: a page that no group
below names is a warning, which fails the build.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import rpa_shard

if TYPE_CHECKING:
    from sphinx.application import Sphinx

REPOSITORY = Path(__file__).parents[2]
# The navigation: groups of pages, in the order of reading. How-to pages are below their index, in its order.
GROUPS = {
    "Tutorial": ["tutorial", "notebook"],
    "How-to": ["how-to/README"],
    "Reference": ["commands", "knobs", "record", "analysis-record", "python", "notebook", "status-file"],
    "Guides": [
        "analysis",
        "getting-papers",
        "when-a-source-says-no",
        "operations",
        "many-machines",
        "watching",
        "monitoring",
        "deploy/README",
    ],
    "Background": ["architecture", "reliability", "performance", "many-machines-model", "quality", "glossary"],
    "Project": ["CONTRIBUTING", "SECURITY", "CHANGELOG"],
}
HOME = "README"
HOW_TO = "docs/how-to/README"
PYTHON_PAGE = "docs/python"
_FROM_ELSEWHERE = re.compile(
    r"""<(?:script|img|iframe)[^>]+src="?(?:https?:)?//|<link[^>]+href="?(?:https?:)?//|"""
    r"""@import|url\(["']?(?:https?:)?//"""
)
INDEX = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=README.html">'

project = "rpa_shard"
project_copyright = "the authors of rpa_shard"
version = release = rpa_shard.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
root_doc = HOME
include_patterns = ["README.md", "docs/**"]
exclude_patterns = [".*", "build", "data", "demo-data", "dist", "rpa_shard", "scripts", "site", "tests"]

# Headings have the names that the usual hosts of repositories give them, and links to other names are warnings.
myst_heading_anchors = 6
nitpicky = False
# Many commands are indented blocks, whose language nobody names.
highlight_language = "text"
pygments_style = "friendly"
pygments_dark_style = "github-dark"
# Only what is typed is copied, without the prompts.
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"

html_theme = "furo"
html_title = f"rpa_shard {rpa_shard.__version__}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_domain_indices = False
# The summaries of found pages are fetched by a script, which browsers refuse to pages that are files.
html_show_search_summary = False


def navigation() -> str:
    """The groups as hidden tables of contents, which the theme shows beside every page."""
    return "\n\n".join(
        table([f":caption: {title}"], [f"/docs/{page}" for page in pages if is_there(page)])
        for title, pages in GROUPS.items()
    )


def how_to_pages() -> str:
    """What the index of the how-to pages links to, as its part of the navigation."""
    return table([], re.findall(r"\]\(([\w-]+)\.md\)", (REPOSITORY / f"{HOW_TO}.md").read_text()))


def table(options: list[str], pages: list[str]) -> str:
    return "\n".join(["```{toctree}", ":hidden:", *options, "", *dict.fromkeys(pages), "```"])


def is_there(page: str) -> bool:
    return (REPOSITORY / "docs" / f"{page}.md").exists()


def python_reference() -> str:
    """Every public name of the package, from its docstrings; nothing where it has none."""
    names = sorted(getattr(rpa_shard, "__all__", ()), key=place)
    directives = []
    for name in names:
        if inspect.isroutine(public(name)):
            directives.append(f".. autofunction:: rpa_shard.{name}")
        elif inspect.isclass(public(name)):
            directives.append(f".. autoclass:: rpa_shard.{name}\n   :members:\n   :undoc-members:")
        elif inspect.ismodule(public(name)):
            directives.append(f".. automodule:: rpa_shard.{name}\n   :members:")
    return "\n\n".join(["## Every name", *(f"```{{eval-rst}}\n{each}\n```" for each in directives)])


def public(name: str) -> object:
    return getattr(rpa_shard, name)


def place(name: str) -> tuple[bool, bool, str]:
    """Where a name comes in the reference: functions, then classes, then modules."""
    return inspect.ismodule(public(name)), inspect.isclass(public(name)), name.lower()


def mark_up(_: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Makes reStructuredText of a docstring as this project writes them: `code` in backquotes, indented blocks."""
    lines[:] = "\n\n".join(map(paragraph, re.split(r"\n\n+", "\n".join(lines)))).split("\n")


def paragraph(text: str) -> str:
    """A paragraph of a docstring: code if it is indented, also if only the lines of its blocks still are."""
    is_list = text.lstrip().startswith("- ")
    if not is_list and re.search(r"^ ", text, re.MULTILINE):
        return f".. code-block:: python\n\n{textwrap.indent(textwrap.dedent(text), '    ')}"
    return re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", text)


def complete(_: Sphinx, page: str, source: list[str]) -> None:
    """Adds to a page what only the site needs."""
    added = {HOME: navigation, HOW_TO: how_to_pages, PYTHON_PAGE: python_reference}.get(page)
    if added is not None:
        source[0] += f"\n\n{added()}\n"


def finish(app: Sphinx, error: Exception | None) -> None:
    """Adds the page that leads to the first one. Ends the build if a page loads something from another host."""
    if error is not None:
        return
    site = Path(app.outdir)
    (site / "index.html").write_text(INDEX)
    for file in [*site.rglob("*.html"), *site.rglob("*.css")]:
        found = _FROM_ELSEWHERE.search(file.read_text())
        if found is not None:
            raise SystemExit(f"{file} loads something from another host: {found.group()}")


def setup(app: Sphinx) -> None:
    app.connect("source-read", complete)
    app.connect("autodoc-process-docstring", mark_up)
    app.connect("build-finished", finish)
