"""Figures of `make bench` that need no other program, in parts to choose from: `memory` of a stage,
`start` of a run, `costs` of growth, checkpoints and logging, `compare`."""

import argparse
import json
import os
import pathlib
import random
import statistics
import struct
import subprocess
import tempfile
import time

from bench_steps import SIZES

PARTS = ["memory", "start", "costs", "compare"]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


def bench_memory(args):
    print("memory of a stage: parameters, gradients and moments (GPT-2 small's sizes)")
    for layers in (1, 3, 6, 12):
        row = json.loads(subprocess.run(
            [args.build / "bench_memory", "768", "12", "1024", "50257", "12", str(layers)],
            check=True, capture_output=True, text=True).stdout)
        expected = 16 * row["parameters"]
        print(f"  {layers:2} layers: {row['resident_bytes'] / 2**20:7.0f} MiB resident,"
              f" {expected / 2**20:7.0f} MiB is 16 bytes a parameter"
              f" ({row['resident_bytes'] / expected:.3f})")


CONFIG = """
[run]
threads = {threads}
[data]
train = ["text.txt"]
valid_fraction = 0.01
tokenizer = "train:{tokenizer}:{vocab}"
cache = "cache"
[model]
architecture = "{family}"
layers = {layers}
width = {width}
heads = {heads}
context = {context}
[train]
duration = "{steps} steps"
batch_size = {batch}
micro_batch_size = {batch}
[eval]
every = "0 steps"
max_tokens = 4096
[checkpoint]
every = "5 %"
[progressive]
method = "{method}"
"""


def write_text(path):
    draw = random.Random(0)
    words = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 9))) for _ in range(12_000)]
    path.write_text("\n".join(" ".join(draw.choices(words, k=12)) for _ in range(30_000)))


def write_config(args, workspace, name, **keys):
    family, layers, width, heads, context, vocab, batch = SIZES[name]
    path = workspace / f"{name}.toml"
    path.write_text(CONFIG.format(
        threads=args.threads, tokenizer="wordpiece" if family == "bert" else "bpe", vocab=vocab,
        family=family, layers=layers, width=width, heads=heads, context=context, batch=batch,
        **keys))
    return path


def bench_start(args, workspace):
    print(f"\n| start to the end of the first step, {args.threads} threads | data prepared | with "
          "preparing the data |\n|---|---|---|")
    for name in SIZES:
        config = write_config(args, workspace, name, steps=1, method="scratch")
        seconds = []
        for i in range(6):
            start = time.perf_counter()
            process = subprocess.Popen(
                [args.build / "apollo", "train", config, "--out", workspace / f"{name}-{i}"],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for line in process.stderr:
                if line.startswith("step      1"):
                    seconds.append(time.perf_counter() - start)
                    break
            process.stderr.read()
            process.wait()
        print(f"| {name} | {statistics.median(seconds[1:]):.2f} s | {seconds[0]:.2f} s |", flush=True)


def step_times(run):
    """When each step had been logged, in the seconds of a clock: from the event file."""
    data = b"".join(path.read_bytes() for path in sorted(run.glob("events.*")))
    times, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        event = data[at + 12:at + 12 + length]
        if b"train/tokens_per_s" in event:  # the last value of a step
            times.append(struct.unpack_from("<d", event, 1)[0])
        at += 12 + length + 4
    return times


# Of the run that the costs are for: steps, growths and checkpoints.
COSTS_OF = {"steps": 2000, "growths": 3, "checkpoints": 5}


def bench_costs(args, workspace, steps=200):
    """What a run at S does beside its steps. A shorter run has the same stages, so the same mean
    step; single growths, checkpoints and log lines cost what they cost in the longer one."""
    run = workspace / "costs"
    subprocess.run([args.build / "apollo", "train",
                    write_config(args, workspace, "S", steps=steps, method="apollo"), "--out", run],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rows = [json.loads(line) for line in open(run / "metrics.jsonl")]
    tokens = next(row["tokens_per_step"] for row in rows if row["event"] == "start")
    seconds = [tokens / row["tokens_per_s"] for row in rows if row["event"] == "step"]
    times = step_times(run)
    # Time from one logged step to the next that is not of the step itself.
    beside = {i + 1: times[i] - times[i - 1] - seconds[i] for i in range(1, steps)}
    grown = [row["step"] + 1 for row in rows if row["event"] == "grow"]
    saved = {int(row["path"][-8:]) + 1 for row in rows if row["event"] == "checkpoint"}
    growths = [beside[step] for step in grown]
    lines = [cost for step, cost in beside.items()
             if step not in saved and step - 1 not in saved and step not in grown]
    checkpoints = [row for row in rows if row["event"] == "checkpoint"]
    copies = statistics.mean(row["seconds"] for row in checkpoints)
    writes = statistics.mean(row["write_s"] for row in checkpoints)
    line, growth = statistics.mean(lines), statistics.mean(growths)
    whole = COSTS_OF["steps"] * statistics.mean(seconds)
    costs = {
        f"{COSTS_OF['growths']} growths with their probes": (growth, COSTS_OF["growths"]),
        f"{COSTS_OF['checkpoints']} checkpoints, training stands still":
            (copies, COSTS_OF["checkpoints"]),
        f"{COSTS_OF['checkpoints']} checkpoints, written beside training":
            (writes, COSTS_OF["checkpoints"]),
        f"{COSTS_OF['steps']} log rows": (line, COSTS_OF["steps"]),
    }
    print(f"\n| beside {COSTS_OF['steps']} steps at S, {args.threads} threads | each | share of "
          f"{whole:.0f} s |\n|---|---|---|")
    for name, (cost, count) in costs.items():
        print(f"| {name} | {1000 * cost:.3f} ms | {100 * cost * count / whole:.3f} % |")
    total = sum(cost * count for cost, count in costs.values())
    print(f"| all together | | {100 * total / whole:.3f} % |", flush=True)


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
        write_text(workspace / "text.txt")
        if "memory" in args.parts:
            bench_memory(args)
        if "start" in args.parts:
            bench_start(args, workspace)
        if "costs" in args.parts:
            bench_costs(args, workspace)
        if "compare" in args.parts:
            bench_compare(args, workspace)


if __name__ == "__main__":
    main()
