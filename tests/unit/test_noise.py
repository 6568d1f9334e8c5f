"""Noise is told from text by page: in any language, whatever a font without a mapping leaves, and nothing else."""

from __future__ import annotations

import base64
import json
import random
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.reading.document import Page
from rpa_shard.reading.quality.figures import measure
from rpa_shard.reading.quality.noise import damaged_characters, is_noise

# The same few sentences, written for this test, in many languages and scripts.
LANGUAGES: dict[str, str] = json.loads((Path(__file__).parents[1] / "languages.json").read_text("utf-8"))
SMALL = string.ascii_lowercase
ALPHABETS = {
    "English": SMALL, "German": SMALL, "French": SMALL, "Spanish": SMALL, "Italian": SMALL, "Dutch": SMALL,
    "Swedish": SMALL, "Finnish": SMALL, "Polish": SMALL, "Turkish": SMALL, "Indonesian": SMALL,
    "Russian": "абвгдежзийклмнопрстуфхцчшщъыьэюя", "Greek": "αβγδεζηθικλμνξοπρστυφχψω",
}  # fmt: skip
PAGE = (
    "We measured the height of the water in a small harbour with a wooden ruler, and wrote it down at dawn and dusk. "
    "The record is long: it covers forty years, and hardly a morning is missing. From these numbers we estimate how "
    "fast the sea rises, and compare the estimate with what a model of the coast predicts. The two agree within the "
    "error of the ruler, which is about two millimetres. We then discuss why nobody noticed the change while it "
    "happened, and what other simple instruments, kept for long enough by careful people, might still tell us. "
)


def noisy(text: str) -> bool:
    return is_noise(text, damaged_characters(text))


def with_letters(text: str, letters: dict[str, str]) -> str:
    return "".join(
        letters.get(each.lower(), each).upper() if each.isupper() else letters.get(each, each) for each in text
    )


def words(chooser: random.Random, alphabet: str, characters: int) -> str:
    return "".join(" " if chooser.random() < 0.15 else chooser.choice(alphabet) for _ in range(characters))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_is_no_noise(language: str) -> None:
    text = LANGUAGES[language]
    assert not noisy(text)
    assert not noisy(text.upper())
    assert not noisy(text.replace(" ", "\n"))


@pytest.mark.parametrize("language", ALPHABETS)
def test_a_language_with_other_letters_is(language: str) -> None:
    text, alphabet, chooser = LANGUAGES[language], ALPHABETS[language], random.Random(language)
    shifted = [
        with_letters(text, dict(zip(alphabet, alphabet[by:] + alphabet[:by], strict=True)))
        for by in range(1, len(alphabet))
    ]
    mixed = [
        with_letters(text, dict(zip(alphabet, chooser.sample(alphabet, len(alphabet)), strict=True))) for _ in range(20)
    ]
    # In so short a text, Greek and Cyrillic letters may be likely ones by chance.
    least = 1.0 if alphabet == SMALL else 0.65
    assert sum(map(noisy, shifted)) >= least * len(shifted)
    assert sum(map(noisy, mixed)) >= least * len(mixed)
    assert noisy(words(chooser, alphabet, 600))


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_damaged_letters_are_noise_if_they_are_many(share: float) -> None:
    chooser = random.Random(4)

    def damaged(by: str, share: float) -> str:
        return "".join(chooser.choice(by) if each.isalpha() and chooser.random() < share else each for each in PAGE * 3)

    assert noisy(damaged("\ufffd", share))
    assert noisy(damaged("".join(map(chr, range(0xF020, 0xF07E))), share))
    assert noisy(damaged(SMALL, share))
    assert not noisy(damaged("\ufffd", 0.02))
    assert not noisy(damaged(SMALL, 0.04))


@pytest.mark.parametrize("by", [1, 3, 13, 29, 31, 0x60])
def test_codes_of_a_font_for_letters(by: int) -> None:
    assert noisy("".join(each if each.isspace() else chr(ord(each) + by) for each in PAGE))


def test_codes_in_order_of_their_first_use() -> None:
    codes: dict[str, str] = {}
    text = "".join(each if each.isspace() else codes.setdefault(each, chr(33 + len(codes))) for each in PAGE)
    assert noisy(text)


CHOOSER = random.Random(12)
PRINTABLE = string.digits + string.ascii_letters + string.punctuation
CYRILLIC = LANGUAGES["Russian"]


@pytest.mark.parametrize(
    "text",
    [
        words(CHOOSER, PRINTABLE, 2500),  # 55 % letters
        words(CHOOSER, string.ascii_letters, 600),
        words(CHOOSER, string.ascii_uppercase, 600),
        words(CHOOSER, "".join(map(chr, range(0xA1, 0x100))), 600),
        words(CHOOSER, "".join(map(chr, range(0x80, 0xA0))), 600),
        words(CHOOSER, "".join(map(chr, [*range(1, 9), *range(14, 32)])), 600),
        words(CHOOSER, "".join(each for each in map(chr, range(0x21, 0x1700)) if each.isalpha()), 600),
        words(CHOOSER, "".join(map(chr, range(0x4E00, 0x9FA5))), 600),
        words(CHOOSER, "".join(map(chr, range(0xAC00, 0xD7A3))), 600),
        "".join(chr(each) for each in CHOOSER.randbytes(2000)),
        base64.b64encode(CHOOSER.randbytes(900)).decode(),
        " ".join(f"(cid:{CHOOSER.randrange(90)})" * 3 for _ in range(60)),
        " ".join(f"/g{CHOOSER.randrange(90)}" for _ in range(200)),
        "".join(f"/C{CHOOSER.randrange(90)}" for _ in range(200)),
        " ".join(f"uni{CHOOSER.randrange(0x400, 0x9FFF):04X}" for _ in range(100)),
        CYRILLIC.encode().decode("latin-1"),
        CYRILLIC.encode().decode("cp1252", "replace"),
        CYRILLIC.encode("cp1251").decode("latin-1"),
        CYRILLIC.encode("koi8-r").decode("latin-1"),
        LANGUAGES["Chinese"].encode().decode("gbk", "replace"),
        LANGUAGES["Japanese"].encode("shift-jis").decode("latin-1"),
        " ".join(PAGE),
        PAGE[::-1],
        "ÿ" * 600,
        "þ\x86ÿbÿIþ " * 300,
        "¢£¥ §¨© ª«¬ ®¯° ±²³ " * 60,
        "x y " * 400,
    ],
    ids=range(27),
)
def test_noise(text: str) -> None:
    assert noisy(text)


def table(cell: str, columns: int = 8) -> str:
    return "\n".join(" ".join(cell.format(row * 7.31 + column) for column in range(columns)) for row in range(40))


GOOD = {
    "numbers": table("{:.3f}"),
    "signed numbers": table("{:+.2e}"),
    "percentages": table("{:.1f}%"),
    "integers": table("{:.0f}"),
    "uncertainties": table("{:.2f}±0.03"),
    "points": "\n".join(f"({row},{row % 7}), ({row % 5},{row + 2}), ({row % 3},1)" for row in range(60)),
    "genome": "\n".join(
        f"{row * 60 + 1:6} " + " ".join("".join(CHOOSER.choice("acgt") for _ in range(10)) for _ in range(6))
        for row in range(40)
    ),
    "genome in capitals": "".join(CHOOSER.choice("ACGT") for _ in range(2000)),
    "protein": " ".join("".join(CHOOSER.choice("ACDEFGHIKLMNPQRSTVWY") for _ in range(10)) for _ in range(200)),
    "hashes": "\n".join(CHOOSER.randbytes(32).hex() for _ in range(40)),
    "hex dump": "\n".join(f"{row * 16:08x}  {CHOOSER.randbytes(16).hex(' ')}" for row in range(40)),
    "contents": "\n".join(f"{row} What the ruler tells{' .' * 60} {row * 3}" for row in range(30)),
    "symbols of a group": "\n".join(" ".join("abcdeh"[(row + each) % 6] for each in range(12)) for row in range(60)),
    "formulas": "\n".join(
        f"∂ρ{row}/∂t + ∇·(ρ{row}v) = 0, f′(x) = {row}x² − Σ αᵢ βⱼ, ‖u‖ ≤ C(1 + |t|)^{row} for all x ∈ Ω"
        for row in range(25)
    ),
    "formulas alone": "\n".join(f"a{row} = b{row} + c (x − y)^{row} ∫ f(s) ds, λ > μ, E = mc²" for row in range(30)),
    "prover": "\n".join(
        f"lemma step_{row}: ⟦ x ∈ S; ∀y. P y ⟶ Q y ⟧ ⟹ ∃z. R z ∧ (λu. f u) x = g{row} by (auto simp: foo_def)"
        for row in range(20)
    ),
    "code": "\n".join(
        f"    for (int i{row} = 0; i{row} < n; ++i{row}) {{ buf[i{row}] = ctx->ptr[i{row}] & 0xFF; if (!buf) return; }}"
        for row in range(20)
    ),
    "program text": Path(__file__).read_text("utf-8")[:1000],
    "references": "\n".join(
        f"[{row}] Q. Zhang, Y. Xu, Z. Szczęsny, P. Wójcik and K. Hrdlička, Phys. Rev. B {row}, 1123 (20{row}). "
        f"doi:10.1103/PhysRevLett.{row}.1123, arXiv:20{row:02}.01234 [hep-ph]."
        for row in range(10, 25)
    ),
    "acronyms": " ".join("HTTP TCP NLP BLEU BERT GPT LSTM MNIST CIFAR SQL XML JSON MTBF QKD WMT DBLP".split() * 8),
    "labels of a figure": "\n".join(
        ["0.0", "0.2", "lr", "acc", "loss", "train", "test", "epoch", "x", "y", "t (s)"] * 20
    ),
    "old scan": PAGE.replace("rn", "m").replace("li", "h").replace("cl", "d").replace("m a", "rn a") * 2,
    "small capitals of a font's own": PAGE.replace("water", "\uf776\uf761\uf774\uf765\uf772").replace(
        "40", "\uf734\uf730"
    )
    * 3,
    "ligatures lost": PAGE.replace("fi", "\ufffd").replace("th", "\ufffd", 6) * 2,
    "bullets of a symbol font": "\n".join(f"\uf0b7 the ruler at the pier, reading {row}" for row in range(40)),
    "dashes and quotes of Windows": PAGE.replace(", ", " \x96 ").replace("the ruler", "\x93ruler\x94"),
    "brackets of a font for formulas": "\n".join(
        f"\uf8eb\uf8ed a{row} b \uf8f6\uf8f8 = 0 for row {row}" for row in range(30)
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_no_noise(name: str) -> None:
    assert not noisy(GOOD[name])


@given(st.text(max_size=600))
def test_anything_may_come(text: str) -> None:
    assert isinstance(noisy(text), bool)
    assert damaged_characters(text) == sum(
        each == "\ufffd" or "\x80" <= each <= "\x9f" or "\ue000" <= each <= "\uf8ff" or each >= "\U000f0000"
        for each in text
        if each not in "\U000fffff\U000ffffe" and each < "\U0010fffe"
    )


def test_pages_and_flag() -> None:
    good, bad = Page(PAGE * 2), Page(words(random.Random(1), PRINTABLE, 2000))
    one = measure([good, good, bad, good])
    assert (one.garbled_pages, one.garbled_share, one.garbled) == ((3,), 0.25, False)
    two = measure([good, bad, bad, good, Page("")])
    assert (two.garbled_pages, two.garbled_share, two.garbled) == ((2, 3), 0.5, True)
    assert not two.non_english
    assert measure([good]).rank > one.rank > two.rank
    none = measure([Page(""), Page("7")])
    assert (none.garbled_pages, none.garbled_share, none.garbled) == ((), None, False)


def test_what_ranks_before_what() -> None:
    good, noise, nothing = Page(PAGE * 2), Page(words(random.Random(1), PRINTABLE, 4000)), Page("")
    damaged = Page(PAGE[:400] + "\ufffd" + PAGE)
    order = [
        [good, good, good],
        [damaged, good, good],
        [good, good, Page("", failed=True)],
        [good, nothing, noise],
        [noise, noise, noise],
    ]
    ranks = [measure(pages).rank for pages in order]
    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) == len(ranks)
    assert measure([nothing] * 3).rank <= measure([noise] * 3).rank, "nothing is not better than noise"
    assert measure([good] * 3).rank == measure([Page(PAGE * 9)] * 3).rank, "length does not count"


def test_short_pages_are_judged_together() -> None:
    chooser = random.Random(5)
    slides = [Page(words(chooser, string.ascii_letters, 150)) for _ in range(6)]
    assert measure(slides).garbled_pages == (1, 2, 3, 4, 5, 6)
    assert measure([Page(PAGE[:150])] * 6).garbled_pages == ()


@pytest.mark.parametrize("language", ["German", "Russian", "Arabic", "Hindi", "Thai", "Chinese", "Korean"])
def test_other_languages_are_not_english(language: str) -> None:
    quality = measure([Page(LANGUAGES[language] * 3)] * 2)
    assert quality.non_english
    assert not quality.garbled
