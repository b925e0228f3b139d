#!/usr/bin/env python3
"""The originals that the model tests compare with: transformers' GPT-2, BERT, ModernBERT, Llama and
Qwen3 and the safetensors package.

    hf_reference.py make DIR             random GPT-2s of odd sizes as folders DIR/NAME, and beside each
                                         DIR/NAME.safetensors: inputs, targets, logits, mean loss and
                                         every parameter's gradient, computed in float64
    hf_reference.py make_bert DIR        the same with BERTs; also segments and documents, and -100
                                         where a position has no target
    hf_reference.py make_decoders DIR    the same with Llamas and Qwen3s, folders in bf16 and in shards too
    hf_reference.py make_modernbert DIR  the same with ModernBERTs, folders as above and of a classifier
    hf_reference.py logits DIR IN OUT    loads a folder, refuses missing or unexpected weights, and
                                         writes the logits for the `inputs` of IN
    hf_reference.py logits64 IN OUT DIR...   the same of several folders, in float64, by number
    hf_reference.py tensors OUT          a file with one tensor of each type
    hf_reference.py same A B             fails unless both files hold the same tensors, bit for bit
"""

import importlib.metadata
import sys

import torch
from safetensors.torch import load_file, save_file

# What the tests ask for is spelt otherwise in transformers 4.
IS_VERSION_4 = importlib.metadata.version("transformers").startswith("4.")

# name: layers, width, heads, vocabulary, context, sequences, length
SIZES = {
    "five_layers": (5, 60, 4, 97, 33, 3, 29),
    "one_head": (2, 10, 1, 13, 7, 2, 7),
    "one_token": (1, 8, 2, 5, 3, 1, 1),
    "wide_context": (3, 36, 3, 301, 70, 2, 70),
}


# name: layers, width, heads, vocabulary, context, inner width, token types, sequences, length,
# documents in a sequence
BERT_SIZES = {
    "five_layers": (5, 60, 4, 97, 33, 240, 2, 3, 29, 1),
    "one_head": (2, 10, 1, 13, 9, 40, 2, 2, 9, 1),
    "odd_inner": (3, 36, 3, 301, 40, 50, 3, 2, 37, 1),
    "packed": (2, 24, 2, 50, 20, 96, 2, 4, 20, 3),
}


# name: model type, layers, width, heads, kv heads, head_dim, inner width, vocabulary, context,
# sequences, length, whether tied, rope
LLAMA3_ROPE = {"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0,
               "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
DECODER_SIZES = {
    "llama": ("llama", 5, 60, 6, 2, 10, 100, 97, 33, 3, 29, False, None),
    "llama_tied": ("llama", 2, 24, 3, 3, 8, 33, 13, 7, 2, 7, True, None),
    "llama_scaled": ("llama", 2, 32, 4, 1, 12, 50, 41, 300, 1, 300, False, LLAMA3_ROPE),
    "qwen3": ("qwen3", 5, 60, 6, 2, 12, 100, 97, 33, 3, 29, False, None),
    "qwen3_tied": ("qwen3", 1, 20, 5, 5, 4, 64, 31, 70, 2, 70, True,
                   {"rope_type": "default", "rope_theta": 1e6}),
}


# name: layers, width, heads, inner width, vocabulary, context, local_attention, every which block is
# global, sequences, length, documents in a sequence
MODERNBERT_SIZES = {
    "five_layers": (5, 60, 6, 90, 97, 33, 12, 3, 3, 29, 1),
    "one_layer": (1, 20, 2, 33, 13, 9, 4, 3, 2, 9, 1),
    "all_global": (3, 24, 3, 50, 31, 20, 8, 1, 2, 20, 1),
    "long": (4, 32, 4, 48, 41, 300, 75, 2, 1, 300, 1),
    "packed": (3, 24, 2, 40, 50, 150, 20, 3, 2, 150, 3),
}


def shake(model):
    """Norms and biases away from 1 and 0, and weights large enough that nothing is linear."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            if ("ln_" in name or "norm" in name.lower()) and name.endswith("weight"):
                parameter.copy_(1 + 0.2 * noise)
            else:
                parameter.copy_((0.3 if name.endswith("bias") else 0.15) * noise)
    return model


def random_gpt2(layers, width, heads, vocab_size, context):
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(n_layer=layers, n_embd=width, n_head=heads, vocab_size=vocab_size,
                        n_positions=context, bos_token_id=0, eos_token_id=0)
    return shake(GPT2LMHeadModel(config).eval())


def random_bert(layers, width, heads, vocab_size, context, inner, token_types):
    from transformers import BertConfig, BertForMaskedLM

    # Without pad_token_id, whose embedding `transformers` gives no gradient.
    config = BertConfig(num_hidden_layers=layers, hidden_size=width, num_attention_heads=heads,
                        vocab_size=vocab_size, max_position_embeddings=context,
                        intermediate_size=inner, type_vocab_size=token_types, pad_token_id=None)
    return shake(BertForMaskedLM(config).eval())


def rope_keys(rope):
    if rope is None:
        return {}
    if not IS_VERSION_4:
        return {"rope_parameters": rope}
    scaling = {key: value for key, value in rope.items() if key != "rope_theta"}
    return {"rope_theta": rope["rope_theta"],
            **({} if rope["rope_type"] == "default" else {"rope_scaling": scaling})}


def random_decoder(kind, layers, width, heads, kv_heads, head_dim, inner, vocab_size, context, tied,
                   rope):
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

    make_config, make_model = {"llama": (LlamaConfig, LlamaForCausalLM),
                               "qwen3": (Qwen3Config, Qwen3ForCausalLM)}[kind]
    config = make_config(num_hidden_layers=layers, hidden_size=width, num_attention_heads=heads,
                         num_key_value_heads=kv_heads, head_dim=head_dim, intermediate_size=inner,
                         vocab_size=vocab_size, max_position_embeddings=context,
                         tie_word_embeddings=tied, bos_token_id=0, eos_token_id=1, pad_token_id=None,
                         **rope_keys(rope))
    return shake(make_model(config).eval())


def random_modernbert(layers, width, heads, inner, vocab_size, context, span, every):
    from transformers import ModernBertConfig, ModernBertForMaskedLM

    # Without pad_token_id, whose embedding `transformers` gives no gradient.
    config = ModernBertConfig(num_hidden_layers=layers, hidden_size=width, num_attention_heads=heads,
                              intermediate_size=inner, vocab_size=vocab_size,
                              max_position_embeddings=context, local_attention=span,
                              global_attn_every_n_layers=every, pad_token_id=None,
                              bos_token_id=None, eos_token_id=None, cls_token_id=None,
                              sep_token_id=None)
    return shake(ModernBertForMaskedLM(config).eval())


def reference(model, inputs, targets, **more):
    model = model.double()
    logits = model(inputs, **more).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    loss.backward()
    result = {"inputs": inputs, "targets": targets, "logits": logits.detach(), "loss": loss.detach()}
    for name, parameter in model.named_parameters():
        result["grad." + name] = parameter.grad
    return result


def make(folder):
    for seed, (name, (layers, width, heads, vocab, context, rows, length)) in enumerate(SIZES.items()):
        torch.manual_seed(seed)
        model = random_gpt2(layers, width, heads, vocab, context)
        model.save_pretrained(f"{folder}/{name}")
        model.transformer.save_pretrained(f"{folder}/{name}.bare")
        inputs = torch.randint(vocab, (rows, length))
        targets = torch.randint(vocab, (rows, length))
        save_file(reference(model, inputs, targets), f"{folder}/{name}.safetensors")
    model = random_gpt2(4, 48, 3, 200, 16)
    model.save_pretrained(f"{folder}/sharded", max_shard_size="100KB")


def make_bert(folder):
    from transformers import BertModel

    for seed, (name, sizes) in enumerate(BERT_SIZES.items()):
        layers, width, heads, vocab, context, inner, types, rows, length, documents = sizes
        torch.manual_seed(seed)
        model = random_bert(layers, width, heads, vocab, context, inner, types)
        model.save_pretrained(f"{folder}/{name}")
        bare = BertModel(model.config)
        bare.load_state_dict(model.bert.state_dict(), strict=False)
        bare.save_pretrained(f"{folder}/{name}.bare")
        inputs = torch.randint(vocab, (rows, length))
        segments = torch.randint(types, (rows, length))
        targets = torch.randint(vocab, (rows, length))
        targets[torch.rand(rows, length) < 0.7] = -100
        owners = torch.randint(documents, (rows, length)).sort().values
        visible = owners[:, None, :, None] == owners[:, None, None, :]
        # transformers 4 adds the axis of the heads by itself.
        result = reference(model, inputs, targets, token_type_ids=segments,
                           attention_mask=visible[:, 0].long() if IS_VERSION_4 else visible)
        result.update(segments=segments, documents=owners)
        save_file(result, f"{folder}/{name}.safetensors")


def make_decoders(folder):
    for seed, (name, sizes) in enumerate(DECODER_SIZES.items()):
        kind, layers, width, heads, kv, head, inner, vocab, context, rows, length, tied, rope = sizes
        torch.manual_seed(seed)
        model = random_decoder(kind, layers, width, heads, kv, head, inner, vocab, context, tied, rope)
        model.save_pretrained(f"{folder}/{name}")
        model.model.save_pretrained(f"{folder}/{name}.bare")
        model.save_pretrained(f"{folder}/{name}.sharded", max_shard_size="20KB")
        inputs = torch.randint(vocab, (rows, length))
        targets = torch.randint(vocab, (rows, length))
        rough = random_decoder(kind, layers, width, heads, kv, head, inner, vocab, context, tied, rope)
        rough = rough.to(torch.bfloat16)
        rough.save_pretrained(f"{folder}/{name}.bf16")
        # Loaded anew, since bf16 would round the angles too.
        rough = type(rough).from_pretrained(f"{folder}/{name}.bf16", dtype=torch.float32).double()
        with torch.no_grad():
            rough_logits = rough(inputs).logits
        save_file({**reference(model, inputs, targets), "bf16_logits": rough_logits},
                  f"{folder}/{name}.safetensors")


def make_modernbert(folder):
    from transformers import ModernBertForSequenceClassification

    for seed, (name, sizes) in enumerate(MODERNBERT_SIZES.items()):
        *shape, rows, length, documents = sizes
        vocab, span = shape[4], shape[6]
        torch.manual_seed(seed)
        model = random_modernbert(*shape)
        model.save_pretrained(f"{folder}/{name}")
        model.model.save_pretrained(f"{folder}/{name}.bare")
        model.save_pretrained(f"{folder}/{name}.sharded", max_shard_size="20KB")
        classifier = ModernBertForSequenceClassification(model.config)
        classifier.model.load_state_dict(model.model.state_dict())
        classifier.head.load_state_dict(model.head.state_dict())
        classifier.save_pretrained(f"{folder}/{name}.classifier")
        inputs = torch.randint(vocab, (rows, length))
        targets = torch.randint(vocab, (rows, length))
        targets[torch.rand(rows, length) < 0.7] = -100
        owners = torch.randint(documents, (rows, length)).sort().values
        visible = owners[:, None, :, None] == owners[:, None, None, :]
        places = torch.arange(length)
        near = (places[:, None] - places[None, :]).abs() <= span // 2
        # Where there is one document, the masks are those that the model makes.
        masks = {"full_attention": visible, "sliding_attention": visible & near}
        more = {"attention_mask": masks} if documents > 1 else {}
        if more and IS_VERSION_4:  # makes its masks of positions that are no padding
            added = [torch.zeros(mask.shape, dtype=torch.float64).masked_fill(~mask, -1e300)
                     for mask in masks.values()]
            model.model._update_attention_mask = lambda *_, **__: added
            more = {}
        rough = random_modernbert(*shape).to(torch.bfloat16)
        rough.save_pretrained(f"{folder}/{name}.bf16")
        # Loaded anew, since bf16 would round the angles too.
        rough = type(rough).from_pretrained(f"{folder}/{name}.bf16", dtype=torch.float32).double()
        with torch.no_grad():
            rough_logits = rough(inputs).logits
        save_file({**reference(model, inputs, targets, **more), "documents": owners,
                   "bf16_logits": rough_logits}, f"{folder}/{name}.safetensors")


def load(folder):
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

    masked = AutoConfig.from_pretrained(folder).model_type in ("bert", "modernbert")
    model, info = (AutoModelForMaskedLM if masked else AutoModelForCausalLM).from_pretrained(
        folder, output_loading_info=True)
    for problem, names in info.items():
        if names:
            sys.exit(f"{folder}: {problem}: {names}")
    return model.eval()


def logits(folder, inputs, out):
    model = load(folder)
    with torch.no_grad():
        save_file({"logits": model(load_file(inputs)["inputs"]).logits}, out)
    print(f"{model.config.num_hidden_layers} layers, bos {model.config.bos_token_id}, "
          f"eos {model.config.eos_token_id}")


def logits64(inputs, out, *folders):
    tokens = load_file(inputs)["inputs"]
    with torch.no_grad():
        save_file({str(i): load(folder).double()(tokens).logits for i, folder in enumerate(folders)},
                  out)


def tensors(out):
    torch.manual_seed(7)
    numbers = 100 * torch.randn(3, 5)
    types = {"f64": torch.float64, "f32": torch.float32, "f16": torch.float16,
             "bf16": torch.bfloat16, "i64": torch.int64, "i32": torch.int32, "bool": torch.bool}
    values = {name: numbers.to(dtype) for name, dtype in types.items()}
    values["u8"] = numbers.abs().clamp(max=255).to(torch.uint8)
    values["scalar"] = torch.tensor(-1.5)
    values["empty"] = torch.zeros(0, 4)
    values["naïve \"name\""] = torch.arange(3)
    save_file(values, out, metadata={"format": "pt"})


def same(first, second):
    a, b = load_file(first), load_file(second)
    if a.keys() != b.keys():
        sys.exit(f"names differ: {sorted(a)} and {sorted(b)}")
    for name in a:
        if a[name].dtype != b[name].dtype or not torch.equal(a[name], b[name]):
            sys.exit(f"tensor '{name}' differs")


if __name__ == "__main__":
    {"make": make, "make_bert": make_bert, "make_decoders": make_decoders,
     "make_modernbert": make_modernbert, "logits": logits, "logits64": logits64, "tensors": tensors,
     "same": same}[sys.argv[1]](*sys.argv[2:])
