"""Figures of `make bench` that need no other program: memory of a stage, start-up, `compare`."""

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
        bench_memory(args)
        bench_start(args, workspace)
        bench_compare(args, workspace)


if __name__ == "__main__":
    main()
