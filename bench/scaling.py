"""How a run scales over processes: measured on this machine, and modelled for networks.

all      everything below at once, on made-up text, in some minutes: the tables of
         docs/distributed.md. --quick goes through the same with a step or two of each.
speed    at the sizes S and M of bench_steps.py: a step of 1 process with 1 thread, 1 with 2, 2 with
         1, and 2 with 1 that share the moments out (run.shard_optimizer), in turn; and what the
         fixed order of addition costs against a plain allreduce.
measure  trains a few steps of every stage's depth with two and with four micro-batches on one
         thread, and writes what a micro-batch and what the rest of a step take (JSON).
check    trains the same with 2 processes (and more, with --processes) and puts the measured step
         beside the modelled one.
table    for networks of a given bandwidth and latency: the efficiency of 1 to 64 processes, of a
         run from scratch and of the growing run.

Printed as Markdown. A step of N processes takes  ceil(M / N) c + u + 2 (N - 1) (l + b / (N B)):  M
micro-batches of c seconds each, u seconds for what every process does alike (the update), and two
exchanges of N - 1 messages, with b bytes of gradients, a bandwidth of B bytes and a latency of l
seconds. Where N processes share fewer cores, c and u are stretched by N / cores. The efficiency is
T(1) / (N T(N)).
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

from bench import write_config, write_text
from bench_steps import SIZES

WARM_UP = 3
# name: bandwidth in bytes a second, latency in seconds; as such networks are sold, not measured
NETWORKS = {"1 Gbit/s": (1.25e8, 50e-6), "10 Gbit/s": (1.25e9, 30e-6), "100 Gbit/s": (1.25e10, 5e-6)}
# processes, threads of each, what else: those that are compared, the first with all others
SHARES = {"1 x 1": (1, 1, []), "1 x 2": (1, 2, []), "2 x 1": (2, 1, []),
          "2 x 1, moments shared": (2, 1, ["run.shard_optimizer=true"])}


def run(words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stderr}")
    return done.stdout


def with_overrides(words, overrides):
    return words + [word for override in overrides for word in ("--set", override)]


def plan_of(apollo, config):
    return json.loads(run([apollo, "plan", config, "--json"]))


def seconds_of_steps(apollo, config, steps, processes, overrides):
    """Median seconds of a step, by the rows of its log."""
    with tempfile.TemporaryDirectory() as folder:
        run(with_overrides([apollo, "train", config, "--out", f"{folder}/run", "--processes",
                            processes],
                           ["progressive.method=scratch", "eval.every=0 steps", "train.warmup=0 steps",
                            f"train.duration={WARM_UP + steps} steps", "checkpoint.every=0 steps",
                            "data.valid=[]", "data.valid_fraction=0", *overrides]))
        lines = (pathlib.Path(folder) / "run/metrics.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["event"] == "step"]
    tokens = rows[1]["tokens"] - rows[0]["tokens"]
    return statistics.median(tokens / row["tokens_per_s"] for row in rows[WARM_UP:])


def seconds_at_depth(arguments, layers, micro_batches, micro_batch_size, processes=1):
    return seconds_of_steps(arguments.apollo, arguments.config, arguments.steps, processes,
                            [f"model.layers={layers}", "run.threads=1",
                             f"train.micro_batch_size={micro_batch_size}",
                             f"train.batch_size={micro_batches * micro_batch_size}"])


def speed_at(arguments, name, workspace):
    config = write_config(argparse.Namespace(threads=1), workspace, name, steps=1, method="scratch")
    rows = SIZES[name][-1] // 2  # of two micro-batches
    found = {label: [] for label in SHARES}
    for _ in range(arguments.rounds):  # in turn, so that all see the same machine
        for label, (processes, threads, overrides) in SHARES.items():
            found[label].append(seconds_of_steps(
                arguments.apollo, config, arguments.steps, processes,
                [f"train.micro_batch_size={rows}", f"run.threads={threads}", *overrides]))
    first = next(iter(SHARES))
    for label, seconds in found.items():
        ratios = [alone / own for alone, own in zip(found[first], seconds)]
        print(f"| {name} | {label} | {1e3 * statistics.median(seconds):.0f} ms | "
              f"{statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} |",
              flush=True)


def exchange_of(arguments, name, ranks):
    """Seconds of an exchange of all gradients: by the tree, and by a plain allreduce."""
    family, layers, width, _, context, vocab, _ = SIZES[name]
    elements = layers * (12 * width**2 + 13 * width) + (vocab + context + 2) * width
    program = pathlib.Path(arguments.apollo).parent / "bench_exchange"
    with tempfile.TemporaryDirectory() as folder:
        processes = [subprocess.Popen(
            [program, folder, str(elements), str(arguments.exchanges)], stdout=subprocess.PIPE,
            env={**os.environ, "APOLLO_RANK": str(rank), "APOLLO_RANKS": str(ranks),
                 "APOLLO_JOB": "bench", "OMP_NUM_THREADS": "1"}, text=True)
            for rank in range(ranks)]
        outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        sys.exit("bench_exchange failed")
    found = json.loads(outputs[0])
    return elements, found["tree_s"], found["allreduce_s"]


def speed(arguments):
    print("| size | processes x threads | a step | times as fast as 1 x 1 | of a round |\n"
          "|---|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        workspace = pathlib.Path(folder)
        write_text(workspace / "text.txt")
        for name in ("S", "M"):
            speed_at(arguments, name, workspace)
    print("\n| size | gradients | processes | sum by the tree | plain allreduce | ratio |\n"
          "|---|---:|---:|---:|---:|---:|")
    for name in ("S", "M"):
        for ranks in (2, 4):
            elements, tree, plain = exchange_of(arguments, name, ranks)
            print(f"| {name} | {4e-6 * elements:.0f} MB | {ranks} | {1e3 * tree:.1f} ms | "
                  f"{1e3 * plain:.1f} ms | {tree / plain:.2f} |", flush=True)


def measure(arguments):
    plan = plan_of(arguments.apollo, arguments.config)
    depths = {}
    for stage in plan["stages"]:
        layers, rows = stage["layers"], arguments.micro_batch_size
        two, four = [], []
        for _ in range(arguments.rounds):
            two.append(seconds_at_depth(arguments, layers, 2, rows))
            four.append(seconds_at_depth(arguments, layers, 4, rows))
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
    print("| layers | processes | measured | modelled | measured / modelled |\n"
          "|---:|---:|---:|---:|---:|")
    for layers, depth in measured["depths"].items():
        for processes in arguments.processes:
            seconds = statistics.median(
                seconds_at_depth(arguments, layers, arguments.micro_batches,
                                 measured["micro_batch_size"], processes)
                for _ in range(arguments.rounds))
            model = step_seconds(depth, processes, arguments.micro_batches, arguments.bandwidth,
                                 arguments.latency, arguments.cores)
            print(f"| {layers} | {processes} | {1e3 * seconds:.1f} ms | {1e3 * model:.1f} ms "
                  f"| {seconds / model:.2f} |", flush=True)


def depth_at(measured, depth):
    """What a step costs whose passes have that mean depth: between the depths that were measured."""
    known = sorted((int(layers), found) for layers, found in measured["depths"].items())
    below = max((pair for pair in known if pair[0] <= depth), default=known[0])
    above = min((pair for pair in known if pair[0] >= depth), default=known[-1])
    span = above[0] - below[0]
    part = (depth - below[0]) / span if span else 0.0
    return below[1]["micro_batch_s"] + part * (above[1]["micro_batch_s"] - below[1]["micro_batch_s"])


def run_seconds(measured, stages, processes, micro_batches, network):
    """Of stages (layers, steps, mean depth): the passes of a depth, the update and the gradients of
    the stage's layers."""
    total = 0.0
    for layers, steps, mean_depth in stages:
        stage = {**measured["depths"][str(layers)], "micro_batch_s": depth_at(measured, mean_depth)}
        total += steps * step_seconds(stage, processes, micro_batches, *network)
    return total


def table(arguments):
    measured = json.loads(arguments.measured.read_text())
    stages = [(stage["layers"], stage["steps"], stage["mean_depth"])
              for stage in measured["stages"]]
    final = stages[-1][0]
    whole = [(final, sum(steps for _, steps, _ in stages), final)]
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


def everything(arguments):
    start = time.perf_counter()
    if arguments.quick:
        arguments.steps, arguments.rounds, arguments.exchanges = 1, 1, 1
    speed(arguments)
    with tempfile.TemporaryDirectory() as folder:
        workspace = pathlib.Path(folder)
        write_text(workspace / "text.txt")
        arguments.config = write_config(argparse.Namespace(threads=1), workspace, "S", steps=1000,
                                        method="apollo")
        arguments.out = arguments.measured = workspace / "measured.json"
        print("\nThe model of a step, at S, from scratch at the depth of each stage:\n")
        measure(arguments)
        check(argparse.Namespace(**{**vars(arguments), "micro_batches": 8}))
        print("\nThe model for networks, at S:\n")
        table(arguments)
    print(f"\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
          f"{time.perf_counter() - start:.0f} s in all")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apollo", default="build/apollo")
    parts = parser.add_subparsers(dest="part", required=True)
    for name in ("all", "speed", "measure", "check", "table"):
        part = parts.add_parser(name)
        part.add_argument("--steps", type=int, default=8, help="of each training, after a warm-up")
        part.add_argument("--rounds", type=int, default=3)
        part.add_argument("--exchanges", type=int, default=30)
        if name in ("measure", "check"):
            part.add_argument("config", type=pathlib.Path)
        if name in ("check", "table"):
            part.add_argument("measured", type=pathlib.Path)
        if name == "measure":
            part.add_argument("--out", type=pathlib.Path, required=True)
        if name == "all":
            part.add_argument("--quick", action="store_true")
        part.add_argument("--micro-batch-size", type=int, default=4)
        part.add_argument("--processes", type=int, nargs="+", default=[2, 4])
        part.add_argument("--cores", type=int, default=os.cpu_count(), help="that processes share")
        part.add_argument("--bandwidth", type=float, default=2e9, help="bytes a second")
        part.add_argument("--latency", type=float, default=50e-6, help="seconds")
        part.add_argument("--micro-batches", type=int, default=8 if name == "check" else 64)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    arguments.apollo = pathlib.Path(arguments.apollo).absolute()
    {"all": everything, "speed": speed, "measure": measure, "check": check,
     "table": table}[arguments.part](arguments)


if __name__ == "__main__":
    main()
