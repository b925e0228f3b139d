#!/usr/bin/env python3
"""Results of suites, kept as small files in results/, and the tables and figures made from them.

    scripts/results.py collect results/NAME RUNS...  # folders of finished suites, side by side
    scripts/results.py seeds results/NAME SUITES...  # single runs: seeds.csv, curves.csv
    scripts/results.py write                         # fills the pages from results/*/
    scripts/results.py check                         # fails where a page or a summary is wrong
    scripts/results.py tables NAME                   # prints every table of results/NAME

`collect` keeps of a suite what its tables and curves are made of:

    summary.csv   mean, deviation and bounds of every run and budget (`apollo compare --csv`)
    curves.csv    validation loss at full depth of every run folder over its training FLOPs
    growths.csv   loss and gradient at every growth, over the seeds
    tuning.csv    last loss of everything that was tried to tune a value

A page asks for a table with a line `<!-- table NAME BUDGET RUN,RUN,... -->`, which stands before
it; the table ends with `<!-- end -->`. `timed-table` shows the time saved as well, which says
something only of runs that had the machine to themselves. `<!-- tuning NAME BUDGET RUN,RUN,... -->`
asks for what was tried, the best in bold. `<!-- seeds NAME test RUN,RUN,... -->` and
`<!-- differences NAME test RUN/RUN,... -->` show every seed of results/NAME/seeds.csv (`valid`: the
validation loss), and how far two runs lie apart (seed_tables.py). `all` are all runs of that budget, the least loss first.
`docs/images/NAME.svg` is drawn where results/NAME/figure.txt names the runs that it shows, at the
largest budget that all runs have.

`check` does three things. It fills the pages again and compares. It recomputes every summary from
its curves (recompute_results.py). And it looks up every number that a page quotes in its text: a
line of results/quotes.csv says which page quotes which number of which summary.
"""

import argparse
import collections
import csv
import functools
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

import recompute_results
import seed_tables

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
PAGES = ROOT / "docs/results"
MARK = re.compile(r"<!-- (table|timed-table|tuning|seeds|differences) (\S+) (\S+) (\S+) -->\n.*?<!-- end -->", re.S)
COLOURS = ["#444444", "#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#e377c2"]


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def last_line(path):
    with open(path) as file:
        return collections.deque(file, maxlen=1).pop()


def run_folders(suite):
    """Those that are compared: not the sources, not what was tried to tune a value."""
    # Where the best of what was tried is itself compared, its folder is a link.
    folders = sorted(pathlib.Path(folder) for folder, _, files in os.walk(suite, followlinks=True)
                     if "metrics.jsonl" in files)
    folders = [folder for folder in folders
               if not {"tune", "source"} & set(folder.relative_to(suite).parts[:-1])]
    finished = [folder for folder in folders if "finished" in last_line(folder / "metrics.jsonl")]
    for folder in sorted(set(folders) - set(finished)):
        print(f"results: left out, not finished: {folder}", file=sys.stderr)
    return finished


def full_evaluations(run):
    """Its evaluations at full depth."""
    with open(run / "metrics.jsonl") as file:
        rows = [json.loads(line) for line in file]
    return [row for row in rows if row["event"] == "eval" and row["which"] == "full"]


def last_loss(run):
    """At full depth; empty for a run that diverged, None for one that has not ended."""
    end = last_line(run / "metrics.jsonl")
    if "finished" not in end:
        return "" if "diverged" in end else None
    return f"{full_evaluations(run)[-1]['loss']:.5f}"


def write_tuning(path, suites):
    # tune/RUN/BUDGET/seed-N/VALUES
    tried = sorted(file.parent for suite in suites
                   for file in suite.glob("tune/*/*/seed-*/*/metrics.jsonl"))
    if not tried:
        return
    with open(path, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["run", "budget", "seed", "tried", "loss"])
        for run in tried:
            name, budget, seed, values = run.parts[-4:]
            loss = last_loss(run)
            if loss is not None:
                out.writerow([name, budget, seed.removeprefix("seed-"), values, loss])


def write_growths(path, groups):
    """`groups` of `apollo compare --json`."""
    values = ["loss_before", "loss_after", "jump", "gradient_rise"]
    rows = [[group["name"], group["budget"], round(growth["step"]["mean"]), growth["from"],
             growth["to"], *(f"{growth[value][part]:.6g}" if growth[value] else ""
                             for value in values for part in ("mean", "std"))]
            for group in groups for growth in group["growths"]]
    if not rows:
        return
    with open(path, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["run", "budget", "step", "from", "to",
                      *(f"{value}_{part}" for value in values for part in ("mean", "std"))])
        out.writerows(rows)


def collect(folder, suites, baseline, frontier):
    folder.mkdir(parents=True, exist_ok=True)
    folders = [run for suite in suites for run in run_folders(suite)]
    parent = suites[0].parent   # what messages name folders from
    command = [str(ROOT / "build/apollo"), "compare",
               *(str(path.relative_to(parent)) for path in folders),
               *(["--baseline", baseline] if baseline else []),
               *(["--frontier", frontier] if frontier else []),
               "--csv", str(folder / "summary.csv"), "--json", "-"]
    compared = subprocess.run(command, check=True, cwd=parent, stdout=subprocess.PIPE)
    write_growths(folder / "growths.csv", json.loads(compared.stdout)["groups"])
    write_tuning(folder / "tuning.csv", suites)
    with open(folder / "curves.csv", "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["run", "budget", "seed", "flops", "loss"])
        for run in folders:
            name, budget, seed = run.parts[-3:]
            for row in full_evaluations(run):
                out.writerow([name, budget, seed.removeprefix("seed-"), f"{row['flops']:.6g}",
                              f"{row['loss']:.5f}"])


def cell(row, column, scale=1.0, digits=1, unit=""):
    """Mean and deviation as the comparison's own tables show them."""
    if not row[column + "_mean"]:
        return "–"
    text = f"{scale * float(row[column + '_mean']):.{digits}f}"
    if int(row[column + "_n"]) > 1:
        text += f" ± {scale * float(row[column + '_std']):.{digits}f}"
    return text + unit


def budget_saving(row):
    """A bound has no spread that means something."""
    if row["equal_budget_bound"] == "exact":
        return cell(row, "equal_budget_flops_saved", 100, unit=" %")
    sign = {"at least": "≥", "at most": "≤"}[row["equal_budget_bound"]]
    saved = round(100 * float(row["equal_budget_flops_saved_mean"]), 1) + 0.0   # no -0.0
    return f"{sign} {saved:.1f} %"


def chosen(rows, what, runs, key):
    """Of rows by run: those named, or all by their loss."""
    if runs == ["all"]:
        runs = sorted(rows, key=lambda run: key(rows[run]))
    missing = [run for run in runs if run not in rows]
    if missing or not runs:
        sys.exit(f"results: {what}: no runs {missing}; there are {sorted(rows)}")
    return runs


def table(name, budget, runs, timed=False):
    rows = {row["run"]: row for row in rows_of(RESULTS / name / "summary.csv")
            if row["budget"].replace(" ", "-") == budget}
    runs = chosen(rows, f"{name}, {budget}", runs, lambda row: float(row["final_loss_mean"]))
    heads = ["run", "seeds", "loss at the end", "FLOPs saved at equal loss", "for good",
             *["time saved"] * timed, "FLOPs saved at equal budget"]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    for run in runs:
        row = rows[run]
        # Compared with itself.
        baseline = {row[f"equal_budget_loss_difference_{part}"] for part in ("min", "max")} == {"0"}
        reached, pairs = row["equal_loss_flops_saved_n"], row["equal_loss_pairs"]
        saved = cell(row, "equal_loss_flops_saved", 100, unit=" %")
        if not baseline and reached != pairs:
            saved = f"{saved} ({reached} of {pairs} seeds reached it)"
        lines.append("| " + " | ".join([
            run, row["final_loss_n"], cell(row, "final_loss", digits=3),
            "baseline" if baseline else saved,
            "" if baseline else cell(row, "equal_loss_flops_saved_for_good", 100, unit=" %"),
            *["" if baseline else cell(row, "equal_loss_wall_saved", 100, unit=" %")] * timed,
            "" if baseline else budget_saving(row),
        ]) + " |")
    return "\n".join(lines)


def tuning(name, budget, runs):
    rows = collections.defaultdict(dict)
    for row in rows_of(RESULTS / name / "tuning.csv"):
        if row["budget"] == budget:
            rows[row["run"]][row["tried"]] = float(row["loss"] or "inf")
    runs = chosen(rows, f"{name}, tuning at {budget}", runs, lambda tried: min(tried.values()))
    values = sorted({value for run in runs for value in rows[run]},
                    key=lambda text: float(text.rpartition("=")[2]))
    lines = ["| run | " + " | ".join(values) + " |", "|---|" + "---:|" * len(values)]
    for run in runs:
        best = min(rows[run], key=rows[run].get)
        texts = {value: "diverged" if loss == float("inf") else f"{loss:.3f}"
                 for value, loss in rows[run].items()}
        texts[best] = f"**{texts[best]}**"
        lines.append(f"| {run} | " + " | ".join(texts.get(value, "") for value in values) + " |")
    return "\n".join(lines)


def markdown(heads, rows):
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def growth_table(rows):
    def spread(row, value, digits):
        mean, deviation = row[value + "_mean"], row[value + "_std"]
        if mean in ("", "0"):
            return mean or "–"
        return f"{float(mean):.{digits}f}" + (f" ± {float(deviation):.{digits}f}"
                                              if deviation not in ("", "0") else "")
    return markdown(["run", "budget", "after step", "layers", "loss before", "loss after", "jump",
                     "gradient"],
                    [[row["run"], row["budget"], row["step"], f"{row['from']} → {row['to']}",
                      *(spread(row, value, 4) for value in ("loss_before", "loss_after", "jump")),
                      spread(row, "gradient_rise", 2)] for row in rows])


def all_tables(name):
    """Every table that results/NAME has: what each budget saved, growths, last loss of each run."""
    folder = RESULTS / name
    if not (folder / "summary.csv").exists():
        sys.exit(f"results: there is no '{name}'; there are "
                 f"{sorted(path.parent.name for path in RESULTS.glob('*/summary.csv'))}")
    budgets = dict.fromkeys(row["budget"] for row in rows_of(folder / "summary.csv"))
    parts = [f"### {budget}\n\n{table(name, budget.replace(' ', '-'), ['all'], timed=True)}"
             for budget in budgets]
    if (folder / "growths.csv").exists():
        parts.append("### Growth\n\nFull-depth validation loss before and after layers were added; "
                     "gradient: the greatest norm of the 20 steps after, over the median of the 20 "
                     "before.\n\n" + growth_table(rows_of(folder / "growths.csv")))
    last = {(row["run"], row["budget"], row["seed"]): row
            for row in rows_of(folder / "curves.csv")}   # the last of each stays
    parts.append("### Each run\n\n" + markdown(
        ["run", "budget", "seed", "FLOPs", "valid loss"],
        [[*key, row["flops"], row["loss"]] for key, row in last.items()]))
    return "\n\n".join(parts)


def filled(text):
    makers = {"table": table, "timed-table": functools.partial(table, timed=True),
              "tuning": tuning,
              "seeds": lambda name, *what: seed_tables.seed_table(RESULTS / name, *what),
              "differences": lambda name, *what: seed_tables.difference_table(RESULTS / name, *what)}

    def fill(match):
        kind, name, budget, runs = match.groups()
        head = f"<!-- {kind} {name} {budget} {runs} -->\n"
        return head + makers[kind](name, budget, runs.split(",")) + "\n<!-- end -->"
    return MARK.sub(fill, text)


def mean_curves(name):
    """Of the largest budget that all runs have: by run, points (FLOPs, mean, least, greatest)."""
    rows = rows_of(RESULTS / name / "curves.csv")
    budgets = collections.defaultdict(set)
    for row in rows:
        budgets[row["run"]].add(row["budget"])
    common = set.intersection(*budgets.values())
    budget = max(common, key=lambda text: float(text.split("-")[0]))
    curves = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in rows:
        if row["budget"] == budget:
            curves[row["run"]][row["seed"]].append((float(row["flops"]), float(row["loss"])))
    means = {}
    for run, seeds in curves.items():
        # The n-th evaluation of every seed is at the same share of the budget, to a step.
        means[run] = [(statistics.fmean(flops for flops, _ in points),
                       statistics.fmean(loss for _, loss in points),
                       min(loss for _, loss in points), max(loss for _, loss in points))
                      for points in zip(*seeds.values())]
    return budget, means


def chart(name, runs):
    """Loss over FLOPs as a self-contained SVG: mean over seeds, band from least to greatest."""
    budget, curves = mean_curves(name)
    runs = [run for run in runs if run in curves]
    last = [curves[run][-1][1] for run in runs]
    low, high = min(last) - 0.03 * (max(last) - min(last)) - 0.02, max(last)
    high += 1.2 * (high - low)
    width, height, left, top, right, bottom = 860, 460, 70, 20, 200, 50
    end = float(budget.split("-")[0])
    unit, unit_name = (1e15, "10¹⁵") if end >= 1e15 else (1e12, "10¹²")

    def x(flops):
        return left + (width - left - right) * min(flops / end, 1.0)

    def y(loss):
        return top + (height - top - bottom) * (high - max(min(loss, high), low)) / (high - low)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
             'font-family="sans-serif" font-size="13">',
             f'<rect width="{width}" height="{height}" fill="white"/>']
    for i in range(6):
        loss, flops = low + (high - low) * i / 5, end * i / 5
        parts.append(f'<path d="M{left} {y(loss):.1f}H{width - right}" stroke="#dddddd"/>'
                     f'<text x="{left - 8}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss:.2f}'
                     f'</text><text x="{x(flops):.1f}" y="{height - bottom + 20}" '
                     f'text-anchor="middle">{flops / unit:.3g}</text>')
    parts.append(f'<text x="{(left + width - right) / 2}" y="{height - 10}" text-anchor="middle">'
                 f'training FLOPs, {unit_name}</text>'
                 f'<text transform="translate(18 {(top + height - bottom) / 2}) rotate(-90)" '
                 'text-anchor="middle">validation loss at full depth</text>')
    for i, run in enumerate(runs):
        colour, points = COLOURS[i % len(COLOURS)], curves[run]
        points = [point for point in points if point[2] <= high]
        band = [(x(p[0]), y(p[3])) for p in points] + [(x(p[0]), y(p[2])) for p in points[::-1]]
        line = [(x(p[0]), y(p[1])) for p in points]
        text = [" ".join(f"{a:.1f},{b:.1f}" for a, b in shape) for shape in (band, line)]
        label = top + 16 + 20 * i
        parts.append(f'<polygon points="{text[0]}" fill="{colour}" opacity="0.15"/>'
                     f'<polyline points="{text[1]}" fill="none" stroke="{colour}" '
                     f'stroke-width="2"/><path d="M{width - right + 12} {label - 4}h24" '
                     f'stroke="{colour}" stroke-width="2"/><text x="{width - right + 42}" '
                     f'y="{label}">{run} {curves[run][-1][1]:.3f}</text>')
    return "\n".join(parts + ["</svg>", ""])


def outputs():
    """Every file that is made, and what belongs into it."""
    for page in [ROOT / "README.md", *sorted(PAGES.glob("*.md"))]:
        text = page.read_text()
        if MARK.search(text):
            yield page, filled(text)
    for shown in sorted(RESULTS.glob("*/figure.txt")):
        name = shown.parent.name
        yield ROOT / "docs/images" / f"{name}.svg", chart(name, shown.read_text().split())


def wrong_summaries():
    for path in sorted(RESULTS.glob("*/summary.csv")):
        for fault in recompute_results.check_summary(path.parent):
            yield f"{path.relative_to(ROOT)}: {fault}"


def wrong_seeds():
    for path in sorted(RESULTS.glob("*/seeds.csv")):
        for fault in seed_tables.faults(path.parent):
            yield f"{path.relative_to(ROOT)}: {fault}"


def wrong_quotes():
    for line, quote in enumerate(rows_of(RESULTS / "quotes.csv"), 2):
        where = f"results/quotes.csv:{line}"
        rows = [row for row in rows_of(RESULTS / quote["results"] / "summary.csv")
                if (row["run"], row["budget"]) == (quote["run"], quote["budget"])]
        if len(rows) != 1:
            yield f"{where}: {quote['results']} has no '{quote['run']}' at {quote['budget']}"
            continue
        is_budget = quote["column"] == "equal_budget_flops_saved"
        is_loss = quote["column"] == "final_loss"
        text = (budget_saving(rows[0]) if is_budget
                else cell(rows[0], quote["column"], digits=3) if is_loss
                else cell(rows[0], quote["column"], 100, unit=" %"))
        page = " ".join((ROOT / quote["page"]).read_text().split())
        if f"{quote['before']} {text}" not in page:
            yield (f"{where}: {quote['page']} does not say '{text}' behind '{quote['before']}', "
                   f"which is what {quote['results']} says")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("collect", help="keeps the results of suites")
    command.add_argument("folder", type=pathlib.Path, help="results/NAME")
    command.add_argument("--baseline", help="as for `apollo compare`")
    command.add_argument("--frontier", help="as for `apollo compare`")
    command.add_argument("suites", type=pathlib.Path, nargs="+", help="folders of finished suites")
    command = commands.add_parser("seeds", help="keeps the ends and curves of single runs")
    command.add_argument("folder", type=pathlib.Path, help="results/NAME")
    command.add_argument("--tests", type=pathlib.Path,
                         help="test losses of runs without data.test: run,seed,lr,test_loss")
    command.add_argument("suites", type=pathlib.Path, nargs="+", help="folders of suites")
    commands.add_parser("write", help="fills pages and draws figures")
    commands.add_parser("check", help="fails where a page or a summary is not what its results say")
    command = commands.add_parser("tables", help="prints every table of results/NAME as Markdown")
    command.add_argument("name")
    options = parser.parse_args()
    if options.command == "tables":
        print(all_tables(options.name))
        return
    if options.command == "collect":
        collect(options.folder.resolve(), [suite.resolve() for suite in options.suites],
                options.baseline, options.frontier)
        return
    if options.command == "seeds":
        options.folder.mkdir(parents=True, exist_ok=True)
        finished = [path.parent for suite in options.suites
                    for path in sorted(suite.resolve().rglob("metrics.jsonl"))
                    if '"reason":"finished"' in last_line(path)]
        seed_tables.collect(options.folder, finished, options.tests)
        return
    wrong = []
    if options.command == "check":
        wrong = [*wrong_summaries(), *wrong_seeds(), *wrong_quotes()]
        print("".join(f"{fault}\n" for fault in wrong), end="")
    stale = [(path, text) for path, text in outputs()
             if not path.exists() or path.read_text() != text]
    for path, text in stale:
        print(path.relative_to(ROOT))
        if options.command == "write":
            path.write_text(text)
    if stale and options.command == "check":
        sys.exit("results: these files are not what results/ says: scripts/results.py write")
    if wrong:
        sys.exit(f"results: {len(wrong)} numbers do not follow from what was kept")


if __name__ == "__main__":
    main()
