#!/usr/bin/env python3
"""Writes src/text/unicode_classes.inc: which code points the GPT-2 pattern takes for letters,
numbers and white space, asked of the `tokenizers` package itself.

The ids of a text must not change with the Unicode version of the system's libraries, and must be
those of `tokenizers`; so the classes are a table in the repository. Run with the pinned venv:
    .venv/bin/python tests/text/make_unicode_classes.py > src/text/unicode_classes.inc
"""

from tokenizers import __version__
from tokenizers.pre_tokenizers import ByteLevel

PER_LINE = 4


def joins(pre_tokenizer, first, char):
    return len(pre_tokenizer.pre_tokenize_str(first + char)) == 1


def classify(pre_tokenizer, code_point):
    char = chr(code_point)
    if joins(pre_tokenizer, "a", char):
        return "letter"
    if joins(pre_tokenizer, "1", char):
        return "number"
    return "other" if joins(pre_tokenizer, "!", char) else "space"


def main():
    pre_tokenizer = ByteLevel(add_prefix_space=False)
    ranges = {"letter": [], "number": [], "space": []}
    for code_point in range(0x110000):
        if 0xD800 <= code_point < 0xE000:
            continue
        found = ranges.get(classify(pre_tokenizer, code_point))
        if found is None:
            continue
        if found and found[-1][1] == code_point - 1:
            found[-1][1] = code_point
        else:
            found.append([code_point, code_point])
    print(f"// Made by tests/text/make_unicode_classes.py from tokenizers {__version__}; do not edit.")
    print("// clang-format off")
    for name, found in ranges.items():
        print(f"constexpr CodePointRange k{name.capitalize()}Ranges[] = {{")
        cells = [f"{{0x{first:X}, 0x{last:X}}}," for first, last in found]
        for i in range(0, len(cells), PER_LINE):
            print("  " + " ".join(cells[i : i + PER_LINE]))
        print("};")
    print("// clang-format on")


if __name__ == "__main__":
    main()
