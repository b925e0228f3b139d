#!/usr/bin/env python3
"""What the tests of scoring and zero-shot evaluation compare with: the same by transformers, one
sequence at a time, without batches and padding.

    zero_shot_reference.py make DIR

writes random models with tiny vocabularies as DIR/bert, DIR/gpt2 and DIR/llama, whose texts begin
with a token of their own, and, for each NAME of these, DIR/NAME.blimp/*.jsonl, DIR/NAME.lambada.jsonl and DIR/NAME.json: lines with the log-probability of
each of their tokens, and what is to be found on the two tasks.
"""

import json
import pathlib
import random
import sys

import torch

CONTEXT = 20
WORDS = ["the", "a", "cat", "cats", "dog", "dogs", "runs", "run", "sees", "see", "who", "small",
         "old", "man", "men", "sleeps", "in", "house", "houses", "red", "box", "boxes"]
# Some of WORDS have two or three tokens.
PIECES = ["the", "a", "cat", "dog", "run", "see", "who", "small", "old", "man", "men", "sleep", "in",
          "house", "red", "box", "##s", "##e", ".", ","]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def randomize(model, scale):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_norm = ("norm" in name.lower() or "ln_" in name) and name.endswith("weight")
            parameter.copy_(is_norm + scale * torch.randn_like(parameter))
    return model.eval()


class Bert:
    name = "bert"
    max_tokens = CONTEXT - 2

    def __init__(self, folder):
        from tokenizers.implementations import BertWordPieceTokenizer
        from transformers import BertConfig, BertForMaskedLM

        vocabulary = SPECIAL + PIECES
        config = BertConfig(vocab_size=len(vocabulary), hidden_size=24, num_hidden_layers=2,
                            num_attention_heads=3, intermediate_size=96,
                            max_position_embeddings=CONTEXT)
        self.model = randomize(BertForMaskedLM(config), 0.3)
        with torch.no_grad():  # so that the likeliest token is one that text can hold
            self.model.cls.predictions.bias[:5] -= 8
        self.model.save_pretrained(folder)
        (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
        self.tokenizer = BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True)
        self.mask, self.cls, self.sep = (self.tokenizer.token_to_id(token)
                                         for token in ("[MASK]", "[CLS]", "[SEP]"))

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def tokens(self, text):
        return [self.tokenizer.id_to_token(i) for i in self.encode(text)]

    def log_p(self, ids, masked):
        """Of the tokens at the places `masked`, and whether each is the likeliest."""
        shown = [self.mask if i in masked else token for i, token in enumerate(ids)]
        logits = self.model(torch.tensor([[self.cls, *shown, self.sep]])).logits[0].double()
        log_p = logits.log_softmax(-1)
        return [(log_p[i + 1, ids[i]].item(), int(logits[i + 1].argmax()) == ids[i])
                for i in masked]

    def score(self, text):
        ids = self.encode(text)
        width = min(len(ids), self.max_tokens)
        found = []
        for i in range(len(ids)):
            begin = min(max(i - width // 2, 0), len(ids) - width)
            found.append(self.log_p(ids[begin:begin + width], [i - begin])[0][0])
        return found

    def last_word(self, text):
        ids = self.encode(text)
        target = len(ids) - len(self.encode(text.rsplit(" ", 1)[0]))
        ids = ids[-self.max_tokens:]
        return self.log_p(ids, range(len(ids) - target, len(ids)))


class Gpt2:
    name = "gpt2"
    special = ["<|endoftext|>"]

    def __init__(self, folder):
        from tokenizers import ByteLevelBPETokenizer

        self.tokenizer = ByteLevelBPETokenizer()
        self.tokenizer.train_from_iterator([" " + " ".join(WORDS) + " ."] * 9, vocab_size=330,
                                           min_frequency=1, special_tokens=self.special)
        self.start = self.tokenizer.token_to_id(self.special[0])
        self.model = self.make_model(self.tokenizer.get_vocab_size())
        with torch.no_grad():  # as above: bytes are never the likeliest
            self.model.get_input_embeddings().weight[:257] *= 0.05
        self.model.save_pretrained(folder)
        self.tokenizer.save(str(folder / "tokenizer.json"))

    def make_model(self, size):
        from transformers import GPT2Config, GPT2LMHeadModel

        return randomize(GPT2LMHeadModel(GPT2Config(
            n_layer=2, n_embd=24, n_head=3, vocab_size=size, n_positions=CONTEXT,
            bos_token_id=self.start, eos_token_id=self.start)), 0.3)

    begin = []  # before a passage

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def tokens(self, text):
        return [self.tokenizer.decode([i]) for i in self.encode(text)]

    def log_p(self, ids, first):
        """Of the tokens from `first` on."""
        logits = self.model(torch.tensor([ids[:-1]])).logits[0].double()
        log_p = logits.log_softmax(-1)
        return [(log_p[i - 1, ids[i]].item(), int(logits[i - 1].argmax()) == ids[i])
                for i in range(first, len(ids))]

    def score(self, text):
        ids = [self.start, *self.encode(text)]
        assert len(ids) <= CONTEXT + 1, "windows are tested in C++"
        return [log_p for log_p, _ in self.log_p(ids, 1)] if len(ids) > 1 else []

    def last_word(self, text):
        """As lm-evaluation-harness cuts and conditions it."""
        ids = self.encode(text)
        target = len(ids) - len(self.encode(text.rsplit(" ", 1)[0]))
        ids = [*self.begin, *ids][-(CONTEXT + 1):]
        return self.log_p(ids, len(ids) - target)


class Llama(Gpt2):
    name = "llama"
    special = ["<|begin_of_text|>", "<|end_of_text|>"]

    def __init__(self, folder):
        from tokenizers.processors import TemplateProcessing

        super().__init__(folder)
        self.begin = [self.start]
        self.tokenizer.post_processor = TemplateProcessing(
            single=f"{self.special[0]} $A", special_tokens=[(self.special[0], self.start)])
        self.tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps(
            {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": self.special[0],
             "eos_token": self.special[1]}))

    def make_model(self, size):
        from transformers import LlamaConfig, LlamaForCausalLM

        return randomize(LlamaForCausalLM(LlamaConfig(
            num_hidden_layers=2, hidden_size=24, num_attention_heads=3, intermediate_size=60,
            vocab_size=size, max_position_embeddings=CONTEXT, tie_word_embeddings=True,
            bos_token_id=0, eos_token_id=1)), 0.3)


def sentence(draw, length):
    return " ".join(draw.choices(WORDS, k=length))


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def blimp(model, draw, folder):
    folder.mkdir()
    expected = []
    for name in ("agreement", "binding"):
        rows = [{"sentence_good": sentence(draw, length), "sentence_bad": sentence(draw, length),
                 "UID": name} for length in (3, 4, 5, 6) * 5]
        # A sentence of several pairs, and a pair that cannot be told apart.
        rows[3]["sentence_bad"] = rows[0]["sentence_good"]
        rows[7] = {"sentence_good": "the cat", "sentence_bad": "the cat"}
        write_jsonl(folder / f"{name}.jsonl", rows)
        correct = sum(sum(model.score(row["sentence_good"])) > sum(model.score(row["sentence_bad"]))
                      for row in rows)
        expected.append({"name": name, "pairs": len(rows), "correct": correct})
    return expected


def lambada(model, draw, path):
    texts = []
    for i in range(24):
        context = sentence(draw, draw.choice((2, 5, 9, 14, 30)))
        words = WORDS if i % 2 == 0 else [draw.choice(WORDS)]
        word = max(words, key=lambda word: sum(p for p, _ in model.last_word(f"{context} {word}")))
        texts.append(f"{context} {word}")
    write_jsonl(path, [{"text": text} for text in texts])
    found = [model.last_word(text) for text in texts]
    correct = sum(all(is_top for _, is_top in word) for word in found)
    logprob = sum(log_p for word in found for log_p, _ in word) / len(found)
    return {"passages": len(found), "correct": correct, "logprob": logprob}


def make(folder):
    for seed, kind in enumerate((Bert, Gpt2, Llama)):
        torch.manual_seed(seed)
        draw = random.Random(seed)
        target = pathlib.Path(folder) / kind.name
        target.mkdir()
        model = kind(target)
        with torch.no_grad():
            lines = ["", "cat", *(sentence(draw, length) for length in (2, 3, 5, 5, 8))]
            if kind is Bert:
                lines += [sentence(draw, 40), "the strange cat."]
            expected = {
                "lines": [{"text": line, "tokens": model.tokens(line), "logprobs": model.score(line)}
                          for line in lines],
                "blimp": blimp(model, draw, pathlib.Path(folder) / f"{kind.name}.blimp"),
                "lambada": lambada(model, draw, pathlib.Path(folder) / f"{kind.name}.lambada.jsonl"),
            }
        (pathlib.Path(folder) / f"{kind.name}.json").write_text(json.dumps(expected, indent=1))


if __name__ == "__main__":
    {"make": make}[sys.argv[1]](*sys.argv[2:])
