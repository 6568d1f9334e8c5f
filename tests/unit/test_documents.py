"""The documents match the program: commands, options and knobs are described, and links have targets."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from urllib.parse import unquote

import pytest

from rpa_shard.cli.arguments import Parser, parser
from rpa_shard.cli.selectors import add_selector
from rpa_shard.config.settings import knobs

REPOSITORY = Path(__file__).parents[2]
SELECTOR_SECTION = "Choosing papers"
COMMANDS_PAGE = REPOSITORY / "docs" / "commands.md"
KNOBS_PAGE = REPOSITORY / "docs" / "knobs.md"

_FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_HEADING = re.compile(r"^(#{1,6}) +(.+?) *#*$", re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^()\s>]+)>?[^()]*\)")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def documents(root: Path) -> list[Path]:
    """Every document below `root`: the README first, then all of `docs`."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def anchors(document: Path) -> set[str]:
    """What may stand after `#` in a link to a document, by the rules of the usual hosts."""
    found: set[str] = set()
    for _, title in _HEADING.findall(_FENCED.sub("", document.read_text())):
        plain = re.sub(r"[^\w\s-]", "", title.lower()).replace(" ", "-")
        numbered = (f"{plain}-{number}" for number in count(1))
        found.add(plain if plain not in found else next(each for each in numbered if each not in found))
    return found


def local_links(document: Path) -> Iterator[str]:
    """The targets of all links of a document that do not lead to another site."""
    text = _CODE.sub("", _FENCED.sub("", document.read_text()))
    return (target for target in _LINK.findall(text) if not _ELSEWHERE.match(target))


def target_file(document: Path, link: str) -> Path:
    path = unquote(link.partition("#")[0])
    return (document.parent / path).resolve() if path else document.resolve()


def broken_links(root: Path) -> list[str]:
    """Links whose file or heading does not exist, as `document: link`."""
    broken = []
    for document in documents(root):
        for link in local_links(document):
            file, anchor = target_file(document, link), unquote(link.partition("#")[2])
            is_inside = file.is_relative_to(root.resolve())
            if not (is_inside and file.exists()) or (anchor and anchor not in anchors(file)):
                broken.append(f"{document.relative_to(root)}: {link}")
    return broken


def unlinked_files(root: Path) -> set[str]:
    """The files in `docs` to which no other document links."""
    linked = {
        file
        for document in documents(root)
        for file in (target_file(document, link) for link in local_links(document))
        if file != document.resolve()
    }
    files = (file for file in (root / "docs").rglob("*") if file.is_file())
    return {str(file.relative_to(root)) for file in files if file.resolve() not in linked}


def sections(document: Path) -> Mapping[str, str]:
    """The text under each heading of a document, up to the next heading, by title without backquotes."""
    _, *parts = re.split(_HEADING, document.read_text())
    return {title.strip("`"): text for title, text in zip(parts[1::3], parts[2::3], strict=True)}


def not_named(words: Iterable[str], text: str) -> list[str]:
    """The words that do not occur in a text as words of their own."""
    return [word for word in words if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)]


def commands() -> Mapping[str, argparse.ArgumentParser]:
    return next(dict(each.choices) for each in parser()._actions if isinstance(each, argparse._SubParsersAction))


def long_options(of: argparse.ArgumentParser) -> list[str]:
    """All options with two dashes, except the one that every command has."""
    named = [option for action in of._actions for option in action.option_strings]
    return [option for option in named if option.startswith("--") and option != "--help"]


@pytest.mark.parametrize("name", commands())
def test_a_command_has_a_section_that_names_all_its_options(name: str) -> None:
    section = sections(COMMANDS_PAGE).get(name)
    assert section is not None, f"docs/commands.md has no section on `{name}`"
    if "(#choosing-papers)" in section:
        section += sections(COMMANDS_PAGE)[SELECTOR_SECTION]
    assert not_named(long_options(commands()[name]), section) == []


def test_options_of_the_program_itself_are_described() -> None:
    assert not_named(long_options(parser()), COMMANDS_PAGE.read_text()) == []


def test_the_page_of_commands_describes_nothing_that_is_not_there() -> None:
    known = {name: set(long_options(command)) for name, command in commands().items()}
    selector = Parser()
    add_selector(selector)
    known[SELECTOR_SECTION] = set(long_options(selector))
    for name, text in sections(COMMANDS_PAGE).items():
        described = set(re.findall(r"^\| `(--[\w-]+)", text, re.MULTILINE))
        assert described <= known.get(name, set()), name


def test_every_knob_is_described() -> None:
    assert not_named((knob.metadata["knob"] for knob in knobs()), KNOBS_PAGE.read_text()) == []


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    assert broken_links(REPOSITORY) == []


def test_every_file_in_docs_is_linked() -> None:
    assert unlinked_files(REPOSITORY) == set()


@pytest.fixture
def small_repository(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "guide.md").write_text("# A `guide`, twice\n\n## Steps\n\n## Steps\n\n    # a comment\n")
    (tmp_path / "README.md").write_text(
        "# Top\n[guide](docs/guide.md#a-guide-twice) [second](docs/guide.md#steps-1) [up](#top) `[no](link.md)`\n"
        "[elsewhere](https://example.org/x.md#y)\n"
    )
    return tmp_path


def test_links_are_followed_as_a_reader_would(small_repository: Path) -> None:
    assert broken_links(small_repository) == []
    assert unlinked_files(small_repository) == set()


@pytest.mark.parametrize(
    "link",
    ["docs/other.md", "docs/guide.md#a-comment", "docs/guide.md#steps-2", "#bottom", "../outside.md", "/docs/guide.md"],
)
def test_a_broken_link_is_found(small_repository: Path, link: str) -> None:
    (small_repository.parent / "outside.md").touch()
    with (small_repository / "README.md").open("a") as file:
        file.write(f"[broken]({link})\n")
    assert broken_links(small_repository) == [f"README.md: {link}"]


def test_a_file_that_only_links_to_itself_is_found(small_repository: Path) -> None:
    (small_repository / "docs" / "alone.md").write_text("# Alone\n[myself](alone.md) [here](#alone)\n")
    (small_repository / "docs" / "picture.svg").touch()
    assert unlinked_files(small_repository) == {"docs/alone.md", "docs/picture.svg"}


def test_a_longer_name_does_not_stand_for_a_shorter_one() -> None:
    assert not_named(["--out", "--what"], "`--out-of-here F`, `--what WHAT`") == ["--out"]
