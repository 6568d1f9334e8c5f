"""Whether a page's text is noise: what is left of it if a font's mapping to letters is missing or wrong.

Guarantee: pure; linear in the text's length. Texts of any language, formulas, tables, code and sequences of letters
are not noise. Limit: half of a page may be noise without a notice, text in scripts without a table is not examined, and
wrong letters that form likely pairs are taken for words.

English pages are recognised by their commonest words, which costs next to nothing; the others are examined on samples.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from rpa_shard.reading.quality.letters import (
    FREQUENT_ARABIC,
    FREQUENT_HAN,
    FREQUENT_HANGUL,
    FREQUENT_HEBREW,
    FREQUENT_INDIC,
    unlikely_pairs,
)

# Private areas, C1 controls and U+FFFD stand where the font names no character.
_DAMAGE = "\ufffd\ue000-\uf8ff\U000f0000-\U0010fffd\x80-\x9f"
_DAMAGED = re.compile(f"[{_DAMAGE}]")
# What these are in UTF-8 begins with; a search there is faster by far.
_DAMAGED_BYTES = (b"\xee", b"\xf3", b"\xf4")
_DAMAGED_PAIRS = (re.compile(rb"\xc2[\x80-\x9f]"), re.compile(rb"\xef[\x80-\xa3\xbf]"))
# UTF-8 that was read as Latin-1 or Windows-1252.
_MISREAD = r"[ÂÃÄÅÎÏÐÑØÙ][\x80-¿‚„…†‡ˆ‰‹‘’“”•–—˜™›Œœ€]|â€.|â[\x80-\x9f]."
_MISREAD_CHARACTERS = re.compile("[ÃÂÐÑÙØ][^A-Za-z]|â€")
_SPOILED = re.compile(rf"[^\W\d_][{_DAMAGE}]+[^\W\d_]|{_MISREAD}|[{_DAMAGE}]{{3,}}")
_GLYPH_NAMES = re.compile(r"(?:\(cid:\d+\)|/[A-Za-z]{0,3}\d{1,4}(?!\d)|/?uni[0-9A-F]{4}|/?glyph\d+|<[0-9A-F]{2,4}>)")
_LETTERS = re.compile(r"[^\W\d_]+")
_ALPHABETIC = re.compile("[A-Za-zÀ-ÖØ-öø-ɏͰ-ӿḀ-ỿ]{4,}")  # Latin, Greek, Cyrillic
_NO_WORD = re.compile("[ACDEFGHIKLMNPQRSTVWY]{8,}|[ACGTUN]{4,}|[acgtun]{8,}|[A-Z]{4,5}|[a-f]+")
_SIGNS = re.compile(r"[!-'*+/:-@\\^-`{-~¡-©«-±´-¹»-¿×÷\u2500-\u27bf\0-\x08\x0e-\x1f-]")
_SIGNS_OF_FORMULAS = frozenset("*+/:;<=>^_{|}~\xb1\xd7\xf7-")
_WORD = re.compile(r"[^\W\d_]{3,}")
_SIGN_INSIDE = re.compile(r"\S[!\"#$%&;:<>?@\\*](?=\S\S)")
_NUMBERS = re.compile(r"[\d.,:%()/+-]+")
_REPEATED = re.compile(r"(\S)(?:\s?\1){2,}")
_ALONE = re.compile(r"(?<!\S)(?:[^\s.]\s+){6,}")
_OTHER_SCRIPTS = re.compile("[\u0590-\u0e7f\u4e00-\u9fff\uac00-\ud7af]")
# Each: the letters of a script, the frequent ones, the least share that these have in any text.
_SCRIPTS = (
    (re.compile("[א-ת]"), FREQUENT_HEBREW, 0.5),
    (re.compile("[ء-غف-يٮ-ۓ]"), FREQUENT_ARABIC, 0.55),
    (re.compile("[ऀ-෿ก-๎]"), FREQUENT_INDIC, 0.42),
    (re.compile("[\u4e00-\u9fff]"), FREQUENT_HAN, 0.08),
    (re.compile("[\uac00-\ud7af]"), FREQUENT_HANGUL, 0.15),
)
# Blocks of 256 characters that belong together: Han, Hangul, variants of letters.
_TOGETHER = frozenset([*range(0x30, 0xA0), *range(0xAC, 0xD8), *range(0xF9, 0x100), *range(0x1D4, 0x1D8), 0x21])
_COMMON_WORDS = (" the ", " and ", " for ", " that ", " with ", " are ", " this ", " from ")
_BACKWARDS = (" eht ", " dna ", " fo ")
# One common word for this many characters: prose has two.
CHARACTERS_A_COMMON_WORD = 90
# How much of each quarter of a page is looked at: first a little.
FEW_CHARACTERS, SAMPLE_CHARACTERS = 60, 400
LIKELY_SHARE, MIN_PAIRS_SHARE = 0.04, 0.4
# A share that proves noise, and how many there must be at least.
DAMAGED_SHARE = 0.2
SPOILED_SHARE, MIN_SPOILED, MAX_CHARACTERS_A_WORD = 0.25, 10, 14
GLYPH_NAMES_SHARE = 0.4
# So many pairs of letters may be unlikely, and this many more because few pairs prove little.
UNLIKELY_SHARE, UNLIKELY_ALLOWED = 0.085, 5
SIGNS_SHARE, MIN_SIGNS, MIN_KINDS_OF_SIGNS = 0.55, 30, 6
MIN_SIGNS_SHARE = 0.05
# Signs that formulas hardly have are noise where so few letters are in words.
ODD_SIGNS_SHARE, WORDS_SHARE = 0.06, 0.22
STRANGE_SHARE, MIN_TOKENS = 0.25, 30
ALONE_SHARE, MIN_LETTERS, MIN_ALPHABET, MAX_SAME_LETTERS = 0.6, 150, 10, 3
MAX_BLOCKS = 8
MIN_SCRIPT_LETTERS = 100


def damaged_characters(text: str) -> int:
    """How many characters stand where the font names none."""
    if text.isascii():
        return 0
    encoded = text.encode()
    if any(map(encoded.__contains__, _DAMAGED_BYTES)) or any(each.search(encoded) for each in _DAMAGED_PAIRS):
        return len(_DAMAGED.findall(text))
    return 0


def is_noise(text: str, damaged: int = 0) -> bool:
    """Whether a page's text, which has so many damaged characters, is noise rather than words, numbers or formulas."""
    if damaged * 50 <= len(text) and _is_english(text):
        return False
    if " eht " in text and _is_backwards(text):
        return True
    if damaged * 50 <= len(text) and _has_likely_words(_sample(text, FEW_CHARACTERS)):
        return False
    sample = _sample(text, SAMPLE_CHARACTERS)
    words = (word for word in set(_ALPHABETIC.findall(sample)) if _NO_WORD.fullmatch(word) is None)
    unlikely, pairs = unlikely_pairs(words)
    if unlikely > UNLIKELY_SHARE * pairs + UNLIKELY_ALLOWED:
        return True
    if not damaged and sample.isascii() and pairs > MIN_PAIRS_SHARE * len(sample):
        return False
    return any(rule(sample) for rule in _RULES)


def _is_english(text: str) -> bool:
    quarter = len(text) // 4
    enough = 2 * quarter // CHARACTERS_A_COMMON_WORD
    found = 0
    for word in _COMMON_WORDS:
        found += text.count(word, quarter, 3 * quarter)
        if found > enough:
            return True
    return False


def _sample(text: str, characters: int) -> str:
    """So much text from each quarter of a page."""
    step = len(text) // 4
    if step <= characters:
        return text
    return "\n".join([text[start : start + characters] for start in range(0, step * 4, step)])


def _has_likely_words(sample: str) -> bool:
    """Whether a few lines leave no doubt that there are words."""
    if not sample.isascii() and _MISREAD_CHARACTERS.search(sample):
        return False
    unlikely, pairs = unlikely_pairs(set(_ALPHABETIC.findall(sample)))
    return pairs > FEW_CHARACTERS and unlikely <= LIKELY_SHARE * pairs + 1


def _has_spoiled_words(sample: str) -> bool:
    if sample.isascii():
        return False
    if len(_DAMAGED.findall(sample)) > DAMAGED_SHARE * len(sample):
        return True
    words = [word for word in sample.split() if len(word) > 2]
    if len(sample) > MAX_CHARACTERS_A_WORD * len(words):  # no blanks between words
        return False
    spoiled = sum(_SPOILED.search(word) is not None for word in words if not word.isascii())
    return spoiled >= MIN_SPOILED and spoiled > SPOILED_SHARE * len(words)


def _is_signs(sample: str) -> bool:
    """Whether there are more signs than anything has, or odd ones without words."""
    signs = len(_SIGNS.findall(sample))
    if signs < MIN_SIGNS or signs < MIN_SIGNS_SHARE * len(sample):
        return False
    sample = _REPEATED.sub("", sample)  # leaders, rules, the cells of tables
    found = Counter(_SIGNS.findall(sample))
    signs, characters = found.total(), sum(map(len, sample.split()))
    if signs > SIGNS_SHARE * (signs + sum(map(str.isalnum, sample))) and len(found) >= MIN_KINDS_OF_SIGNS:
        return True
    odd = [count for sign, count in found.items() if sign not in _SIGNS_OF_FORMULAS]
    words = sum(map(len, _WORD.findall(sample)))
    return bool(odd) and sum(odd) - max(odd) > ODD_SIGNS_SHARE * characters and words < WORDS_SHARE * characters


def _has_strange_tokens(sample: str) -> bool:
    """Whether signs stand inside of most of what is between blanks, and there are hardly any words."""
    tokens = [token for token in sample.split() if len(token) > 3]
    if len(tokens) < MIN_TOKENS:
        return False
    if sum(map(len, _WORD.findall(sample))) > WORDS_SHARE * sum(map(len, sample.split())):
        return False
    strange = sum(_SIGN_INSIDE.search(token) is not None and not _NUMBERS.fullmatch(token) for token in tokens)
    return strange > STRANGE_SHARE * len(tokens)


def _is_scattered(sample: str) -> bool:
    """Whether most letters stand alone, or are always the same ones."""
    tokens = sample.split()
    characters = sum(map(len, tokens))
    repeats = len(set(sample)) < MIN_ALPHABET
    if not repeats and characters > 3 * len(tokens):
        return False
    letters = "".join(_LETTERS.findall(sample)).lower()
    if len(letters) < MIN_LETTERS:
        return False
    if repeats:
        return len(set(letters)) <= MAX_SAME_LETTERS
    alone = sum(len(each.split()) for each in _ALONE.findall(sample))
    return alone > ALONE_SHARE * characters and len(set(letters)) >= MIN_ALPHABET


def _is_glyph_names(sample: str) -> bool:
    if max(map(sample.count, ("/", "cid:", "uni", "glyph", "<"))) * 40 < len(sample):
        return False
    return sum(map(len, _GLYPH_NAMES.findall(sample))) > GLYPH_NAMES_SHARE * len(sample)


def _has_unlikely_letters(sample: str) -> bool:
    """Whether letters of scripts without a table of pairs are not those that are frequent in texts."""
    if sample.isascii() or _OTHER_SCRIPTS.search(sample) is None:
        return False
    blocks = {ord(each) >> 8 for each in set(sample) if each > "\u0590" and each.isalpha()} - _TOGETHER
    if len(blocks) > MAX_BLOCKS:
        return True
    for script, frequent, share in _SCRIPTS:
        letters = script.findall(sample)
        if len(letters) >= MIN_SCRIPT_LETTERS and sum(map(frequent.__contains__, letters)) < share * len(letters):
            return True
    return False


def _is_backwards(text: str) -> bool:
    return sum(map(text.count, _BACKWARDS)) * 2 * CHARACTERS_A_COMMON_WORD > len(text)


_RULES: tuple[Callable[[str], bool], ...] = (
    _has_spoiled_words,
    _is_signs,
    _has_strange_tokens,
    _is_scattered,
    _is_glyph_names,
    _has_unlikely_letters,
)
