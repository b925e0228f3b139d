#!/usr/bin/env python3
"""Cuts a small held-out text from a large one: blocks of whole lines, spread evenly over all of it.

    scripts/cut_held_out.py IN OUT [--blocks 64] [--block-bytes 4096]

IN is UTF-8 text (.xz and .gz are read through) in which a line "<|endoftext|>" ends a document. Block i
begins with the first line that starts at or behind i/blocks of the text, and ends with the line that
brings it to --block-bytes or with its document, whichever comes first; every block becomes a document
of OUT. The same text and options give the same file; its SHA-256 is printed.
"""

import argparse
import gzip
import hashlib
import lzma
from pathlib import Path

END = b"<|endoftext|>\n"


def read(path: Path) -> bytes:
    opener = {".xz": lzma.open, ".gz": gzip.open}.get(path.suffix, open)
    with opener(path, "rb") as file:
        return file.read()


def cut(text: bytes, num_blocks: int, block_bytes: int) -> bytes:
    blocks = []
    end_of_last = 0
    for i in range(num_blocks):
        place = max(len(text) * i // num_blocks, end_of_last)
        begin = 0 if place == 0 else text.find(b"\n", place - 1) + 1
        end = begin
        while end < len(text) and end - begin < block_bytes:
            line_end = text.find(b"\n", end) + 1 or len(text)
            if text[end:line_end] == END:
                if end > begin:
                    break
                begin = line_end  # a block does not begin with the end of the document before it
            end = line_end
        if text[begin:end].strip():
            blocks.append(text[begin:end])
        end_of_last = end
    return b"".join(block.rstrip(b"\n") + b"\n" + END for block in blocks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--blocks", type=int, default=64)
    parser.add_argument("--block-bytes", type=int, default=4096)
    options = parser.parse_args()
    held_out = cut(read(options.text), options.blocks, options.block_bytes)
    options.out.write_bytes(held_out)
    print(f"{options.out}: {len(held_out)} bytes, SHA-256 {hashlib.sha256(held_out).hexdigest()}")


if __name__ == "__main__":
    main()
