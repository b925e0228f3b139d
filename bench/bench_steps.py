"""Training steps of Apollo and of other programs in turn, on the same batches and threads.

Each program runs in a process of its own that waits while the others work. Printed as Markdown, in
parts to choose from:

peers    for each peer the median time of a step, the median and the spread of the ratio within a
         round, the peak resident memory, and the times from its start to the beginning and to the
         end of its first step, in which a compiled peer compiles;
         with `transformers`, which starts from the same weights, also the largest difference of the
         losses. Compiled peers find an empty cache at the first number of threads.
depth    a step of 1 layer against one of 12 at M, and the ratio of their FLOPs
threads  a step at M on 1 and on 2 threads
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

# name: family, layers, width, heads, context, vocabulary, batch
SIZES = {
    "S": ("gpt2", 12, 128, 4, 128, 4096, 16),
    "M": ("gpt2", 12, 384, 6, 256, 8192, 8),
    "BERT": ("bert", 12, 256, 4, 128, 8192, 32),
    "L": ("llama", 12, 384, 6, 256, 8192, 8),
    "Q": ("qwen3", 12, 384, 6, 256, 8192, 8),
    "MB": ("modernbert", 12, 256, 4, 128, 8192, 32),
    # For GPUs.
    "GPT-2": ("gpt2", 12, 768, 12, 1024, 50304, 16),
    "BERT-base": ("bert", 12, 768, 12, 512, 30528, 32),
}
# Of Llama and Qwen3: heads of keys and values, and the MLP's inner width.
KV_HEADS, GATED_INNER = 2, 1024
CPU_SIZES = ["S", "M", "BERT"]
PEERS = ["transformers", "plain", "transformers-compiled", "plain-compiled", "plain-graphed",
         "products", "apollo-libtorch",  # Apollo with LibTorch's BLAS
         "apollo-reference",  # Apollo with run.kernels = "reference"
         "apollo-launched"]  # Apollo without CUDA graphs
PARTS = ["peers", "depth", "threads"]
WARM_UP = 2
LR = 3e-4
HERE = pathlib.Path(__file__).parent


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--sizes", nargs="+", default=CPU_SIZES, choices=SIZES)
    parser.add_argument("--threads", nargs="+", type=int, default=[2])
    parser.add_argument("--peers", nargs="+", default=["transformers", "products"], choices=PEERS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--dropout", type=float, default=0.0,
                        help="of Apollo and `transformers`; the plain module has none")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--steps", type=int, default=1,
                        help="of each program in a round; with more than one their losses differ")
    return parser.parse_args()


class Server:
    """A program that runs one step for each line that it reads."""

    def __init__(self, command, **environment):
        self.started, self.begins, self.ends = time.perf_counter(), None, None
        self.device_bytes = 0
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **environment})

    def step(self, request=""):
        print(request, file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        if self.ends is None:
            self.ends = time.perf_counter() - self.started
            self.begins = self.ends - answer["seconds"]
        self.device_bytes = answer.get("device_bytes", 0)
        return answer

    def peak_mib(self):
        """Of the GPU's memory where it works there, else resident."""
        if self.device_bytes > 0:
            return self.device_bytes / 2**20
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines()
                    if line.startswith("VmHWM")) / 1024

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:  # torch.compile's workers can outlive their work
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def make_model(size, folder, dropout):
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    family, layers, width, heads, context, vocab, _ = size
    if family == "gpt2":
        model = transformers.GPT2LMHeadModel(transformers.GPT2Config(
            vocab_size=vocab, n_positions=context, n_embd=width, n_layer=layers, n_head=heads,
            resid_pdrop=dropout, embd_pdrop=dropout, attn_pdrop=dropout, bos_token_id=None,
            eos_token_id=None))
    elif family in ("llama", "qwen3"):
        config, kind = {"llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
                        "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM)}[family]
        model = kind(config(
            vocab_size=vocab, max_position_embeddings=context, hidden_size=width,
            num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=KV_HEADS,
            head_dim=width // heads, intermediate_size=GATED_INNER, attention_dropout=dropout,
            bos_token_id=None, eos_token_id=None, pad_token_id=None))
    else:
        sizes = dict(vocab_size=vocab, max_position_embeddings=context, hidden_size=width,
                     num_hidden_layers=layers, num_attention_heads=heads, pad_token_id=None)
        if family == "bert":
            model = transformers.BertForMaskedLM(transformers.BertConfig(
                intermediate_size=4 * width, hidden_dropout_prob=dropout,
                attention_probs_dropout_prob=dropout, **sizes))
        else:
            model = transformers.ModernBertForMaskedLM(transformers.ModernBertConfig(
                intermediate_size=3 * width // 2, embedding_dropout=dropout,
                attention_dropout=dropout, mlp_dropout=dropout, bos_token_id=None,
                eos_token_id=None, cls_token_id=None, sep_token_id=None, **sizes))
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        words += [f"t{i}" for i in range(vocab - len(words))]
        folder.mkdir()
        (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    model.save_pretrained(folder)


def make_tokens(size, path):
    import numpy

    vocab, num_special = size[5], 5
    # Zipf's law makes losses move as on text.
    ids = numpy.random.default_rng(0).zipf(1.2, size=200_000) - 1
    (num_special + ids % (vocab - num_special)).astype("<u2").tofile(path)


def prepare(args, name, size, workspace):
    folder, tokens = workspace / name, workspace / f"{name}.bin"
    if not folder.exists():
        make_model(size, folder, args.dropout)
        make_tokens(size, tokens)
    return folder, tokens


def start_apollo(args, name, size, threads, workspace, *options):
    folder, tokens = prepare(args, name, size, workspace)
    # The environment that `apollo` gives its engine (src/cli/main.cpp).
    return Server([args.build / "bench_step", folder, tokens, size[6], threads, LR, "--device",
                   args.device, "--precision", args.precision, *options], GOMP_SPINCOUNT="10000")


def start_peer(args, kind, name, size, threads, workspace):
    if kind == "apollo-libtorch":
        return start_apollo(args, name, size, threads, workspace, "--matmul", "libtorch")
    if kind == "apollo-reference":
        return start_apollo(args, name, size, threads, workspace, "--kernels", "reference")
    if kind == "apollo-launched":
        return start_apollo(args, name, size, threads, workspace, "--no-graphs")
    return Server([sys.executable, HERE / "peer_step.py", kind, workspace / name, size[6], threads,
                   LR, args.device, args.precision], TORCHINDUCTOR_CACHE_DIR=str(workspace / "inductor"))


def bench_peers(args, name, threads, workspace):
    size = SIZES[name]
    # One after the other: what a program needs until its first step is its own time.
    apollo = start_apollo(args, name, size, threads, workspace)
    answer, peers, ours, theirs, losses = apollo.step(args.steps), {}, [], {}, []
    for round_number in range(WARM_UP + args.rounds):
        if round_number > 0:
            answer = apollo.step(args.steps)
        request = json.dumps({**{key: answer[key] for key in ("inputs", "targets")},
                              "steps": args.steps})
        answers = {}
        for kind in args.peers:
            if kind not in peers:
                peers[kind] = start_peer(args, kind, name, size, threads, workspace)
            ours_too = kind.startswith("apollo-")
            answers[kind] = peers[kind].step(args.steps if ours_too else request)
        if "transformers" in answers and args.dropout == 0.0 and args.steps == 1:
            losses.append(abs(answer["loss"] - answers["transformers"]["loss"]))
        if round_number >= WARM_UP:
            ours.append(answer["seconds"])
            for kind, found in answers.items():
                theirs.setdefault(kind, []).append(found["seconds"])
    report(args, name, threads, apollo, ours, peers, theirs, losses)
    for server in (apollo, *peers.values()):
        server.close()


def spread(ratios):
    return f"{statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"


def where(args, threads):
    if args.device == "cpu":
        return f"{threads} thread{'s' if threads > 1 else ''}"
    import torch
    return torch.cuda.get_device_name()


def seconds_text(seconds):
    return f"{seconds:.3f} s" if seconds >= 0.1 else f"{1000 * seconds:.2f} ms"


def report(args, name, threads, apollo, ours, peers, theirs, losses):
    family, layers, width, heads, context, vocab, batch = SIZES[name]
    print(f"\n**{name}**: {family} of {layers} layers, width {width}, {heads} heads, context {context}, "
          f"vocabulary {vocab}, batch {batch}, dropout {args.dropout}, "
          f"{args.precision}, {where(args, threads)}, {len(ours)} rounds"
          f"{f' of {args.steps} steps' if args.steps > 1 else ''}\n")
    print("| | step | its time by Apollo's (range) | peak memory | Apollo's by its | "
          "first step begins | ends |")
    print("|---|---|---|---|---|---|---|")
    peak = apollo.peak_mib()
    print(f"| Apollo | {seconds_text(statistics.median(ours))} | | {peak:.0f} MiB | | "
          f"{apollo.begins:.1f} s | {apollo.ends:.1f} s |")
    for kind, seconds in theirs.items():
        ratios = [b / a for a, b in zip(ours, seconds)]
        memory = ("| |" if kind == "products" else
                  f"{peers[kind].peak_mib():.0f} MiB | {peak / peers[kind].peak_mib():.2f} |")
        first = ("|" if kind == "products" else
                 f"{peers[kind].begins:.1f} s | {peers[kind].ends:.1f} s")
        print(f"| {kind} | {seconds_text(statistics.median(seconds))} | {spread(ratios)} | {memory} "
              f"{first} |")
    if losses:
        print(f"\nLargest difference of the losses from transformers over {len(losses)} steps: "
              f"{max(losses):.1e}.")
    sys.stdout.flush()


def bench_pair(args, first, second):
    """Rounds of one step of each, the answers of both."""
    pairs = [(first.step(args.steps), second.step(args.steps))
             for _ in range(WARM_UP + args.rounds)][WARM_UP:]
    first.close()
    second.close()
    return pairs


def bench_depth(args, threads, workspace):
    name = "M" if args.device == "cpu" else "GPT-2"
    size = SIZES[name]
    shallow_size = (size[0], 1, *size[2:])
    pairs = bench_pair(args, start_apollo(args, name, size, threads, workspace),
                       start_apollo(args, f"{name}-1", shallow_size, threads, workspace))
    times = [shallow["seconds"] / deep["seconds"] for deep, shallow in pairs]
    flops = pairs[0][1]["flops"] / pairs[0][0]["flops"]
    print(f"\nA step of 1 layer by one of 12 at {name}, {where(args, threads)}: FLOPs {flops:.4f}, time "
          f"{statistics.median(times):.4f} ({min(times):.4f} to {max(times):.4f}): "
          f"{statistics.median(times) / flops:.2f} times the ratio of FLOPs", flush=True)


def bench_threads(args, workspace):
    size = SIZES["M"]
    pairs = bench_pair(args, start_apollo(args, "M", size, 1, workspace),
                       start_apollo(args, "M", size, 2, workspace))
    ratios = [one["seconds"] / two["seconds"] for one, two in pairs]
    print(f"\nTwo threads at M: {spread(ratios)} as fast as one", flush=True)


def main():
    args = parse_arguments()
    args.build = args.build.resolve()
    with tempfile.TemporaryDirectory() as name:
        workspace = pathlib.Path(name)
        if "peers" in args.parts:
            for size in args.sizes:
                for threads in args.threads:
                    bench_peers(args, size, threads, workspace)
        if "depth" in args.parts:
            for threads in args.threads:
                bench_depth(args, threads, workspace)
        if "threads" in args.parts:
            bench_threads(args, workspace)


if __name__ == "__main__":
    main()
