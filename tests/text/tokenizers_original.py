#!/usr/bin/env python3
"""What the packages `tokenizers` and `transformers` make of the same input, for the C++ tests.

    encode TOKENIZER TEXTS OUT [--no-special] [--bare] [--bytes] [--auto]   TOKENIZER: a
        tokenizer.json, or a folder, which every class of `transformers` for it must read alike
        (with --auto AutoTokenizer alone is asked, since its files differ); TEXTS: a JSON array of
        strings; OUT: {"ids": [[...]], "texts": [...], "texts_without_special": [...]}; --bare:
        nothing is put around the text; --bytes: a text's characters are bytes, perhaps no UTF-8
    auto CASES OUT                              by AutoTokenizer; CASES: [{"folder": F, "texts":
        [...], "bare": true or false}]; OUT: for each {"ids": [[...]], "roles": {"eos_token": ID}}
    pairs FOLDER TEXTS OUT                      by BertTokenizerFast: every text alone and with the
        next one, whole and cut to several lengths; OUT: [{"max_length": N or null, "ids": [[...]],
        "segment_ids": [[...]]}]
    train TEXT VOCAB_SIZE OUT [--llama3 | --qwen] [--masked]   OUT: the tokenizer.json that
        `tokenizers` trains, cut as GPT-2 or those; --masked: with BERT's special tokens and NFC
    bert VOCAB OUT [--cased] [--strip-accents | --keep-accents]   OUT: tokenizer.json of BERT for
        this vocab.txt
    train-wordpiece TEXT VOCAB_SIZE FIRST OUT [--cased]   FIRST: a JSON array of the tokens that
        open the vocabulary (without it, `tokenizers` gives the characters ids in random order)
"""

import json
import os
import sys
from pathlib import Path

# `transformers` starts twice as fast without it, and tokenizers do not need it.
sys.modules["torch"] = None
# Its advice to install it, and on sequences that no model could read.
os.environ["TRANSFORMERS_VERBOSITY"] = "error"


def read_json(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_json(path, value):
    Path(path).write_text(json.dumps(value), encoding="utf-8")


def load_folder(folder, auto_alone):
    """The folder as every class reads it that a user may take; AutoTokenizer's is the first."""
    import transformers

    if auto_alone:
        return [transformers.AutoTokenizer.from_pretrained(folder)]

    is_bert = (Path(folder) / "vocab.txt").exists()
    names = ["AutoTokenizer", "BertTokenizerFast" if is_bert else "GPT2TokenizerFast"]
    if (Path(folder) / "tokenizer.json").exists():
        names.append("PreTrainedTokenizerFast")
    return [getattr(transformers, name).from_pretrained(folder) for name in names]


def encode_with_transformers(folder, texts, no_special, bare, auto_alone):
    tokenizers = load_folder(folder, auto_alone)
    first, *others = [
        tokenizer(texts, split_special_tokens=no_special, add_special_tokens=not bare)["input_ids"]
        for tokenizer in tokenizers
    ]
    for tokenizer, ids in zip(tokenizers[1:], others):
        if ids != first:
            raise SystemExit(f"{type(tokenizer).__name__} and AutoTokenizer disagree on {folder}")

    def decode(ids, skip):
        return tokenizers[0].batch_decode(
            ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False
        )

    return first, decode


def encode_with_tokenizers(path, texts, no_special, bare, _):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(path)
    tokenizer.encode_special_tokens = no_special
    encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=not bare)
    return [encoding.ids for encoding in encodings], lambda ids, skip: tokenizer.decode_batch(
        ids, skip_special_tokens=skip
    )


def encode(tokenizer_path, texts_path, out_path, flags):
    texts = read_json(texts_path)
    if "--bytes" in flags:
        texts = [text.encode("latin-1").decode("utf-8", "replace") for text in texts]
    function = encode_with_tokenizers
    if Path(tokenizer_path).is_dir():
        function = encode_with_transformers
    asked = ["--no-special" in flags, "--bare" in flags, "--auto" in flags]
    ids, decode = function(tokenizer_path, texts, *asked)
    result = {"ids": ids, "texts": decode(ids, False), "texts_without_special": decode(ids, True)}
    write_json(out_path, result)


def auto(cases_path, out_path):
    import transformers

    names = [f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask")]
    results = []
    for case in read_json(cases_path):
        tokenizer = transformers.AutoTokenizer.from_pretrained(case["folder"])
        encoded = tokenizer(case["texts"], add_special_tokens=not case["bare"])
        roles = {name: getattr(tokenizer, name + "_id") for name in names}
        roles = {name: id for name, id in roles.items() if id is not None}
        results.append({"ids": encoded["input_ids"], "roles": roles})
    write_json(out_path, results)


def pairs(folder, texts_path, out_path):
    from transformers import BertTokenizerFast

    tokenizer = BertTokenizerFast.from_pretrained(folder)
    texts = read_json(texts_path)
    result = []
    for max_length in (None, 3, 4, 5, 6, 9, 16, 31, 64):
        options = {"truncation": max_length is not None, "max_length": max_length}
        rows = tokenizer(texts, **options), tokenizer(texts[:-1], texts[1:], **options)
        result.append(
            {
                "max_length": max_length,
                "ids": [ids for row in rows for ids in row["input_ids"]],
                "segment_ids": [ids for row in rows for ids in row["token_type_ids"]],
            }
        )
    write_json(out_path, result)


def read_text(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def train(text_path, vocab_size, out_path, flags):
    from family_tokenizers import pre_tokenizer
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers import trainers

    kind = "llama3" if "--llama3" in flags else "qwen" if "--qwen" in flags else "gpt2"
    masked = "--masked" in flags
    tokenizer = Tokenizer(models.BPE(ignore_merges=kind == "llama3"))
    if masked or kind == "qwen":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizer(kind)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] if masked else ["<|endoftext|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=int(vocab_size),
        min_frequency=2,
        special_tokens=[
            AddedToken(name, lstrip=name == "[MASK]", normalized=False, special=True)
            for name in special
        ],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([read_text(text_path)], trainer)
    tokenizer.save(out_path)


def bert(vocab_path, out_path, flags):
    from tokenizers import BertWordPieceTokenizer

    strip_accents = None
    if "--strip-accents" in flags:
        strip_accents = True
    elif "--keep-accents" in flags:
        strip_accents = False
    tokenizer = BertWordPieceTokenizer(
        vocab_path, lowercase="--cased" not in flags, strip_accents=strip_accents
    )
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
        encode(*rest, flags)
    elif command == "auto":
        auto(*rest)
    elif command == "pairs":
        pairs(*rest)
    elif command == "train":
        train(*rest, flags)
    elif command == "bert":
        bert(*rest, flags)
    else:
        train_wordpiece(*rest, "--cased" in flags)


if __name__ == "__main__":
    main(sys.argv[1:])
