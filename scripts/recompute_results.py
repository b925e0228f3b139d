"""The numbers of results/NAME/summary.csv once more, from the curves beside it.

What `apollo compare` wrote when the runs were there must follow from the losses that were kept:
final loss, FLOPs, savings at equal loss (first crossing and for good) and at equal budget. The
rules are those of src/report/savings.h and src/report/frontier.h, written down a second time here,
so that a wrong number has to be wrong twice. Curves keep six digits of the FLOPs and five decimals
of the loss; LOSS and SHARE are what that may change.
"""

import collections
import csv
import math
import statistics

LOSS = 2e-5     # nats
SHARE = 1e-3    # of a saving, and of FLOPs


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def read_curves(path):
    """{(run, budget): {seed: [(flops, loss), ...]}}, without evaluations before the first step."""
    curves = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in rows_of(path):
        if float(row["flops"]) > 0:
            curves[row["run"], row["budget"]][row["seed"]].append(
                (float(row["flops"]), float(row["loss"])))
    return curves


def crossing(curve, index, loss):
    """FLOPs at which the curve comes down to `loss` before its point `index`; None past its end."""
    if index == len(curve):
        return None
    if index == 0:
        return curve[0][0]
    (flops_above, above), (flops_below, below) = curve[index - 1], curve[index]
    return flops_above + (flops_below - flops_above) * (above - loss) / (above - below)


def first_below(curve, loss):
    return next((i for i, (_, at) in enumerate(curve) if at <= loss), len(curve))


def below_for_good(curve, loss):
    return max((i + 1 for i, (_, at) in enumerate(curve) if at > loss), default=0)


def budget_saving(end, ends):
    """(saving, bound) of a run that ended at `end` against the ends of several budgets."""
    flops, loss = end
    at = first_below(ends, loss)
    if loss > ends[0][1]:
        return 1 - flops / ends[0][0], "at most"
    if at == len(ends):
        return 1 - flops / ends[-1][0], "at least"
    if at == 0:
        return 1 - flops / ends[0][0], "exact"
    logarithms = [(math.log(f), l) for f, l in ends]
    return 1 - flops / math.exp(crossing(logarithms, at, loss)), "exact"


def equal_loss(seeds, baseline):
    first, good = [], []
    for seed, curve in seeds.items():
        if seed not in baseline:
            continue
        whole, loss = baseline[seed][-1]
        for saved, index in ((first, first_below(curve, loss)),
                             (good, below_for_good(curve, loss))):
            flops = crossing(curve, index, loss)
            if flops is not None:
                saved.append(1 - flops / whole)
    return {"equal_loss_flops_saved": first, "equal_loss_flops_saved_for_good": good}


def equal_budget(seeds, run, curves):
    savings = []
    for seed, curve in seeds.items():
        ends = sorted(of_seed[seed][-1] for (name, _), of_seed in curves.items()
                      if name == run and seed in of_seed)
        if len(ends) > 1:
            savings.append(budget_saving(curve[-1], ends))
    bounds = {bound for _, bound in savings} - {"exact"}
    if len(bounds) > 1:
        savings, bounds = [], set()
    return [saved for saved, _ in savings], bounds.pop() if bounds else "exact"


class Complaints(list):
    """Numbers of one row that are not what the curves say."""

    def __init__(self, row):
        super().__init__()
        self.row = row

    def compare(self, column, expected, tolerance):
        found = self.row[column]
        if found == "" and expected is None:
            return
        if found == "" or expected is None or abs(float(found) - expected) > tolerance:
            self.append(f"{column} is '{found}', the curves say "
                        f"{'nothing' if expected is None else f'{expected:.6g}'}")

    def compare_spread(self, name, values, tolerance):
        self.compare(name + "_n", len(values), 0)
        parts = {"mean": statistics.fmean, "min": min, "max": max,
                 "std": lambda v: statistics.stdev(v) if len(v) > 1 else 0.0}
        for part, of in parts.items():
            self.compare(f"{name}_{part}", of(values) if values else None, tolerance)


def check_row(row, baseline, curves):
    complaints = Complaints(row)
    budget = row["budget"].replace(" ", "-")
    seeds = curves.get((row["run"], budget), {})
    ends = [curve[-1] for curve in seeds.values()]
    flops = [at for at, _ in ends]
    complaints.compare_spread("final_loss", [loss for _, loss in ends], LOSS)
    complaints.compare_spread("flops", flops, SHARE * max(flops, default=0.0))
    if row["run"] == baseline:
        return complaints
    pairs = curves.get((baseline, budget), {})
    complaints.compare_spread("equal_budget_loss_difference",
                              [curve[-1][1] - pairs[seed][-1][1] for seed, curve in seeds.items()
                               if seed in pairs], 2 * LOSS)
    for name, saved in equal_loss(seeds, pairs).items():
        complaints.compare_spread(name, saved, SHARE)
    saved, bound = equal_budget(seeds, baseline, curves)
    complaints.compare_spread("equal_budget_flops_saved", saved, SHARE)
    if row["equal_budget_bound"] != bound:
        complaints.append(f"equal_budget_bound is '{row['equal_budget_bound']}', the curves say "
                          f"'{bound}'")
    return complaints


def check_summary(folder):
    """What summary.csv of `folder` says and its curves do not, a line each."""
    rows = rows_of(folder / "summary.csv")
    curves = read_curves(folder / "curves.csv")
    # It is compared with itself.
    (baseline,) = {row["run"] for row in rows
                   if row["equal_budget_loss_difference_min"] == "0"
                   and row["equal_budget_loss_difference_max"] == "0"}
    kept = {(row["run"], row["budget"].replace(" ", "-")) for row in rows}
    faults = [f"{run}, {budget}: has a curve and no row" for run, budget in curves
              if (run, budget) not in kept]
    return faults + [f"{row['run']}, {row['budget']}: {complaint}"
                     for row in rows for complaint in check_row(row, baseline, curves)]
