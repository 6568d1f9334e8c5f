"""How much of one document is read: caps against files made to be endless.

Real papers stay far below: a page has about 4,000 characters, a thesis about 1,000 links.
"""

from __future__ import annotations

PAGE_CHARACTERS = 1_000_000
DOCUMENT_CHARACTERS = 20_000_000
PAGES = 5_000
PAGE_LINES_WITH_PLACES = 3_000
LINKS = 20_000
DESTINATIONS = 20_000
ANNOTATIONS = 20_000
NAME_CHARACTERS = 500
URI_CHARACTERS = 2_000
# Characters, or pieces of text, that are looked at to find those under links, on pages with very many of both.
LOOKS = 4_000_000
# Looking up a destination may mean passing all names: links times names.
NAME_STEPS = 50_000_000

# How LaTeX's hyperref names the destination of a bibliography entry.
ENTRY_PREFIX = "cite."


class Budget:
    """What is left of a document's caps."""

    def __init__(self) -> None:
        self.characters = DOCUMENT_CHARACTERS
        self.links = LINKS
        self.annotations = ANNOTATIONS
        self.looks = LOOKS
        self.name_steps = NAME_STEPS
        self._hit: set[str] = set()

    def cut(self, text: str) -> str:
        """The part of a page's text within the caps."""
        allowed = min(self.characters, PAGE_CHARACTERS)
        if len(text) > allowed:
            self.hit("text")
            text = text[:allowed]
        self.characters -= len(text)
        return text

    def may_look(self) -> bool:
        """Whether one more character may be looked at, to find what is under a link."""
        if self.looks == 0:
            self.hit("links")
            return False
        self.looks -= 1
        return True

    def may_look_up(self, names: int) -> bool:
        """Whether a destination may be looked up among that many names."""
        if self.name_steps < names:
            self.hit("links")
            return False
        self.name_steps -= names
        return True

    def hit(self, *names: str) -> None:
        self._hit.update(names)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._hit))


def entry_key(name: str) -> str | None:
    """The bibliography key in a destination's name, or None for another kind of destination."""
    key = name.removeprefix(ENTRY_PREFIX)
    return key if key and key != name else None
