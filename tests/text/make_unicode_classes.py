#!/usr/bin/env python3
r"""Writes tables of code points, asked of the `tokenizers` package itself.

    gpt2   which ones the GPT-2 pattern takes for letters, numbers and white space
    bert   which ones BERT's clean-up removes, which are punctuation or accents to it, and lower case
    word   which ones belong to a word (\w), beside which an added token of single_word does not stand
    forms  canonical decompositions and compositions, and the classes of combining characters

The ids of a text must not change with the Unicode version of the system's libraries, and must be
those of `tokenizers`, which mixes several versions; so the classes are tables in the repository.
Run with the pinned venv:
    .venv/bin/python tests/text/make_unicode_classes.py gpt2 > src/text/unicode_classes.inc
    .venv/bin/python tests/text/make_unicode_classes.py bert > src/text/bert_classes.inc
    .venv/bin/python tests/text/make_unicode_classes.py word > src/text/word_classes.inc
    .venv/bin/python tests/text/make_unicode_classes.py forms > src/text/normal_forms.inc
"""

import sys
import unicodedata

from tokenizers import AddedToken, Tokenizer, __version__
from tokenizers.models import WordLevel
from tokenizers.normalizers import NFC, NFD, BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer, ByteLevel

PER_LINE = 4


def code_points():
    return (c for c in range(0x110000) if not 0xD800 <= c < 0xE000)


def print_rows(declaration, cells):
    print(f"constexpr {declaration}[] = {{")
    for i in range(0, len(cells), PER_LINE):
        print("  " + " ".join(cells[i : i + PER_LINE]))
    print("};")


def print_ranges(name, members):
    ranges = []
    for code_point in members:
        if ranges and ranges[-1][1] == code_point - 1:
            ranges[-1][1] = code_point
        else:
            ranges.append([code_point, code_point])
    cells = [f"{{0x{first:X}, 0x{last:X}}}," for first, last in ranges]
    print_rows(f"CodePointRange k{name}Ranges", cells)


def joins(pre_tokenizer, first, char):
    return len(pre_tokenizer.pre_tokenize_str(first + char)) == 1


def gpt2_class(pre_tokenizer, code_point):
    char = chr(code_point)
    if joins(pre_tokenizer, "a", char):
        return "letter"
    if joins(pre_tokenizer, "1", char):
        return "number"
    return "other" if joins(pre_tokenizer, "!", char) else "space"


def print_gpt2():
    pre_tokenizer = ByteLevel(add_prefix_space=False)
    members = {"letter": [], "number": [], "space": [], "other": []}
    for code_point in code_points():
        members[gpt2_class(pre_tokenizer, code_point)].append(code_point)
    for name in ("letter", "number", "space"):
        print_ranges(name.capitalize(), members[name])


def bert_step(**step):
    steps = dict.fromkeys(
        ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase"), False
    )
    return BertNormalizer(**{**steps, **step}).normalize_str


def print_lower_case():
    """Rows {first, last, step, to}: `first` becomes `to`, `first + step` `to + step`, and so on."""
    lower = bert_step(lowercase=True)
    rows = []
    for code_point in code_points():
        image = lower(chr(code_point))
        if image == chr(code_point) or len(image) > 1:
            continue
        delta = ord(image) - code_point
        row = rows[-1] if rows else None
        step = code_point - row[1] if row else 0
        if row and delta == row[3] - row[0] and step in ((1, 2) if row[2] == 0 else (row[2],)):
            row[1], row[2] = code_point, step
        else:
            rows.append([code_point, code_point, 0, ord(image)])
    cells = [f"{{0x{a:X}, 0x{b:X}, {max(step, 1)}, 0x{to:X}}}," for a, b, step, to in rows]
    print_rows("LowerCaseRange kLowerCaseRanges", cells)


def print_bert():
    clean = bert_step(clean_text=True)
    strip = bert_step(strip_accents=True)
    pre_tokenizer = BertPreTokenizer()
    print_ranges("Removed", (c for c in code_points() if clean(chr(c)) == ""))
    print_ranges(
        "Punctuation",
        (c for c in code_points() if len(pre_tokenizer.pre_tokenize_str(f"a{chr(c)}b")) == 3),
    )
    print_ranges("Accent", (c for c in code_points() if strip(f"a{chr(c)}") == "a"))
    print_lower_case()


def print_word():
    tokenizer = Tokenizer(WordLevel({"x": 0, "?": 1}, unk_token="?"))
    tokenizer.add_special_tokens([AddedToken("x", single_word=True)])
    stands_alone = lambda char: tokenizer.encode("x" + char).tokens[0] == "x"
    print_ranges("Word", (c for c in code_points() if not stands_alone(chr(c))))


HANGUL_SYLLABLES = range(0xAC00, 0xD7A4)  # which arithmetic takes apart


def is_behind(normalize, code_point):
    """Whether U+0345, whose class 240 is the greatest, comes to stand behind the character."""
    return normalize("a\u0345" + chr(code_point)) == f"a{chr(code_point)}\u0345"


def print_forms():
    nfd, nfc = NFD().normalize_str, NFC().normalize_str
    images = {
        c: nfd(chr(c)) for c in code_points() if c not in HANGUL_SYLLABLES and nfd(chr(c)) != chr(c)
    }
    cells = [f"{{0x{c:X}, {{{', '.join(f'0x{ord(x):X}' for x in to)}}}}}," for c, to in images.items()]
    print_rows("Decomposition kDecompositions", cells)

    classes = {c: unicodedata.combining(chr(c)) for c in code_points()}
    known = {c: n for c, n in classes.items() if n == 240 or (n > 0 and is_behind(nfd, c))}
    ranges = []
    for c, n in known.items():
        if ranges and ranges[-1][1] == c - 1 and ranges[-1][2] == n:
            ranges[-1][1] = c
        else:
            ranges.append([c, c, n])
    cells = [f"{{0x{first:X}, 0x{last:X}, {n}}}," for first, last, n in ranges]
    print_rows("CombiningRange kCombiningRanges", cells)

    # Of a character whose decomposition begins with one that is composed itself, the pair is that
    # one and the last.
    pairs = {}
    for c, image in images.items():
        first = nfc(image[:-1])
        if nfc(image) == chr(c) and len(first) == 1:
            pairs[first + image[-1]] = c
    cells = [f"{{0x{ord(a):X}, 0x{ord(b):X}, 0x{c:X}}}," for (a, b), c in sorted(pairs.items())]
    print_rows("Composition kCompositions", cells)


def main(kind):
    print(f"// Made by tests/text/make_unicode_classes.py from tokenizers {__version__}; do not edit.")
    print("// clang-format off")
    kinds = {"gpt2": print_gpt2, "bert": print_bert, "word": print_word, "forms": print_forms}
    kinds[kind]()
    print("// clang-format on")


if __name__ == "__main__":
    main(sys.argv[1])
