"""Tables of single seeds: what each run of results/NAME/seeds.csv ended with (columns run, seed, lr,
valid_loss and test_loss, in nats per token), and how far two runs of one seed lie apart."""

import collections
import csv
import json
import math
import re
import statistics

# 97.5 % of Student's t with n - 1 degrees of freedom, for n seeds.
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}


CURVES = ["run", "seed", "lr", "flops", "step", "tokens", "depth", "valid_loss"]
SEEDS = ["run", "seed", "lr", "valid_loss", "test_loss"]


def learning_rate(run):
    text = (run / "run.toml").read_text()
    return float(re.search(r"(?m)^lr = (\S+)", text).group(1))


def collect(folder, runs, tests=None):
    """Writes curves.csv and seeds.csv of the finished run folders `runs`, .../NAME/BUDGET/seed-N; of
    those that stand there twice, as what was tried and as what was chosen, one. `tests`: a csv with
    test losses of runs that did not read the test data themselves (run, seed, lr, test_loss)."""
    known = {}
    if tests is not None:
        with open(tests, newline="") as file:
            known = {(row["run"], row["seed"], float(row["lr"])): float(row["test_loss"])
                     for row in csv.DictReader(file)}
    curves, seeds = {}, {}
    for run in runs:
        place = next(i for i, part in enumerate(run.parts) if part.startswith("seed-"))
        key = run.parts[place - 2], run.parts[place].removeprefix("seed-"), learning_rate(run)
        with open(run / "metrics.jsonl") as file:
            rows = [row for row in map(json.loads, file) if row["event"] in ("start", "eval", "test")]
        full = [row for row in rows if row["event"] == "eval" and row["depth"] == rows[0]["layers"]]
        curves[key] = [[f"{row['flops']:.6g}", row["step"], row["tokens"], row["depth"],
                        f"{row['loss']:.5f}"] for row in full]
        test = next((row["loss"] for row in rows if row["event"] == "test"), known.get(key))
        seeds[key] = [curves[key][-1][-1], "" if test is None else f"{test:.5f}"]
    for name, heads, table in (("curves.csv", CURVES, curves),
                               ("seeds.csv", SEEDS, {key: [row] for key, row in seeds.items()})):
        with open(folder / name, "w", newline="") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(heads)
            for (run, seed, rate), rows in sorted(table.items()):
                out.writerows([run, seed, f"{rate:g}", *row] for row in rows)


def faults(folder):
    """Validation losses of seeds.csv that are not those with which the curves end, a line each."""
    with open(folder / "curves.csv", newline="") as file:
        last = {(row["run"], row["seed"], row["lr"]): row["valid_loss"] for row in csv.DictReader(file)}
    with open(folder / "seeds.csv", newline="") as file:
        kept = {(row["run"], row["seed"], row["lr"]): row["valid_loss"] for row in csv.DictReader(file)}
    for key in sorted(last.keys() | kept.keys()):
        if last.get(key) != kept.get(key):
            yield (f"{', '.join(key)}: valid_loss is '{kept.get(key)}', the curve ends with "
                   f"'{last.get(key)}'")


def ends(folder, kind):
    """{run: {seed: loss}} of the losses of a kind, test or valid; several rates: the best of them."""
    found = collections.defaultdict(dict)
    with open(folder / "seeds.csv", newline="") as file:
        for row in csv.DictReader(file):
            if loss := row[f"{kind}_loss"]:
                seed = int(row["seed"])
                found[row["run"]][seed] = min(float(loss), found[row["run"]].get(seed, math.inf))
    return found


def spread(values):
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{statistics.fmean(values):.3f} ± {statistics.stdev(values):.3f}"


def interval(values):
    """95 % of the mean, by Student's t."""
    if len(values) not in STUDENT:
        return "–"
    mean = statistics.fmean(values)
    half = STUDENT[len(values)] * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean - half:.3f} to {mean + half:.3f}"


def markdown(heads, rows):
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def seed_table(folder, kind, runs):
    """A row a run, a column a seed, the least loss of every seed in bold."""
    losses = ends(folder, kind)
    seeds = sorted({seed for run in runs for seed in losses[run]})
    best = {seed: min(losses[run].get(seed, math.inf) for run in runs) for seed in seeds}
    rows = []
    for run in runs:
        row = [run]
        for seed in seeds:
            loss = losses[run].get(seed)
            text = "" if loss is None else f"{loss:.3f}"
            row.append(f"**{text}**" if loss == best[seed] else text)
        values = list(losses[run].values())
        rows.append([*row, spread(values), interval(values)])
    return markdown(["run", *(f"seed {seed}" for seed in seeds), "mean ± sample deviation",
                     "95 % interval"], rows)


def difference_table(folder, kind, pairs):
    """A row for each "A/B": the loss of A less that of B with the same seed."""
    losses = ends(folder, kind)
    rows = []
    for pair in pairs:
        first, second = pair.split("/")
        seeds = sorted(losses[first].keys() & losses[second].keys())
        values = [losses[first][seed] - losses[second][seed] for seed in seeds]
        rows.append([f"{first} less {second}", str(len(values)), spread(values), interval(values)])
    return markdown(["difference", "seeds", "mean ± sample deviation", "95 % interval"], rows)
