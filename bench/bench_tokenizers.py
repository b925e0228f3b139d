"""Apollo's tokenizers beside the package `tokenizers`: time, peak memory, compression.

Both work in turn, in processes of their own, on the same text and number of threads. Ours is timed
from the start of `apollo` to its end, reading and writing included; theirs by the calls alone
(encode_batch or encode_batch_fast, whichever is faster here; train), which is in their favour.
Memory is the peak of the whole process (resident).

Every round takes the next part of the text, so that all rounds together cover much of it; memory
and compression of trained vocabularies are measured on the whole text. Prints a Markdown table.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
END = "<|endoftext|>"
BERT_SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--text", type=pathlib.Path,
                        help="plain text; default: mix-medium of the example data, else the demo's")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=12, help="of text in a round")
    parser.add_argument("--vocab", type=int, default=8192, help="of the tokenizers to be trained")
    parser.add_argument("--out", type=pathlib.Path, help="file for the table, too")
    return parser.parse_args()


# The peers' functions run in processes of their own, which answer with one line of JSON.


def documents(path):
    """Documents without their end; one in memory at a time."""
    lines = []
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        for line in file:
            if line.rstrip("\n") != END:
                lines.append(line)
            elif lines:
                yield "".join(lines)
                lines = []
    if lines:
        yield "".join(lines)


def batches(texts, size):
    batch, length = [], 0
    for text in texts:
        batch.append(text)
        length += len(text)
        if length >= size:
            yield batch
            batch, length = [], 0
    if batch:
        yield batch


def peer_encode(tokenizer_path, text_path, batch_size):
    """All documents in batches of `batch_size` characters; 0: in one call."""
    from array import array

    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(tokenizer_path)
    probe, length = [], 0
    for text in documents(text_path):
        probe.append(text[:20_000])
        length += len(probe[-1])
        if length > 200_000:
            break

    def timed(function, texts):
        start = time.perf_counter()
        result = function(texts, add_special_tokens=False)
        return time.perf_counter() - start, result

    functions = [tokenizer.encode_batch]
    if hasattr(tokenizer, "encode_batch_fast"):
        functions.append(tokenizer.encode_batch_fast)
    best = min(functions, key=lambda function: timed(function, probe)[0])
    ids, seconds = array("i"), 0.0
    for batch in batches(documents(text_path), int(batch_size) or 1 << 60):
        taken, encodings = timed(best, batch)
        seconds += taken
        for encoding in encodings:
            ids.extend(encoding.ids)
    return {"seconds": seconds, "tokens": len(ids)}


def peer_train(kind, vocab_size, text_path, out):
    from tokenizers import BertWordPieceTokenizer, ByteLevelBPETokenizer

    is_bpe = kind == "bpe"
    tokenizer = ByteLevelBPETokenizer() if is_bpe else BertWordPieceTokenizer()
    start = time.perf_counter()
    tokenizer.train([text_path], vocab_size=int(vocab_size), min_frequency=2, show_progress=False,
                    special_tokens=[END] if is_bpe else BERT_SPECIALS)
    seconds = time.perf_counter() - start
    tokenizer.save(out)
    return {"seconds": seconds}


def peer_bert(vocab, out):
    from tokenizers import BertWordPieceTokenizer

    BertWordPieceTokenizer(vocab).save(out)
    return {}


def run_measured(command, threads=None):
    """Output, seconds and peak MiB of a process (not less than what this one has, so: little)."""
    environment = dict(os.environ)
    if threads:
        environment |= {"RAYON_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true"}
    start = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], env=environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # Neither writes enough to fill a pipe while the other is read.
    output, errors = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"bench: {' '.join(map(str, command))} failed:\n{output}{errors}")
    return output, seconds, usage.ru_maxrss / 1024


def run_peer(threads, *words):
    output, _, memory = run_measured([sys.executable, __file__, "--peer", *words], threads)
    return json.loads(output) | {"memory": memory}


class Apollo:
    def __init__(self, program, workspace):
        self.program = program
        self.workspace = workspace

    def encode(self, tokenizer, text, threads):
        out = self.workspace / "dataset"
        output, seconds, memory = run_measured(
            [self.program, "prepare", "--json", "--threads", threads, "--tokenizer", tokenizer,
             "--out", out, text])
        shutil.rmtree(out)
        dataset = json.loads(output)["datasets"][0]
        return {"seconds": seconds, "memory": memory, "bytes": dataset["text_bytes"],
                "tokens": dataset["tokens"] - dataset["documents"]}

    def train(self, kind, vocab_size, text, threads, out):
        _, seconds, memory = run_measured(
            [self.program, "tokenizer", "train", "--kind", kind, "--vocab-size", vocab_size,
             "--threads", threads, "--out", out, text])
        return {"seconds": seconds, "memory": memory}

    def bytes_per_token(self, tokenizer, text):
        row = self.encode(tokenizer, text, 0)
        return row["bytes"] / row["tokens"]


def unpack(path, workspace):
    out = workspace / path.name.removesuffix(".xz")
    with open(out, "wb") as file:
        subprocess.run(["xz", "-dc", path], check=True, stdout=file)
    return out


def find_texts(args, workspace):
    """(training text, held-out text, what they are, folder of the example data)."""
    data = pathlib.Path(os.environ.get("APOLLO_DATA", ROOT / ".." / "shared" / "data"))
    corpus = data / "corpus"
    if not args.text and (corpus / "mix-medium.train.txt.xz").exists():
        return (unpack(corpus / "mix-medium.train.txt.xz", workspace),
                unpack(corpus / "mix-medium.valid.txt.xz", workspace), "mix-medium", data)
    text = args.text
    if not text:
        print("bench: no example data and no --text: taking the demo's text", file=sys.stderr)
        text = ROOT / ".demo" / "text.txt"
        subprocess.run([ROOT / "scripts" / "demo_text.sh", text], check=True)
    train, valid = workspace / "train.txt", workspace / "valid.txt"
    size = os.path.getsize(text)
    with open(text, "rb") as source, open(train, "wb") as first, open(valid, "wb") as last:
        written = 0
        for line in source:
            (first if written < 0.95 * size else last).write(line)
            written += len(line)
    return train, valid, str(text), data


def cut_parts(text, workspace, args):
    """Consecutive parts of the text, one a round, cut at line ends."""
    size = min(int(args.megabytes * 1e6), os.path.getsize(text) // args.rounds)
    parts = []
    with open(text, "rb") as source:
        for i in range(args.rounds):
            parts.append(workspace / f"part-{i}.txt")
            with open(parts[-1], "wb") as part:
                written = 0
                for line in source:
                    written += part.write(line)
                    if written >= size:
                        break
    return parts


def find_tokenizers(data, apollo, text, workspace, args):
    """{name: (ours, theirs)}: a folder or file that each reads."""
    gpt2, bert = data / "tokenizers/gpt2", data / "tokenizers/bert-base-uncased/vocab.txt"
    if gpt2.exists() and bert.exists():
        run_peer(1, "bert", bert, workspace / "bert.json")
        return {"GPT-2": (gpt2, gpt2 / "tokenizer.json"),
                "BERT": (workspace / "bert.json", workspace / "bert.json")}
    print("bench: the vocabularies of GPT-2 and BERT are absent: taking trained ones",
          file=sys.stderr)
    found = {}
    for kind in ("bpe", "wordpiece"):
        folder = workspace / f"stand-in-{kind}"
        apollo.train(kind, args.vocab, text, 0, folder)
        found[f"{kind} of {args.vocab}"] = (folder / "tokenizer.json", folder / "tokenizer.json")
    return found


def in_turn(rounds, ours, theirs):
    """Rows of both for every round; who comes first alternates."""
    rows = []
    for i in range(rounds):
        if i % 2 == 0:
            first = ours(i)
            rows.append((first, theirs(i)))
        else:
            second = theirs(i)
            rows.append((ours(i), second))
    return rows


class Table:
    def __init__(self):
        self.lines = []
        self.write("| what | Apollo | `tokenizers` | ratio |")
        self.write("|---|---|---|---|")

    def write(self, line):
        self.lines.append(line)
        print(line, flush=True)

    def add(self, what, ours, theirs, ratio):
        self.write(f"| {what} | {ours} | {theirs} | {ratio} |")

    def add_seconds(self, what, rows):
        ours, theirs = zip(*((a["seconds"], b["seconds"]) for a, b in rows))
        ratios = sorted(b / a for a, b in zip(ours, theirs))
        spread = f" ({ratios[0]:.1f} to {ratios[-1]:.1f})" if len(ratios) > 1 else ""
        self.add(what, f"{statistics.median(ours):.2f} s", f"{statistics.median(theirs):.2f} s",
                 f"{statistics.median(ratios):.1f}x as fast{spread}")

    def add_memory(self, what, ours, theirs):
        self.add(what, f"{ours:.0f} MiB", f"{theirs:.0f} MiB", f"{ours / theirs:.2f}")


def thread_counts(args):
    return sorted({1, args.threads})


def plural(threads):
    return f"{threads} thread" + ("s" if threads > 1 else "")


def bench_encode(args, table, apollo, tokenizers, parts):
    megabytes = os.path.getsize(parts[0]) / 1e6
    for name, (ours, theirs) in tokenizers.items():
        for threads in thread_counts(args):
            rows = in_turn(args.rounds, lambda i: apollo.encode(ours, parts[i], threads),
                           lambda i: run_peer(threads, "encode", theirs, parts[i], 0))
            for mine, peer in rows:
                if mine["tokens"] != peer["tokens"]:
                    print(f"bench: {name}: we find {mine['tokens']} tokens, they {peer['tokens']}",
                          file=sys.stderr)
            table.add_seconds(f"encode with {name}'s, {plural(threads)}", rows)
        peak = max(mine["memory"] for mine, _ in rows)
        one_call = max(peer["memory"] for _, peer in rows)
        calls = run_peer(threads, "encode", theirs, parts[0], 1_000_000)["memory"]
        what = f"peak memory, {name}'s, {plural(threads)}"
        table.add_memory(f"{what}; `tokenizers`: one call for {megabytes:.0f} MB", peak, one_call)
        table.add_memory(f"{what}; `tokenizers`: calls of 1 MB or one document", peak, calls)


def bench_train(args, table, apollo, text, held_out, parts, workspace):
    megabytes = os.path.getsize(text) / 1e6
    for kind, name in (("bpe", "BPE"), ("wordpiece", "WordPiece")):
        ours, theirs = workspace / f"ours-{kind}", workspace / f"theirs-{kind}.json"
        for threads in thread_counts(args):
            rows = in_turn(
                args.rounds,
                lambda i: apollo.train(kind, args.vocab, parts[i], threads, ours),
                lambda i: run_peer(threads, "train", kind, args.vocab, parts[i], theirs))
            table.add_seconds(f"train {name} of {args.vocab}, {plural(threads)}", rows)
        mine = apollo.train(kind, args.vocab, text, threads, ours)
        peer = run_peer(threads, "train", kind, args.vocab, text, theirs)
        what = f"train {name} on all {megabytes:.0f} MB"
        table.add_seconds(f"{what}, {plural(threads)}, once", [(mine, peer)])
        table.add_memory(f"{what}: peak memory", mine["memory"], peer["memory"])
        mine, peer = (apollo.bytes_per_token(path, held_out) for path in (ours, theirs))
        table.add(f"{what}: bytes per token of held-out text", f"{mine:.4f}", f"{peer:.4f}",
                  f"{100 * (mine / peer - 1):+.3f} %")


def main():
    args = parse_arguments()
    build = args.build.resolve()
    table = Table()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        workspace = pathlib.Path(name)
        apollo = Apollo(build / "apollo", workspace)
        text, held_out, source, data = find_texts(args, workspace)
        parts = cut_parts(text, workspace, args)
        tokenizers = find_tokenizers(data, apollo, text, workspace, args)
        bench_encode(args, table, apollo, tokenizers, parts)
        bench_train(args, table, apollo, text, held_out, parts, workspace)
        size = os.path.getsize(parts[0]) / 1e6
    table.write("")
    table.write(f"Text: {source}. Medians of {args.rounds} rounds, each on the next"
                f" {size:.0f} MB of it; the ratio with its range. Apollo: whole processes, files"
                f" read and written; `tokenizers`:"
                f" the calls alone. Memory: peak of the whole process.")
    print(f"bench: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    if args.out:
        args.out.write_text("\n".join(table.lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peers = {"encode": peer_encode, "train": peer_train, "bert": peer_bert}
        print(json.dumps(peers[sys.argv[2]](*sys.argv[3:])))
    else:
        main()
