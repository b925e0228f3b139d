#!/usr/bin/env python3
"""The originals that the fine-tuning tests compare with: the sequence classifiers of transformers.

    classifier_reference.py make DIR              random bodies of odd sizes: DIR/bert, a bare BertModel
                                                  with pooler; DIR/bert_lm, a BertForMaskedLM without;
                                                  DIR/gpt2, DIR/llama, DIR/qwen3, DIR/modernbert, bare
                                                  models; DIR/modernbert_lm, a ModernBertForMaskedLM;
                                                  DIR/bert/pooler.safetensors: the pooler's output for
                                                  two rows
    classifier_reference.py logits DIR ROWS OUT   loads a classifier's folder with its tokenizer, refuses
                                                  missing or unexpected weights, and writes the logits of
                                                  ROWS (JSON: a list of [text] or [text, pair], in one
                                                  padded batch, cut to what the tokenizer says); prints what it knows of the labels
"""

import json
import sys

import torch
from safetensors.torch import save_file

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def shake(model):
    """Norms and biases away from 1 and 0, and weights large enough that nothing is linear."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not ("norm" in name.lower() or "ln_" in name) or name.endswith("bias"):
                parameter.copy_(0.2 * torch.randn_like(parameter))


def make(folder):
    from transformers import (BertConfig, BertForMaskedLM, BertModel, GPT2Config, GPT2Model,
                              LlamaConfig, LlamaModel, ModernBertConfig, ModernBertForMaskedLM,
                              ModernBertModel, Qwen3Config, Qwen3Model)

    torch.manual_seed(1)
    words = SPECIAL + [f"w{i}" for i in range(40)] + [f"##c{i}" for i in range(5)]
    config = BertConfig(vocab_size=len(words), hidden_size=60, num_hidden_layers=3,
                        num_attention_heads=4, intermediate_size=100, max_position_embeddings=24)
    # A window of 3 to each side, which rows of padding alone do not fill.
    modern = ModernBertConfig(vocab_size=len(words), hidden_size=60, num_hidden_layers=4,
                              num_attention_heads=6, intermediate_size=90, max_position_embeddings=24,
                              local_attention=6, pad_token_id=0, bos_token_id=None, eos_token_id=None,
                              cls_token_id=2, sep_token_id=3)
    for name, kind, config in (("bert", BertModel, config), ("bert_lm", BertForMaskedLM, config),
                               ("modernbert", ModernBertModel, modern),
                               ("modernbert_lm", ModernBertForMaskedLM, modern)):
        model = kind(config)
        shake(model)
        model.save_pretrained(f"{folder}/{name}")
        with open(f"{folder}/{name}/vocab.txt", "w") as file:
            file.write("\n".join(words) + "\n")
    model = GPT2Model(GPT2Config(vocab_size=257, n_embd=36, n_layer=2, n_head=3, n_positions=40))
    shake(model)
    model.save_pretrained(f"{folder}/gpt2")
    sizes = dict(vocab_size=257, hidden_size=36, intermediate_size=50, num_hidden_layers=2,
                 num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=40,
                 bos_token_id=None, eos_token_id=256, pad_token_id=None)
    for name, kind, config in (("llama", LlamaModel, LlamaConfig(head_dim=10, **sizes)),
                               ("qwen3", Qwen3Model, Qwen3Config(head_dim=12, **sizes))):
        model = kind(config)
        shake(model)
        model.save_pretrained(f"{folder}/{name}")


def logits(folder, rows, out):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model, info = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    for problem, names in info.items():
        if names:
            sys.exit(f"{folder}: {problem}: {names}")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with open(rows) as file:
        columns = [list(column) for column in zip(*json.load(file))]
    batch = tokenizer(*columns, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        save_file({"logits": model.eval()(**batch).logits.contiguous()}, out)
    config = model.config
    print(type(model).__name__, config.problem_type, config.num_labels, config.id2label,
          config.label2id, config.pad_token_id)


if __name__ == "__main__":
    {"make": make, "logits": logits}[sys.argv[1]](*sys.argv[2:])
