"""The figures of `make bench`: what it asserts is nothing, what it prints is ratios.

Steps of Apollo and of `transformers` are run in turn, on the same weights, batches and threads.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--vocab", type=int, default=8192)
    parser.add_argument("--batch", type=int, default=8)
    return parser.parse_args()


def print_ratio(name, ours, theirs):
    ratios = sorted(b / a for a, b in zip(ours, theirs))
    print(
        f"{name}: Apollo {statistics.median(ours):.3f} s, transformers"
        f" {statistics.median(theirs):.3f} s; Apollo is {statistics.median(ratios):.2f}x as fast"
        f" (median of {len(ratios)} pairs, {ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


class ApolloStepper:
    """bench_step as a server: one line in, one step."""

    def __init__(self, args, folder, tokens, lr):
        self.process = subprocess.Popen(
            [args.build / "bench_step", folder, tokens, str(args.batch), str(args.threads), str(lr)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )

    def step(self):
        print(file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class TransformersStepper:
    """GPT2LMHeadModel in eager mode with PyTorch's fused AdamW, decay on matrices alone."""

    def __init__(self, args, model, lr):
        import torch

        self.torch = torch
        torch.set_num_threads(args.threads)
        self.shape = (args.batch, args.context)
        self.model = model.train()
        groups = [
            {"params": [p for p in model.parameters() if p.dim() >= 2], "weight_decay": 0.1},
            {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95), fused=True)

    def step(self, inputs, targets):
        torch = self.torch
        inputs = torch.tensor(inputs).view(self.shape)
        targets = torch.tensor(targets)
        start = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.model(inputs, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, foreach=True)
        self.optimizer.step()
        value = loss.item()
        return value, time.perf_counter() - start


def bench_step(args, workspace):
    import numpy
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=args.vocab, n_positions=args.context, n_embd=args.width, n_layer=args.layers,
        n_head=args.heads, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        bos_token_id=None, eos_token_id=None,
    )
    model = transformers.GPT2LMHeadModel(config)
    folder = workspace / "model"
    model.save_pretrained(folder)
    tokens = workspace / "tokens.bin"
    rng = numpy.random.default_rng(0)
    # Zipf's law makes losses move as on text.
    ids = numpy.minimum(rng.zipf(1.2, size=200_000), args.vocab) - 1
    ids.astype("<u2").tofile(tokens)

    lr = 3e-4
    ours, theirs, differences = [], [], []
    apollo = ApolloStepper(args, folder, tokens, lr)
    peer = TransformersStepper(args, model, lr)
    for round_number in range(args.rounds + 2):
        answer = apollo.step()
        loss, seconds = peer.step(answer["inputs"], answer["targets"])
        differences.append(abs(loss - answer["loss"]))
        if round_number >= 2:  # warm-up
            ours.append(answer["seconds"])
            theirs.append(seconds)
    apollo.close()
    print(
        f"training step, GPT-2 of {args.layers} layers, width {args.width}, context {args.context},"
        f" vocabulary {args.vocab}, batch {args.batch}, fp32, {args.threads} threads"
    )
    print_ratio("  step", ours, theirs)
    print(f"  largest difference of the two losses over {len(differences)} steps:"
          f" {max(differences):.1e}")


def bench_memory(args):
    print("\nmemory of a stage: parameters, gradients and moments (GPT-2 small's sizes)")
    for layers in (1, 3, 6, 12):
        row = json.loads(subprocess.run(
            [args.build / "bench_memory", "768", "12", "1024", "50257", "12", str(layers)],
            check=True, capture_output=True, text=True).stdout)
        expected = 16 * row["parameters"]
        print(f"  {layers:2} layers: {row['resident_bytes'] / 2**20:7.0f} MiB resident,"
              f" {expected / 2**20:7.0f} MiB is 16 bytes a parameter"
              f" ({row['resident_bytes'] / expected:.3f})")


def bench_start(args, workspace):
    text = workspace / "text.txt"
    text.write_text("".join(f"line {i} of a text made up for timing\n" for i in range(200_000)))
    config = workspace / "start.toml"
    config.write_text(f"""
[run]
threads = {args.threads}
[data]
train = ["text.txt"]
valid_fraction = 0.01
tokenizer = "train:bpe:512"
cache = "{workspace / 'cache'}"
[model]
layers = 12
width = 128
heads = 4
context = 128
[train]
duration = "1 steps"
batch_size = 8
[eval]
every = "0 steps"
max_tokens = 1024
[progressive]
method = "scratch"
""")
    seconds = []
    for i in range(6):
        out = workspace / f"start-{i}"
        start = time.perf_counter()
        process = subprocess.Popen([args.build / "apollo", "train", config, "--out", out],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            if line.startswith("step      1"):
                seconds.append(time.perf_counter() - start)
                break
        process.stderr.read()
        process.wait()
    print(f"\nstart to the end of the first step, data prepared: {statistics.median(seconds[1:]):.2f}"
          f" s (median of {len(seconds) - 1}); with preparing the data: {seconds[0]:.2f} s")


def bench_compare(args, workspace):
    runs = workspace / "made-up"
    subprocess.run([args.build / "write_made_up_runs", runs, "100000"], check=True,
                   stdout=subprocess.DEVNULL)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([args.build / "apollo", "compare", runs / "scratch", runs / "apollo",
                        "--html", workspace / "page.html"], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    rows = sum(1 for name in ("scratch", "apollo") for _ in open(runs / name / "metrics.jsonl"))
    print(f"\ncompare of two runs, {rows} rows, with the page: {statistics.median(seconds):.2f} s"
          f" (median of {len(seconds)})")


def main():
    args = parse_arguments()
    args.build = args.build.resolve()
    with tempfile.TemporaryDirectory() as name:
        workspace = pathlib.Path(name)
        bench_step(args, workspace)
        bench_memory(args)
        bench_start(args, workspace)
        bench_compare(args, workspace)


if __name__ == "__main__":
    main()
