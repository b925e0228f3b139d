"""How a run scales over processes: a model made from measured steps, and its check.

measure  trains a few steps of every stage's depth with two and with four micro-batches on one
         thread, and writes what a micro-batch and what the rest of a step take (JSON).
check    trains the same with 2 processes (and more, with --processes) and puts the measured step
         beside the modelled one.
table    for networks of a given bandwidth and latency: the efficiency of 1 to 64 processes, of a
         run from scratch and of the growing run, as Markdown.

A step of N processes takes  ceil(M / N) c + u + 2 (N - 1) (l + b / (N B)):  M micro-batches of c
seconds each, u seconds for what every process does alike (the update), and two exchanges of N - 1
messages, with b bytes of gradients, a bandwidth of B bytes and a latency of l seconds. Where N
processes share fewer cores, c and u are stretched by N / cores. The efficiency is T(1) / (N T(N)).
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

WARM_UP = 3
# name: bandwidth in bytes a second, latency in seconds; as such networks are sold, not measured
NETWORKS = {"1 Gbit/s": (1.25e8, 50e-6), "10 Gbit/s": (1.25e9, 30e-6), "100 Gbit/s": (1.25e10, 5e-6)}


def plan_of(apollo, config, overrides=()):
    words = [apollo, "plan", config, "--json"]
    for override in overrides:
        words += ["--set", override]
    return json.loads(subprocess.run(words, check=True, capture_output=True).stdout)


def seconds_of_steps(apollo, config, layers, micro_batches, steps, micro_batch_size, processes=1):
    """Median seconds of a step of `layers` layers from scratch, by the rows of its log."""
    with tempfile.TemporaryDirectory() as folder:
        overrides = ["progressive.method=scratch", f"model.layers={layers}", "run.threads=1",
                     f"train.micro_batch_size={micro_batch_size}", "eval.every=0 steps",
                     f"train.batch_size={micro_batches * micro_batch_size}",
                     f"train.duration={WARM_UP + steps} steps", "train.warmup=0 steps",
                     "checkpoint.every=0 steps", "data.valid=[]", "data.valid_fraction=0"]
        words = [apollo, "train", config, "--out", f"{folder}/run", "--processes", str(processes)]
        for override in overrides:
            words += ["--set", override]
        subprocess.run(words, check=True, capture_output=True)
        lines = (pathlib.Path(folder) / "run/metrics.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["event"] == "step"]
    tokens = rows[1]["tokens"] - rows[0]["tokens"]
    return statistics.median(tokens / row["tokens_per_s"] for row in rows[WARM_UP:])


def measure(arguments):
    plan = plan_of(arguments.apollo, arguments.config)
    depths = {}
    for stage in plan["stages"]:
        layers, rows = stage["layers"], arguments.micro_batch_size
        two, four = [], []
        for _ in range(arguments.rounds):  # in turn, so that both see the same machine
            two.append(seconds_of_steps(arguments.apollo, arguments.config, layers, 2,
                                        arguments.steps, rows))
            four.append(seconds_of_steps(arguments.apollo, arguments.config, layers, 4,
                                         arguments.steps, rows))
        micro = (statistics.median(four) - statistics.median(two)) / 2
        depths[layers] = {"parameters": stage["parameters"], "micro_batch_s": micro,
                          "rest_s": max(0.0, statistics.median(two) - 2 * micro)}
        print(f"{layers} layers: {1e3 * micro:.2f} ms a micro-batch, "
              f"{1e3 * depths[layers]['rest_s']:.2f} ms for the rest of a step", file=sys.stderr)
    result = {"config": str(arguments.config), "micro_batch_size": arguments.micro_batch_size,
              "stages": [{key: stage[key] for key in ("layers", "steps", "mean_depth")}
                         for stage in plan["stages"]], "depths": depths}
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def step_seconds(depth, processes, micro_batches, bandwidth, latency, cores=None):
    stretch = max(1.0, processes / cores) if cores else 1.0
    share = -(-micro_batches // processes)
    compute = stretch * (share * depth["micro_batch_s"] + depth["rest_s"])
    slice_s = 4.0 * depth["parameters"] / processes / bandwidth
    return compute + 2 * (processes - 1) * (latency + slice_s)


def check(arguments):
    measured = json.loads(arguments.measured.read_text())
    print(f"| layers | processes | measured | modelled | measured / modelled |\n|---:|---:|---:|---:|---:|")
    for layers, depth in measured["depths"].items():
        for processes in arguments.processes:
            seconds = statistics.median(
                seconds_of_steps(arguments.apollo, arguments.config, layers, arguments.micro_batches,
                                 arguments.steps, measured["micro_batch_size"], processes)
                for _ in range(arguments.rounds))
            model = step_seconds(depth, processes, arguments.micro_batches, arguments.bandwidth,
                                 arguments.latency, arguments.cores)
            print(f"| {layers} | {processes} | {1e3 * seconds:.1f} ms | {1e3 * model:.1f} ms "
                  f"| {seconds / model:.2f} |", flush=True)


def run_seconds(measured, layers_and_steps, processes, micro_batches, network):
    return sum(steps * step_seconds(measured["depths"][str(layers)], processes, micro_batches,
                                    *network)
               for layers, steps in layers_and_steps)


def table(arguments):
    measured = json.loads(arguments.measured.read_text())
    stages = [(stage["layers"], stage["steps"]) for stage in measured["stages"]]
    final = stages[-1][0]
    whole = [(final, sum(steps for _, steps in stages))]
    counts = [1, 2, 4, 8, 16, 32, 64]
    print("| network | run | " + " | ".join(map(str, counts)) + " |")
    print("|---|---|" + "---:|" * len(counts))
    for name, network in NETWORKS.items():
        for label, steps in (("from scratch", whole), ("growing", stages)):
            alone = run_seconds(measured, steps, 1, arguments.micro_batches, network)
            cells = [alone / (count * run_seconds(measured, steps, count, arguments.micro_batches,
                                                  network)) for count in counts]
            print(f"| {name} | {label} | " + " | ".join(f"{100 * cell:.0f} %" for cell in cells) + " |")
        ratios = [run_seconds(measured, stages, count, arguments.micro_batches, network) /
                  run_seconds(measured, whole, count, arguments.micro_batches, network)
                  for count in counts]
        print(f"| {name} | time of growing / scratch | " +
              " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apollo", default="build/apollo")
    parts = parser.add_subparsers(dest="part", required=True)
    for name in ("measure", "check"):
        part = parts.add_parser(name)
        part.add_argument("config", type=pathlib.Path)
        part.add_argument("--steps", type=int, default=12, help="of each training, after a warm-up")
        part.add_argument("--rounds", type=int, default=3)
        if name == "measure":
            part.add_argument("--micro-batch-size", type=int, default=4)
            part.add_argument("--out", type=pathlib.Path, required=True)
        else:
            part.add_argument("measured", type=pathlib.Path)
            part.add_argument("--processes", type=int, nargs="+", default=[2])
            part.add_argument("--cores", type=int, help="that the processes share")
            part.add_argument("--bandwidth", type=float, default=2e9, help="bytes a second")
            part.add_argument("--latency", type=float, default=50e-6, help="seconds")
            part.add_argument("--micro-batches", type=int, default=8)
    part = parts.add_parser("table")
    part.add_argument("measured", type=pathlib.Path)
    part.add_argument("--micro-batches", type=int, default=64)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    {"measure": measure, "check": check, "table": table}[arguments.part](arguments)


if __name__ == "__main__":
    main()
