"""Training steps of Apollo and of other programs in turn, on the same batches and threads.

Each program runs in a process of its own that waits while the others work. Printed for each peer:
the median time of a step, the median and the spread of the ratio within a round, and the peak
resident memory; with `transformers`, which starts from the same weights, also the largest
difference of the losses.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

# name: family, layers, width, heads, context, vocabulary, batch
SIZES = {
    "S": ("gpt2", 12, 128, 4, 128, 4096, 16),
    "M": ("gpt2", 12, 384, 6, 256, 8192, 8),
    "BERT": ("bert", 12, 256, 4, 128, 8192, 32),
}
PEERS = ["transformers", "plain", "transformers-compiled", "plain-compiled", "products"]
WARM_UP = 2
LR = 3e-4
HERE = pathlib.Path(__file__).parent


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=SIZES)
    parser.add_argument("--threads", nargs="+", type=int, default=[2])
    parser.add_argument("--peers", nargs="+", default=["transformers", "products"], choices=PEERS)
    parser.add_argument("--rounds", type=int, default=9)
    return parser.parse_args()


class Server:
    """A program that runs one step for each line that it reads."""

    def __init__(self, command, **environment):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **environment})

    def step(self, request=""):
        print(request, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def peak_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines()
                    if line.startswith("VmHWM")) / 1024

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def make_model(size, folder):
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    family, layers, width, heads, context, vocab, _ = size
    if family == "gpt2":
        model = transformers.GPT2LMHeadModel(transformers.GPT2Config(
            vocab_size=vocab, n_positions=context, n_embd=width, n_layer=layers, n_head=heads,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=None, eos_token_id=None))
    else:
        model = transformers.BertForMaskedLM(transformers.BertConfig(
            vocab_size=vocab, max_position_embeddings=context, hidden_size=width,
            num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=4 * width,
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, pad_token_id=None))
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


def run(args, name, threads, workspace):
    size = SIZES[name]
    folder, tokens = workspace / name, workspace / f"{name}.bin"
    if not folder.exists():
        make_model(size, folder)
        make_tokens(size, tokens)
    batch = size[6]
    # The environment that `apollo` gives its engine (src/cli/main.cpp).
    apollo = Server([args.build / "bench_step", folder, tokens, batch, threads, LR],
                    GOMP_SPINCOUNT="10000")
    peers = {kind: Server([sys.executable, HERE / "peer_step.py", kind, folder, batch, threads, LR])
             for kind in args.peers}
    ours, theirs, losses = [], {kind: [] for kind in peers}, []
    for round_number in range(WARM_UP + args.rounds):
        answer = apollo.step()
        request = json.dumps({key: answer[key] for key in ("inputs", "targets")})
        answers = {kind: peer.step(request) for kind, peer in peers.items()}
        if "transformers" in answers:
            losses.append(abs(answer["loss"] - answers["transformers"]["loss"]))
        if round_number >= WARM_UP:
            ours.append(answer["seconds"])
            for kind, found in answers.items():
                theirs[kind].append(found["seconds"])
    report(name, size, threads, apollo, ours, peers, theirs, losses)
    for server in (apollo, *peers.values()):
        server.close()


def report(name, size, threads, apollo, ours, peers, theirs, losses):
    family, layers, width, heads, context, vocab, batch = size
    print(f"\n{name}: {family} of {layers} layers, width {width}, {heads} heads, context {context}, "
          f"vocabulary {vocab}, batch {batch}, fp32, {threads} threads, {len(ours)} rounds")
    print(f"  {'':24}{'step':>9}{'Apollo is':>12}{'spread':>16}{'peak memory':>14}")
    print(f"  {'Apollo':24}{statistics.median(ours):7.3f} s{'':28}{apollo.peak_mib():10.0f} MiB")
    for kind, seconds in theirs.items():
        ratios = sorted(b / a for a, b in zip(ours, seconds))
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        print(f"  {kind:24}{statistics.median(seconds):7.3f} s{statistics.median(ratios):11.2f}x"
              f"{spread:>16}{peers[kind].peak_mib():10.0f} MiB")
    if losses:
        print(f"  largest difference of the losses from transformers over {len(losses)} steps:"
              f" {max(losses):.1e}")
    sys.stdout.flush()


def main():
    args = parse_arguments()
    args.build = args.build.resolve()
    with tempfile.TemporaryDirectory() as name:
        for size in args.sizes:
            for threads in args.threads:
                run(args, size, threads, pathlib.Path(name))


if __name__ == "__main__":
    main()
