#!/usr/bin/env python3
"""What the packages `tokenizers` and `transformers` make of the same input, for the C++ tests.

    encode TOKENIZER TEXTS OUT [--no-special] [--bare]   TOKENIZER: a tokenizer.json, or a folder for
        AutoTokenizer; TEXTS: a JSON array of strings; OUT: {"ids": [[...]], "texts": [...],
        "texts_without_special": [...]}; --bare: nothing is put around the text
    pairs TOKENIZER TEXTS OUT                   every text alone and with the next one; OUT:
        {"ids": [[...]], "segment_ids": [[...]]}
    train TEXT VOCAB_SIZE OUT                   OUT: the tokenizer.json that `tokenizers` trains
    bert VOCAB OUT [--cased]                    OUT: tokenizer.json of BERT for this vocab.txt
    train-wordpiece TEXT VOCAB_SIZE FIRST OUT [--cased]   FIRST: a JSON array of the tokens that
        open the vocabulary (without it, `tokenizers` gives the characters ids in random order)
"""

import json
import sys
from pathlib import Path

def read_json(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_json(path, value):
    Path(path).write_text(json.dumps(value), encoding="utf-8")


def encode(tokenizer_path, texts_path, out_path, no_special, bare):
    texts = read_json(texts_path)
    if Path(tokenizer_path).is_dir():
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(tokenizer_path)
        ids = [
            tokenizer.encode(text, split_special_tokens=no_special, add_special_tokens=not bare)
            for text in texts
        ]
        decode = lambda row, skip: tokenizer.decode(
            row, skip_special_tokens=skip, clean_up_tokenization_spaces=False
        )
    else:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(tokenizer_path)
        tokenizer.encode_special_tokens = no_special
        ids = [tokenizer.encode(text, add_special_tokens=not bare).ids for text in texts]
        decode = lambda row, skip: tokenizer.decode(row, skip_special_tokens=skip)
    result = {
        "ids": ids,
        "texts": [decode(row, False) for row in ids],
        "texts_without_special": [decode(row, True) for row in ids],
    }
    write_json(out_path, result)


def pairs(tokenizer_path, texts_path, out_path):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(tokenizer_path)
    texts = read_json(texts_path)
    encodings = [tokenizer.encode(text) for text in texts]
    encodings += [tokenizer.encode(a, b) for a, b in zip(texts, texts[1:])]
    result = {
        "ids": [encoding.ids for encoding in encodings],
        "segment_ids": [encoding.type_ids for encoding in encodings],
    }
    write_json(out_path, result)


def read_text(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def train(text_path, vocab_size, out_path):
    from tokenizers import ByteLevelBPETokenizer

    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(
        [read_text(text_path)],
        vocab_size=int(vocab_size),
        min_frequency=2,
        special_tokens=["<|endoftext|>"],
        show_progress=False,
    )
    tokenizer.save(out_path)


def bert(vocab_path, out_path, cased):
    from tokenizers import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer(vocab_path, lowercase=not cased)
    tokenizer.save(out_path)


def train_wordpiece(text_path, vocab_size, first_path, out_path, cased):
    from tokenizers import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer(lowercase=not cased)
    tokenizer.train_from_iterator(
        [read_text(text_path)],
        vocab_size=int(vocab_size),
        min_frequency=2,
        limit_alphabet=1000,
        special_tokens=read_json(first_path),
        show_progress=False,
    )
    vocabulary = tokenizer.get_vocab()
    write_json(out_path, sorted(vocabulary, key=vocabulary.get))


def main(arguments):
    command, *rest = arguments
    flags = {argument for argument in rest if argument.startswith("--")}
    rest = [argument for argument in rest if argument not in flags]
    if command == "encode":
        encode(*rest, "--no-special" in flags, "--bare" in flags)
    elif command == "pairs":
        pairs(*rest)
    elif command == "train":
        train(*rest)
    elif command == "bert":
        bert(*rest, "--cased" in flags)
    else:
        train_wordpiece(*rest, "--cased" in flags)


if __name__ == "__main__":
    main(sys.argv[1:])
