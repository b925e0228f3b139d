#!/usr/bin/env python3
"""Makes a small tokenizer of a family with the package `tokenizers`, as that family's folders are.

    family_tokenizers.py FAMILY TEXT OUT    FAMILY: llama3, qwen or modernbert; TEXT: what it is
        trained on; OUT: a folder, which gets tokenizer.json and tokenizer_config.json

The pipelines are those of the published folders (meta-llama/Llama-3.2-1B, Qwen/Qwen3-0.6B,
answerdotai/ModernBERT-base): normaliser, patterns, flags of added tokens and where these stand,
template, decoder. The vocabulary has 4,096 entries before the added tokens.
"""

import json
import sys
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers

VOCAB_SIZE = 4096

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS = {"llama3": SPLIT % r"\p{N}{1,3}", "qwen": SPLIT % r"\p{N}"}


def pre_tokenizer(family):
    if family not in PATTERNS:
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERNS[family]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def special(*names):
    return [AddedToken(name, normalized=False, special=True) for name in names]


def added_tokens(family):
    if family == "llama3":
        return special("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>")
    if family == "qwen":
        ordinary = AddedToken("<tool_call>", normalized=False, special=False)
        return special("<|endoftext|>", "<|im_start|>", "<|im_end|>") + [ordinary]
    # Runs of white space and marks of removed text, looked for in normalised text.
    runs = [AddedToken(" " * n, normalized=True, special=False) for n in range(24, 1, -1)]
    marks = [AddedToken("|||IP_ADDRESS|||", normalized=True, special=False)]
    roles = special("[UNK]", "[CLS]", "[SEP]", "[PAD]")
    mask = [AddedToken("[MASK]", lstrip=True, normalized=False, special=True)]
    unused = [AddedToken("[unused0]", normalized=True, special=False)]
    return special("<|padding|>", "<|endoftext|>") + marks + runs + roles + mask + unused


def post_processor(family, tokenizer):
    if family == "qwen":
        return processors.ByteLevel(trim_offsets=False)
    names = ["<|begin_of_text|>"] if family == "llama3" else ["[CLS]", "[SEP]"]
    tokens = [(name, tokenizer.token_to_id(name)) for name in names]
    if family == "llama3":
        first = names[0]
        around = processors.TemplateProcessing(
            single=f"{first} $A", pair=f"{first} $A {first}:1 $B:1", special_tokens=tokens
        )
        return processors.Sequence([processors.ByteLevel(trim_offsets=False), around])
    return processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=tokens
    )


def config(family, tokenizer):
    roles = {
        "llama3": {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>"},
        "qwen": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        "modernbert": {
            name.lower() + "_token": f"[{name}]" for name in ("CLS", "MASK", "PAD", "SEP", "UNK")
        },
    }[family]
    keys = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
    decoder = {
        str(id): {key: getattr(token, key) for key in keys}
        for id, token in tokenizer.get_added_tokens_decoder().items()
    }
    name = "Qwen2Tokenizer" if family == "qwen" else "PreTrainedTokenizerFast"
    return {"tokenizer_class": name, "added_tokens_decoder": decoder, **roles}


def main(family, text_path, out):
    with open(text_path, encoding="utf-8", newline="") as file:
        text = file.read()
    tokenizer = Tokenizer(models.BPE(ignore_merges=family == "llama3"))
    if family != "llama3":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizer(family)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([text], trainer)
    tokenizer.add_tokens(added_tokens(family))
    tokenizer.post_processor = post_processor(family, tokenizer)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    text = json.dumps(config(family, tokenizer), indent=2)
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
