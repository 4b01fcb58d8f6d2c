"""Text from agents, with nothing in it that a reviewer cannot see.

An agent that can reorder, hide or imitate characters can make a card say one thing to a person and another to a
machine. So characters without a picture of their own are shown as their code point, and words that mix look-alike
alphabets are named as such. Nothing is removed: what the hash covers is what stands on the page.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise

from markupsafe import Markup, escape

# Unicode's Default_Ignorable_Code_Point, plus two blanks that are letters or symbols by category.
_IGNORABLE = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_EMOJI_STYLE = "\ufe0f"
_JOINER = "\u200d"
_STACK_LIMIT = 4
_MARKUP = frozenset("&<>'\"")
_LOOK_ALIKE_SCRIPTS = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"})
# Marks that combine belong to the word: between two letters they must not hide that those are of two alphabets.
_MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_WORDS = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{_MARKS}])*|[\W\d_]+")


def marked(text: str) -> Markup:
    """`text` escaped for HTML, with unseen characters and mixed alphabets marked in words."""
    if text.isascii() and text.isprintable():
        return escape(text)
    parts = [_word(chunk) if chunk[0].isalpha() else _characters(chunk) for chunk in _WORDS.findall(text)]
    return Markup("").join(parts)


def scripts_of(word: str) -> frozenset[str]:
    """Which of the alphabets that imitate each other the letters of `word` come from."""
    names = {unicodedata.name(letter, "").partition(" ")[0] for letter in word}
    return frozenset(names & _LOOK_ALIKE_SCRIPTS)


def _word(word: str) -> Markup:
    scripts = sorted(script.capitalize() for script in scripts_of(word)) if not word.isascii() else []
    shown = _characters(word)
    if len(scripts) < 2:
        return shown
    note = " + ".join(scripts)
    return Markup('<span class="mixed">{}<span class="code-point">mixes {}</span></span>').format(shown, note)


def _characters(chunk: str) -> Markup:
    if chunk.isascii() and chunk.isprintable():
        return escape(chunk)
    out: list[str] = []
    stacked = 0
    for before, character in pairwise(["", *chunk]):
        stacked = stacked + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if stacked > _STACK_LIMIT or _is_unseen(character, before):
            out.append(_mark(character))
        else:
            out.append(escape(character) if character in _MARKUP else character)
    return Markup("".join(out))  # noqa: S704 - each character of it was escaped above


# A hostile text is nothing but marks, so what each looks like is worked out once.
@lru_cache(maxsize=4096)
def _mark(character: str) -> str:
    name = unicodedata.name(character, "a character without a name").lower()
    return Markup('<span class="code-point" title="{}">U+{:04X}</span>').format(name, ord(character))


@lru_cache(maxsize=4096)
def _is_unseen(character: str, before: str) -> bool:
    if character in "\n\t":
        return False
    if character == _EMOJI_STYLE and before and not before.isalpha() and not _is_unseen(before, ""):
        # One emoji-style mark after a symbol is how keyboards write emoji; a run of them hides data.
        return False
    if character == _JOINER and before and (before == _EMOJI_STYLE or unicodedata.category(before) in ("So", "Sk")):
        return False
    code = ord(character)
    return any(low <= code <= high for low, high in _IGNORABLE) or unicodedata.category(character) in _UNSEEN_CATEGORIES
