#!/usr/bin/env python3
"""What the packages `tokenizers` and `transformers` make of the same input, for the C++ tests.

    encode TOKENIZER TEXTS OUT [--no-special]   TOKENIZER: a tokenizer.json, or a folder for
        AutoTokenizer; TEXTS: a JSON array of strings; OUT: {"ids": [[...]], "texts": [...],
        "texts_without_special": [...]}
    train TEXT VOCAB_SIZE OUT                   OUT: the tokenizer.json that `tokenizers` trains
"""

import json
import sys
from pathlib import Path


def encode(tokenizer_path, texts_path, out_path, no_special):
    texts = json.loads(Path(texts_path).read_text(encoding="utf-8"))
    if Path(tokenizer_path).is_dir():
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(tokenizer_path)
        ids = [tokenizer.encode(text, split_special_tokens=no_special) for text in texts]
        decode = lambda row, skip: tokenizer.decode(
            row, skip_special_tokens=skip, clean_up_tokenization_spaces=False
        )
    else:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(tokenizer_path)
        tokenizer.encode_special_tokens = no_special
        ids = [tokenizer.encode(text).ids for text in texts]
        decode = lambda row, skip: tokenizer.decode(row, skip_special_tokens=skip)
    result = {
        "ids": ids,
        "texts": [decode(row, False) for row in ids],
        "texts_without_special": [decode(row, True) for row in ids],
    }
    Path(out_path).write_text(json.dumps(result), encoding="utf-8")


def train(text_path, vocab_size, out_path):
    from tokenizers import ByteLevelBPETokenizer

    with open(text_path, encoding="utf-8", newline="") as file:
        text = file.read()
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(
        [text],
        vocab_size=int(vocab_size),
        min_frequency=2,
        special_tokens=["<|endoftext|>"],
        show_progress=False,
    )
    tokenizer.save(out_path)


def main(arguments):
    if arguments[0] == "encode":
        encode(*arguments[1:4], "--no-special" in arguments)
    else:
        train(*arguments[1:4])


if __name__ == "__main__":
    main(sys.argv[1:])
