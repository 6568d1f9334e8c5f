"""Names of people at the beginning of a reference, as fragments of regular expressions.

Guarantee: every repetition is bounded or over one kind of character, so matching is linear. Limit: names in Latin
letters; TeX's loose accents (`M¨uller`, `´Alvarez`) belong to them.
"""

from __future__ import annotations

# Capital letters of Latin-1 and Latin Extended-A, by their ranges.
UPPER = "A-ZÀ-ÖØ-ÞĀ-Ž"
INITIAL = rf"[{UPPER}]\.[ -]?"
LOOSE_ACCENT = "[´`¨ˆ˜ˇ˘˙˚]?"
PARTICLE = r"(?:(?:van|von|de|del|della|den|der|di|da|dos|du|le|la|al|el|ten|ter|zu|d’|d')[ -]?){0,3}"
# A word of a name with its letters, apostrophes, hyphens and accents.
WORD = rf"[{UPPER}][\w’'´¨ˇ-]"
