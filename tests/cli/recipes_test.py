"""`apollo plan` accepts every recipe, and what a recipe's opening says of its cost is what the plan
says. The opening names the very command: "#   apollo plan recipes/NAME.toml ...", its numbers
follow up to the first full stop at the end of a line."""

import csv
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tomllib

import harness
from harness import ApolloTest, main

harness.APOLLO = os.path.abspath(harness.APOLLO)
RECIPES = pathlib.Path(__file__).resolve().parents[2] / "recipes"
NAMES = sorted(path.stem for path in RECIPES.glob("*.toml"))
EXPECTED = {f"{model}-base-{method}" for model in ("bert", "gpt2")
            for method in ("apollo", "scratch")} | {
    f"gpt2-base-{method}-short" for method in ("apollo", "scratch")} | {
    f"{model}-tiny12-{method}" for model in ("bert", "gpt2") for method in ("apollo", "scratch")} | {
    "llama-tiny12", "qwen3-tiny12", "modernbert-tiny12"}


def opening(name):
    """The comment that opens a recipe, as one line, and the command in it as words."""
    lines = []
    for line in (RECIPES / f"{name}.toml").read_text().splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("#").strip())
    text = " ".join(lines).replace("\\ ", "")
    command = re.search(r"\bapollo (plan recipes/.*?--flops-per-second \S+)", text)
    return text, shlex.split(command.group(1)) if command else []


def duration(seconds):
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} minutes"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 86400:.1f} days"


def facts(plan):
    """As a recipe has to spell them."""
    yield f"{plan['stages'][-1]['parameters'] / 1e6:.1f}M parameters"
    yield f"{plan['steps']:,} steps"
    yield f"{plan['tokens']:.3e} tokens"
    yield f"{plan['flops']:.3e} FLOPs"
    if plan["method"] != "scratch":
        yield f"{100 * plan['share_of_scratch']:.1f} % of as many steps from scratch"
    yield duration(plan["seconds"])


class Recipes(ApolloTest):
    def setUp(self):
        super().setUp()
        (self.dir / "recipes").symlink_to(RECIPES)

    def test_all_are_there(self):
        self.assertLessEqual(EXPECTED, set(NAMES))

    def test_the_arithmetic_is_that_of_the_plan(self):
        for name in NAMES:
            with self.subTest(name):
                text, command = opening(name)
                self.assertEqual(command[:2], ["plan", f"recipes/{name}.toml"])
                plan = json.loads(self.run_apollo(*command, "--json")[0])
                self.assertEqual(plan["name"], name)
                for fact in facts(plan):
                    self.assertIn(fact, text)

    def test_twins_differ_in_the_method_alone(self):
        for name in NAMES:
            if "-apollo" not in name:
                continue
            with self.subTest(name):
                twins = [tomllib.loads((RECIPES / f"{twin}.toml").read_text())
                         for twin in (name, name.replace("-apollo", "-scratch"))]
                for config in twins:
                    del config["run"]["name"], config["progressive"]
                self.assertEqual(*twins)

    def test_suites_can_be_run(self):
        """Every suite plans; smoke.toml has every method, for both architectures."""
        methods = {method.lstrip("'").rstrip("',;") for method in self.run_apollo(
            "plan", "recipes/gpt2-tiny12-scratch.toml", "--set", "progressive.method=?", expect=2
        )[1].split("known are ")[1].split("\n")[0].split()}
        self.assertIn("scratch", methods)
        for path in sorted((RECIPES / "suites").glob("*.toml")):
            with self.subTest(path.name):
                plan = json.loads(self.run_apollo(
                    "suite", path, "--dry-run", "--json", "--tokens", "1e7", "--vocab-size",
                    "8192")[0])
                self.assertGreater(plan["flops"], 0)
                if path.stem == "smoke":
                    shown = {(run["model"], run["method"]) for run in plan["runs"]}
                    self.assertEqual(shown, {(model, method) for model in ("gpt2", "bert")
                                             for method in methods})

    def test_advice_is_what_was_measured(self):
        """`apollo plan` expects of the suites' own runs the least that results/ says of them."""
        narrow = ("--set", "model.width=32", "--set", "model.heads=1")
        for results, base, vocabulary, run, budget, is_least, *overrides in (
                ("advice", "demo/scratch", "2048", "apollo+", "2.5e12 flops", True),
                ("methods", "suites/methods/gpt2", "257", "apollo+", "2.5e12 flops", False),
                ("methods", "suites/methods/gpt2", "257", "apollo+", "1e13 flops", True),
                ("long", "suites/methods/gpt2", "257", "apollo+-short", "4e13 flops", True),
                ("width32", "suites/methods/gpt2", "257", "apollo+", "6.25e11 flops", False,
                 *narrow),
                ("width32", "suites/methods/gpt2", "257", "apollo+-short", "2.5e12 flops", False,
                 *narrow),
                ("methods-bert", "suites/methods/bert", "1024", "apollo+", "2.5e12 flops", True),
                ("methods-bert", "suites/methods/bert", "1024", "apollo+", "1e13 flops", True)):
            path = RECIPES.parent / f"results/{results}/summary.csv"
            with open(path, newline="") as file:
                (row,) = [row for row in csv.DictReader(file)
                          if (row["run"], row["budget"]) == (run, budget)]
            measured = float(row["equal_budget_flops_saved_mean"])
            with self.subTest(results, budget=budget):
                plan = json.loads(self.run_apollo(
                    "plan", f"recipes/{base}.toml", "--tokens", "1e8", "--vocab-size", vocabulary,
                    "--set", f"train.duration={budget}", *overrides, "--json")[0])
                self.assertTrue(plan["advice"]["measured"])
                self.assertTrue(plan["advice"]["pays"])
                if is_least:
                    self.assertAlmostEqual(plan["advice"]["expected_saving"], measured,
                                           delta=0.005)
                else:
                    self.assertLess(plan["advice"]["expected_saving"], measured)

    def test_pages_are_what_the_results_say(self):
        """Tables and figures made by scripts/results.py were made anew with their results."""
        check = subprocess.run([sys.executable, RECIPES.parent / "scripts/results.py", "check"],
                               capture_output=True, text=True)
        self.assertEqual((check.returncode, check.stdout), (0, ""), check.stderr)

    def test_a_wrong_number_is_found(self):
        """The test itself: it must not pass whatever a recipe says."""
        text, command = opening(NAMES[0])
        plan = json.loads(self.run_apollo(*command, "--set", "model.width=384", "--json")[0])
        self.assertTrue(any(fact not in text for fact in facts(plan)))


if __name__ == "__main__":
    main()
