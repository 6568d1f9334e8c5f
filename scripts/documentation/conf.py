"""Sphinx's settings for the site: README.md and docs/*.md as they lie in the repository.

Guarantee: a page reads the same in the repository and in the site, since what only the site needs (the navigation, the
Python reference) is added while a page is read. Limit: a page that no group below names is a warning, which fails the
build.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from rpa_shard import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

REPOSITORY = Path(__file__).parents[2]
# The navigation: groups of pages, in the order of reading. How-to pages come in the order of their index.
GROUPS = {
    "Tutorial": ["tutorial"],
    "How to …": ["how-to/README", "how-to/*"],
    "Reference": ["commands", "knobs", "record", "python", "status-file"],
    "Background": [
        "getting-papers",
        "when-a-source-says-no",
        "operations",
        "watching",
        "monitoring",
        "deploy/README",
        "architecture",
        "reliability",
        "performance",
        "quality",
        "glossary",
    ],
    "Project": ["CONTRIBUTING", "SECURITY", "CHANGELOG"],
}
HOME = "README"
PYTHON_PAGE = "docs/python"
PYTHON_MODULE = "rpa_shard.api"
INDEX = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=README.html">'

project = "rpa_shard"
project_copyright = "the authors of rpa_shard"
version = release = __version__
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
autodoc_member_order = "bysource"
autodoc_typehints = "signature"

html_theme = "furo"
html_title = f"rpa_shard {__version__}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_domain_indices = False


def pages(names: list[str]) -> list[str]:
    """The pages of a group that exist, in its order; a pattern stands for those that are not named before it."""
    docs = REPOSITORY / "docs"
    files = (file for name in names for file in sorted(docs.glob(f"{name}.md")))
    found = (f"docs/{file.relative_to(docs).with_suffix('')}" for file in files)
    return list(dict.fromkeys(found))


def navigation() -> str:
    """The groups as hidden tables of contents, which the theme shows beside every page."""
    blocks = (
        "\n".join(["```{toctree}", ":hidden:", f":caption: {title}", "", *(f"/{page}" for page in pages(names)), "```"])
        for title, names in GROUPS.items()
    )
    return "\n\n".join(blocks)


def python_reference() -> str:
    """Every name of the Python interface, from its docstrings; nothing where the module is not there."""
    if importlib.util.find_spec(PYTHON_MODULE) is None:
        return ""
    directive = f".. automodule:: {PYTHON_MODULE}\n   :members:\n   :undoc-members:"
    return f"## Every name\n\n```{{eval-rst}}\n{directive}\n```"


def complete(_: Sphinx, page: str, source: list[str]) -> None:
    """Adds to a page what only the site needs."""
    added = {HOME: navigation, PYTHON_PAGE: python_reference}.get(page)
    if added is not None:
        source[0] += f"\n\n{added()}\n"


def add_index(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        (Path(app.outdir) / "index.html").write_text(INDEX)


def setup(app: Sphinx) -> None:
    app.connect("source-read", complete)
    app.connect("build-finished", add_index)
