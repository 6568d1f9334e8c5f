"""Tags: how they are written, and which words are none.

Guarantee: pure; a tag has one spelling, and a stop word is never one. Limit: whether a tag fits a paper is for whoever
chose it; here only its form is checked.
"""

from __future__ import annotations

import re
import unicodedata

MAX_WORDS, MAX_CHARACTERS = 4, 48
# Function words, words of any paper, and pieces of URLs: what the first system took for tags.
STOP_WORDS = frozenset(
    "a about above across after all also among an and any are as at be because been before being below between both "
    "but by can could did do does doing down during each either et al etc few first for from further had has have "
    "having he her here him his how however i if in into is it its itself just may me might more most much must my "
    "neither new no nor not novel now of off on once one only or other our out over own per same second several she "
    "should since so some such than that the their them then there therefore these they this those through thus to too "
    "two under until up upon us use used uses using very via was we well were what when where which while who whose "
    "why will with within without would yet you your "
    "abstract analysis approach approaches arxiv article author authors com conclusion doi figure for http https "
    "introduction method methods n/a na none org other paper papers pdf preprint problem proposed research result "
    "results section show state-of-the-art studies study table tag tags unknown work www".split()
)
_SEPARATORS = re.compile(r"[\s_\-‐-―]+")
_OUTSIDE = re.compile(r"^[^\w]+|[^\w+#]+$")


def normalised_tag(text: str) -> str | None:
    """A tag in its one spelling, lower case with hyphens: `graph-neural-networks`; None if the text is no tag."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = [_OUTSIDE.sub("", word) for word in _SEPARATORS.split(folded.strip())]
    words = [word for word in words if word]
    tag = "-".join(words)
    if not 0 < len(words) <= MAX_WORDS or not 1 < len(tag) <= MAX_CHARACTERS or "/" in tag or "://" in tag:
        return None
    if not any(map(str.isalpha, tag)) or all(word in STOP_WORDS for word in words) or tag in STOP_WORDS:
        return None
    return tag
