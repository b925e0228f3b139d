"""Training steps of other programs, for bench_steps.py: the counterpart of bench_step.cpp.

    peer_step.py KIND MODEL_FOLDER BATCH THREADS LR [DEVICE [PRECISION]]

KIND is `transformers` (GPT2LMHeadModel, BertForMaskedLM, ModernBertForMaskedLM, LlamaForCausalLM or
Qwen3ForCausalLM), `plain` (GPT-2 or BERT written the plain way, after nanoGPT), either with
`-compiled` for torch.compile, or `products`: the matrix products and the attention of such a step
of GPT-2 or BERT alone, forward and backward. On a GPU, `-graphed` is torch.compile with CUDA graphs
(its mode "reduce-overhead"). Each line read from stdin
is a JSON object with `inputs` and `targets` and runs as many `steps` on them as it says (1); its
answer is one JSON line with the loss of the first (null for `products`), the mean seconds of a step
and the most memory of the GPU that was held so far. The optimizer is PyTorch's fused AdamW, with
decay on matrices alone, and gradients are clipped at 1. Precision `bf16` is automatic mixed
precision with float32 weights.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM
from transformers.utils import logging


def sizes_of(config):
    """layers, width, heads, vocabulary and context by either family's names."""
    return (config.num_hidden_layers, config.hidden_size, config.num_attention_heads,
            config.vocab_size, config.max_position_embeddings)


class PlainBlock(nn.Module):
    def __init__(self, width, heads, is_bert):
        super().__init__()
        self.heads, self.is_bert = heads, is_bert
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.inner, self.outer = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def attend(self, x):
        batch, length, width = x.shape
        q, k, v = (part.view(batch, length, self.heads, -1).transpose(1, 2)
                   for part in self.qkv(x).split(width, dim=2))
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=not self.is_bert)
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, width))

    def mlp(self, x):
        approximate = "none" if self.is_bert else "tanh"
        return self.outer(functional.gelu(self.inner(x), approximate=approximate))

    def forward(self, x):
        if self.is_bert:  # post-LN
            x = self.norm_1(x + self.attend(x))
            return self.norm_2(x + self.mlp(x))
        x = x + self.attend(self.norm_1(x))
        return x + self.mlp(self.norm_2(x))


class PlainModel(nn.Module):
    """Sizes and operations of the model in the folder; its weights are drawn afresh."""

    def __init__(self, config):
        super().__init__()
        layers, width, heads, vocab, context = sizes_of(config)
        self.is_bert = config.model_type == "bert"
        self.tokens, self.positions = nn.Embedding(vocab, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(PlainBlock(width, heads, self.is_bert) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        if self.is_bert:
            self.transform = nn.Linear(width, width)
            self.transform_norm = nn.LayerNorm(width)
            self.bias = nn.Parameter(torch.zeros(vocab))
        for parameter in self.parameters():
            if parameter.dim() >= 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, inputs):
        x = self.tokens(inputs) + self.positions.weight[: inputs.shape[1]]
        if self.is_bert:
            x = self.norm(x)
        for block in self.blocks:
            x = block(x)
        if not self.is_bert:
            return functional.linear(self.norm(x), self.tokens.weight)
        x = self.transform_norm(functional.gelu(self.transform(x)))
        return functional.linear(x, self.tokens.weight, self.bias)


class Stepper:
    def __init__(self, model, lr, kind, device, precision):
        self.model = model.train().to(device)
        self.device, self.mixed = device, precision == "bf16"
        parameters = list(model.parameters())
        self.optimizer = torch.optim.AdamW(
            [{"params": [p for p in parameters if p.dim() >= 2], "weight_decay": 0.1},
             {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0}],
            lr=lr, betas=(0.9, 0.95), fused=True)
        self.loss = self.plain_loss
        if kind.endswith("-compiled"):
            self.loss = torch.compile(self.plain_loss)
        if kind.endswith("-graphed"):
            self.loss = torch.compile(self.plain_loss, mode="reduce-overhead")

    def plain_loss(self, inputs, targets):
        with torch.autocast(self.device, torch.bfloat16, enabled=self.mixed):
            output = self.model(inputs)
            logits = output if torch.is_tensor(output) else output.logits
            return functional.cross_entropy(logits.flatten(0, 1), targets)

    def step(self, inputs, targets):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(inputs, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, foreach=True)
        self.optimizer.step()
        return loss.detach().clone() if self.device == "cuda" else loss.item()


class Products:
    """Every matrix product of a step of Apollo, and its attention, on tensors that are there already.
    Of the head, and of what follows attention in BERT's last block, the rows that have a target."""

    def __init__(self, config):
        self.layers, self.width, self.heads, self.vocab, _ = sizes_of(config)
        self.is_bert = config.model_type == "bert"

    def linear(self, rows, columns_in, columns_out):
        x = torch.randn(rows, columns_in)
        weight = torch.randn(columns_out, columns_in)
        grad = torch.randn(rows, columns_out)
        return lambda: (x @ weight.t(), grad @ weight, grad.t() @ x)

    def step(self, inputs, targets):
        batch, length = inputs.shape
        rows, width = batch * length, self.width
        targeted = int((targets != -100).sum())
        head_width = width // self.heads
        qkv = [torch.randn(batch, length, self.heads, head_width).transpose(1, 2)
               .requires_grad_() for _ in range(3)]
        mixed_grad = torch.randn(batch, length, self.heads, head_width).transpose(1, 2)

        def behind_attention(places):
            return [self.linear(places, width, width), self.linear(places, width, 4 * width),
                    self.linear(places, 4 * width, width)]

        qkv_product = self.linear(rows, width, 3 * width)
        inner_block = behind_attention(rows)
        last_block = behind_attention(targeted) if self.is_bert else inner_block
        head = [self.linear(targeted, width, self.vocab)]
        if self.is_bert:
            head.append(self.linear(targeted, width, width))
        start = time.perf_counter()
        for layer in range(self.layers):
            qkv_product()
            for product in last_block if layer + 1 == self.layers else inner_block:
                product()
            mixed = functional.scaled_dot_product_attention(*qkv, is_causal=not self.is_bert)
            torch.autograd.grad(mixed, qkv, mixed_grad)
        for product in head:
            product()
        self.seconds = time.perf_counter() - start


def make_stepper(kind, folder, lr, device, precision):
    config = AutoConfig.from_pretrained(folder)
    if not kind.startswith("transformers") and config.model_type not in ("gpt2", "bert"):
        sys.exit(f"'{kind}' is of GPT-2 and BERT only")
    if kind == "products":
        return Products(config)
    if kind.startswith("transformers"):
        masked = config.model_type in ("bert", "modernbert")
        family = AutoModelForMaskedLM if masked else AutoModelForCausalLM
        model = family.from_pretrained(folder)
        model.config.use_cache = False
    else:
        model = PlainModel(config)
    return Stepper(model, lr, kind, device, precision)


def wait_for(device):
    if device == "cuda":
        torch.cuda.synchronize()


def main():
    kind, folder, batch, threads, lr = sys.argv[1:6]
    device, precision = (sys.argv[6:] + ["cpu", "fp32"][len(sys.argv) - 6:])[:2]
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.manual_seed(0)
    torch.set_num_threads(int(threads))
    stepper = make_stepper(kind, folder, float(lr), device, precision)
    for line in sys.stdin:
        given = json.loads(line)
        inputs = torch.tensor(given["inputs"]).view(int(batch), -1)
        targets = torch.tensor(given["targets"])
        steps = given.get("steps", 1)
        wait_for(device)
        start = time.perf_counter()
        losses = [stepper.step(inputs.to(device), targets.to(device)) for _ in range(steps)]
        wait_for(device)
        seconds = getattr(stepper, "seconds", (time.perf_counter() - start) / steps)
        held = torch.cuda.max_memory_reserved() if device == "cuda" else 0
        print(json.dumps({"loss": float(losses[0]) if losses[0] is not None else None,
                          "seconds": seconds, "device_bytes": held}), flush=True)


if __name__ == "__main__":
    main()
