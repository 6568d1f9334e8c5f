"""The page of a report: its sections, in order, and the frame around them.

Guarantee: pure; one document in which everything is, and nothing from outside; every plot has its numbers in a table.
Limit: sections for which there is nothing are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from importlib.resources import files

from rpa_shard import __version__
from rpa_shard.control.sentences import duration
from rpa_shard.observe.report import sections
from rpa_shard.observe.report.figures import Figures
from rpa_shard.observe.report.html import element, paragraph, text
from rpa_shard.observe.report.words import heading, moment, sentences, tiles

# The page must not load or run anything, whoever changes it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(figures: Figures, zone: tzinfo) -> str:
    """The complete document."""
    title = f"{heading(figures, zone)} - rpa_shard"
    style = files(__package__).joinpath("report.css").read_text()
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>",
            *_beginning(figures, zone),
            *sections.sections(figures, zone),
            _foot(figures, zone),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _beginning(figures: Figures, zone: tzinfo) -> Iterator[str]:
    yield element("h1", text(heading(figures, zone)))
    yield paragraph(figures.state.folder, class_="folder")
    if figures.state.account.total:
        yield paragraph(figures.state.account.text, class_="account")
    yield element("ul", "\n".join(element("li", text(each)) for each in sentences(figures, zone)), class_="story")
    shown = "\n".join(
        f"<div>{element('dt', text(name))}{element('dd', text(value))}</div>" for name, value in tiles(figures).items()
    )
    yield element("dl", shown, class_="tiles")


def _foot(figures: Figures, zone: tzinfo) -> str:
    seconds = figures.made_at - figures.ends
    later = f", {duration(seconds)} after what it shows" if seconds >= 1 and figures.happened else ""
    zone_name = _name_of(figures, zone)
    made = f"Made at {moment(figures.made_at, zone)}{later}, by rpa_shard {__version__}. Times are {zone_name}."
    return element("footer", paragraph(made))


def _name_of(figures: Figures, zone: tzinfo) -> str:
    """The name of the time zone at that time."""
    offset = f"{datetime.fromtimestamp(figures.made_at, zone):%z}"
    return "UTC" if offset == "+0000" else f"UTC{offset[:3]}:{offset[3:5]}"
