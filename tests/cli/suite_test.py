"""`apollo suite`: the grid, tuning, failing runs, resumption after a signal, the dry run."""

import json
import os
import pathlib
import signal

from harness import ApolloTest, main, wait_for

SUITE = """
[suite]
name = "grid"
base = "run.toml"
seeds = [1, 2]
budgets = ["4 steps", "8 steps"]
baseline = "plain"
[[run]]
name = "plain"
set = { "progressive.method" = "scratch", "progressive.stages" = [{layers = 12}] }
tune = { "train.lr" = [1e-5, 1e-2] }
[[run]]
name = "grown"
[run.set]
progressive.rehearse_from = 0.5
"""

FRONTIER = SUITE.replace('budgets = ["4 steps", "8 steps"]', 'budgets = ["1e9 flops"]').replace(
    'tune = { "train.lr" = [1e-5, 1e-2] }\n', "") + """
[[run]]
name = "three"
role = "frontier"
set = { "progressive.method" = "scratch", "model.layers" = 3, "progressive.stages" = [{layers = 3}] }
"""

SOURCE = """
[suite]
name = "sources"
base = "run.toml"
seeds = [1, 2]
budgets = ["8 steps"]
[[run]]
name = "plain"
set = { "progressive.method" = "scratch", "progressive.stages" = [{layers = 12}] }
[[run]]
name = "grown"
source = "small"
set = { "progressive.method" = "bert2bert", "progressive.stages" = [{layers = 12}] }
[[source]]
name = "small"
budget = "6 steps"
set = { "model.layers" = 3, "model.width" = 8, "model.heads" = 1, "progressive.stages" = [{layers = 3}] }
"""


class Suite(ApolloTest):
    def setUp(self):
        super().setUp()
        self.write("suite.toml", SUITE)

    def reasons(self, folder):
        """The end of every run below the folder, by its place."""
        found = {}
        for path in sorted((self.dir / folder).rglob("metrics.jsonl")):
            place = path.parent.relative_to(self.dir / folder)
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            found[str(place)] = rows[-1].get("reason")
        return found

    def child(self, process, run):
        """The process that trains the run, started by the suite."""
        for path in pathlib.Path(f"/proc/{process.pid}/task").glob("*/children"):
            for child in path.read_text().split():
                if run in pathlib.Path(f"/proc/{child}/cmdline").read_text():
                    return int(child)
        raise AssertionError(f"{run} is not being trained")

    def test_grid_tuning_and_comparison(self):
        stdout, stderr = self.run_apollo("suite", "suite.toml", "--jobs", "2")
        self.assertIn("Equal loss\n", stdout)
        self.assertIn("plain: best at 4 steps is train.lr=0.01\n", stderr)
        self.assertIn("[10/10] ", stderr)
        out = self.dir / "runs/grid"
        for name in ("plain", "grown"):
            for steps in (4, 8):
                for seed in (1, 2):
                    folder = f"{name}/{steps}-steps/seed-{seed}"
                    end = self.rows(out / folder, "end")[-1]
                    self.assertEqual((end["reason"], end["step"]), ("finished", steps), folder)
                    start = self.rows(out / folder, "start")[0]
                    self.assertEqual((start["name"], start["seed"]), (name, seed))
                    self.assertIn("lr = 0.01 ", (out / folder / "run.toml").read_text())
                    self.assertTrue((out / folder / "suite.log").exists())
        tried = out / "tune/plain/4-steps/seed-1"
        self.assertEqual(sorted(path.name for path in tried.iterdir()), ["lr=0.01", "lr=1e-05"])
        self.assertTrue((out / "plain/4-steps/seed-1").samefile(tried / "lr=0.01"),
                        "what tuning has trained is not trained again")
        self.assertTrue((out / "report.html").exists())
        json.loads((out / "results.json").read_text())

        again, stderr = self.run_apollo("suite", "suite.toml")
        self.assertEqual(again, stdout)
        self.assertEqual(stderr.count(": finished before\n"), 10)
        self.assertNotIn("begins", stderr)

        self.write("suite.toml", SUITE.replace("0.5", "0.25"))
        _, stderr = self.run_apollo("suite", "suite.toml", expect=1)
        self.assertIn("grown, 4 steps, seed 1: the folder holds a run with other values "
                      "(progressive.rehearse_from: 0.5 -> 0.25); hint: remove it, or choose another "
                      "--out\n", stderr)

    def test_finished_runs_of_other_data_are_told_apart(self):
        self.write("suite.toml", SUITE.replace("tune =", "# tune ="))
        self.run_apollo("suite", "suite.toml")
        with open(self.dir / "train.txt", "a") as file:
            file.write("More text.")
        _, stderr = self.run_apollo("suite", "suite.toml", expect=1)
        self.assertEqual(stderr.count("the folder holds a run with other values (the training "
                                      "data); hint: remove it, or choose another --out\n"), 16)

    def test_goes_on_after_a_signal(self):
        self.write("suite.toml", SUITE.replace('["4 steps", "8 steps"]', '["160 steps"]')
                   .replace('tune = { "train.lr" = [1e-5, 1e-2] }', ""))
        process = self.start("suite", "suite.toml", "--jobs", "2", "--out", "out")
        runs = [f"{name}/160-steps/seed-{seed}" for seed in (1, 2) for name in ("plain", "grown")]
        held = {}  # each at its first checkpoint, so that none ends before the signal
        def both_held():
            for run in runs[:2]:
                if run not in held and (self.dir / "out" / run / "checkpoints/latest").exists():
                    held[run] = self.child(process, run)
                    os.kill(held[run], signal.SIGSTOP)
            return len(held) == 2
        wait_for(both_held)
        process.send_signal(signal.SIGTERM)
        for child in held.values():
            os.kill(child, signal.SIGCONT)
        self.assertEqual(process.wait(timeout=60), 143)
        self.assertTrue((self.dir / "stderr").read_text().endswith(
            "stopping: waiting for the runs to save\nstopped; the same command goes on from here\n"
            "apollo: stopped by SIGTERM\n"))
        self.assertEqual(self.reasons("out"), dict.fromkeys(sorted(runs[:2]), "signal"))
        _, stderr = self.run_apollo("suite", "suite.toml", "--out", "out", "--jobs", "2")
        self.assertEqual(stderr.count("goes on, log in"), 2)
        self.assertEqual(self.reasons("out"), dict.fromkeys(sorted(runs), "finished"))
        self.train("whole", "run.seed=2", "train.duration=160 steps", "run.name=grown",
                   "progressive.rehearse_from=0.5")
        self.assert_same_run("out/grown/160-steps/seed-2", "whole")

    def test_a_run_that_fails_leaves_the_others_alone(self):
        self.write("suite.toml", SUITE.replace(
            '[run.set]', 'seeds = [1]\nbudgets = ["4 steps"]\n[run.set]') + """
[[run]]
name = "wild"
seeds = [1]
budgets = ["4 steps"]
set = { "train.lr" = 1e30, "train.clip" = 0.0 }
""")
        stdout, stderr = self.run_apollo("suite", "suite.toml", expect=1)
        self.assertIn("Equal loss\n", stdout)
        self.assertTrue(stderr.endswith(
            "apollo: error: suite: 1 of the runs did not finish:\n"
            "  wild, 4 steps, seed 1: diverged at step 1\n"
            "    folder: runs/grid/wild/4-steps/seed-1\n"), stderr)

    def test_the_reason_of_a_crash_is_told(self):
        self.write("suite.toml", SUITE.replace("tune =", "# tune ="))
        folder = self.dir / "runs/grid/grown/4-steps/seed-1"
        folder.mkdir(parents=True)
        (folder / "checkpoints").write_text("in the way")
        stdout, stderr = self.run_apollo("suite", "suite.toml", expect=1)
        self.assertIn("Equal loss\n", stdout)
        self.assertIn("1 of the runs did not finish:\n  grown, 4 steps, seed 1: exit code 1: ",
                      stderr)

    def test_dry_run(self):
        stdout, _ = self.run_apollo("suite", "suite.toml", "--dry-run", "--json", "--tokens", "1e6",
                                    "--vocab-size", "257")
        plan = json.loads(stdout)
        self.assertEqual(plan["name"], "grid")
        self.assertEqual([(run["name"], run["budget"], run["seed"], run["purpose"], run["steps"])
                          for run in plan["runs"]],
                         [("plain", "4 steps", 1, "tune", 4)] * 2 +
                         [(name, f"{steps} steps", seed, "run", steps)
                          for name in ("plain", "grown") for seed in (1, 2) for steps in (4, 8)])
        self.assertEqual(plan["flops"], sum(run["flops"] for run in plan["runs"]))
        self.assertFalse(os.path.exists(self.dir / "runs"))
        text, _ = self.run_apollo("suite", "suite.toml", "--dry-run")
        self.assertEqual(text.count("plain, 8 steps, seed 2, lr=1e-05 (to be tuned)\n"), 1)

    def test_runs_are_held_against_the_frontier(self):
        self.write("suite.toml", FRONTIER)
        plan = json.loads(self.run_apollo("suite", "suite.toml", "--dry-run", "--json")[0])
        self.assertEqual({(run["name"], run["role"]) for run in plan["runs"]},
                         {("plain", None), ("grown", None), ("three", "frontier")})
        stdout, _ = self.run_apollo("suite", "suite.toml")
        self.assertIn("Against the frontier\n", stdout)
        results = json.loads((self.dir / "runs/grid/results.json").read_text())
        by_name = {group["name"]: group["frontier"] for group in results["groups"]}
        self.assertIsNone(by_name["plain"])
        self.assertIsNone(by_name["three"])
        self.assertEqual(by_name["grown"]["shallower"]["layers"], 3)
        self.assertTrue(results["frontier"])

    def test_hours_of_runs_are_not_lost_to_a_comparison(self):
        """Depths that differ without a frontier: `compare` refuses them, a suite says so and shows
        them."""
        self.write("suite.toml", FRONTIER.replace('role = "frontier"\n', ""))
        stdout, stderr = self.run_apollo("suite", "suite.toml")
        self.assertIn("NOT COMPARABLE", stdout)
        self.assertIn("in layers ('3' against '12')", stdout)
        self.assertNotIn("error", stderr)
        self.assertTrue((self.dir / "runs/grid/report.html").exists())
        runs = [str(path.parent) for path in (self.dir / "runs/grid").rglob("metrics.jsonl")]
        self.assertIn("not comparable", self.run_apollo("compare", *runs, expect=2)[1])

    def test_the_frontier_is_from_scratch(self):
        self.write("bad.toml", FRONTIER.replace('"progressive.method" = "scratch", "model', '"model'))
        _, stderr = self.run_apollo("suite", "bad.toml", expect=2)
        self.assertIn("bad.toml:16:1: error: run 'three': a run of the frontier is trained from "
                      "scratch (its method is 'apollo')\n", stderr)
        self.write("bad.toml", FRONTIER.replace('"frontier"', '"frontir"'))
        _, stderr = self.run_apollo("suite", "bad.toml", expect=2)
        self.assertIn("bad.toml:18:8: error: unknown role 'frontir' of a run\n", stderr)

    def test_some_cells_alone(self):
        def cells(*selection):
            plan = json.loads(self.run_apollo("suite", "suite.toml", "--dry-run", "--json",
                                              *selection)[0])
            return [(run["purpose"], run["name"], run["budget"], run["seed"])
                    for run in plan["runs"]]
        self.assertEqual(cells("--only", "grown", "--seeds", "2", "--budgets", "8 steps"),
                         [("run", "grown", "8 steps", 2)])
        # What is tuned first is the same as for the whole suite.
        self.assertEqual(cells("--only", "plain", "--seeds", "2", "--budgets", "8 steps"),
                         [("tune", "plain", "4 steps", 1)] * 2 + [("run", "plain", "8 steps", 2)])
        self.assertEqual(len(cells("--seeds", "1,2")), 10)
        self.run_apollo("suite", "suite.toml", "--only", "grown", "--seeds", "2", "--budgets",
                        "4 steps")
        self.assertEqual(self.reasons("runs/grid"), {"grown/4-steps/seed-2": "finished"})
        self.assertFalse((self.dir / "runs/grid/results.json").exists())
        for selection, message in [
                (("--only", "grwn"), "suite: --only 'grwn' is none of the runs (hint: did you mean "
                                     "'grown'?)"),
                (("--seeds", "7"), "suite: no run is left by --only, --seeds and --budgets (hint: "
                                   "--dry-run alone lists them all)")]:
            _, stderr = self.run_apollo("suite", "suite.toml", *selection, expect=2)
            self.assertIn(message, stderr)

    def test_every_budget_with_values_of_its_own(self):
        each = SUITE.replace("[[run]]", "tune_each_budget = true\n[[run]]", 1)
        self.write("suite.toml", each)
        plan = json.loads(self.run_apollo("suite", "suite.toml", "--dry-run", "--json")[0])
        tried = [run["budget"] for run in plan["runs"] if run["purpose"] == "tune"]
        self.assertEqual(tried, ["4 steps"] * 2 + ["8 steps"] * 2)
        _, stderr = self.run_apollo("suite", "suite.toml")
        for steps in (4, 8):
            self.assertIn(f"plain: best at {steps} steps is train.lr=0.01\n", stderr)
            run = self.dir / f"runs/grid/plain/{steps}-steps/seed-1"
            self.assertTrue(run.samefile(self.dir / "runs/grid/tune/plain" / f"{steps}-steps" /
                                         "seed-1/lr=0.01"))
        self.write("bad.toml", each.replace("tune_each", 'tune_budget = "4 steps"\ntune_each'))
        _, stderr = self.run_apollo("suite", "bad.toml", expect=2)
        self.assertIn("bad.toml:8:15: error: tune_budget and tune_each_budget do not go together\n",
                      stderr)

    def test_a_source_is_trained_first(self):
        self.write("suite.toml", SOURCE)
        plan = json.loads(self.run_apollo("suite", "suite.toml", "--dry-run", "--json")[0])
        self.assertEqual([(run["purpose"], run["name"], run["seed"]) for run in plan["runs"]],
                         [("source", "small", 1), ("source", "small", 2), ("run", "plain", 1),
                          ("run", "plain", 2), ("run", "grown", 1), ("run", "grown", 2)])
        stdout, _ = self.run_apollo("suite", "suite.toml")
        self.assertIn("grown", stdout)
        self.assertNotIn("small", stdout)
        for seed in (1, 2):
            source = self.dir / f"runs/sources/source/small/seed-{seed}"
            cost = self.rows(source, "step")[-1]["flops"]
            (start,) = self.rows(self.dir / f"runs/sources/grown/8-steps/seed-{seed}", "start")
            self.assertEqual(start["source_flops"], cost)
            self.assertTrue(start["source"].startswith(str(source)))
        _, stderr = self.run_apollo("suite", "suite.toml")
        self.assertEqual(stderr.count("finished before"), 6)

    def test_a_source_is_judged_first(self):
        for old, new, message in [
                ('source = "small"', 'source = "smal"',
                 "suite.toml:10:1: error: run 'grown': there is no source 'smal'\n"
                 "  hint: did you mean 'small'?\n"),
                ('"model.heads" = 1', '"model.heads" = 2',
                 "suite.toml:10:1: error: run 'grown': model.from: "
                 "runs/sources/source/small: heads are copied whole, so their size must stay: the "
                 "source's have 4 neurons, the model's 8\n"
                 "  hint: model.heads = 4\n")]:
            self.write("bad.toml", SOURCE.replace(old, new))
            _, stderr = self.run_apollo("suite", "bad.toml", expect=2)
            self.assertIn(message.replace("suite.toml", "bad.toml"), stderr)

    def test_all_faults_at_once(self):
        self.write("bad.toml", """[suite]
base = "run.toml"
seed = [1, 2]
baseline = "plan"
[[run]]
name = "plain"
set = { "progressive.metod" = "scratch", "train.lr" = "x", "run.seed" = 3 }
tune = { "train.lr" = 3 }
[[run]]
name = "plain"
""")
        _, stderr = self.run_apollo("suite", "bad.toml", expect=2)
        self.assertEqual(stderr, """bad.toml:3:1: error: unknown key 'seed' in [suite]
  hint: did you mean 'seeds'?
bad.toml:4:12: error: baseline 'plan' is none of the runs
  hint: did you mean 'plain'?
bad.toml:7:9: error: unknown key 'progressive.metod' of RUN.toml
  hint: did you mean 'progressive.method'?
bad.toml:7:55: error: train.lr must be a number (got string 'x')
bad.toml:7:60: error: 'run.seed' is set by the suite
  hint: use the key 'seeds'
bad.toml:8:23: error: 'train.lr' must be a list of the values to try
  hint: for example [1e-3, 2e-3, 4e-3]
bad.toml:9:1: error: there are two runs 'plain'
""")

    def test_values_that_train_would_refuse(self):
        self.write("bad.toml", """[suite]
base = "run.toml"
[[run]]
name = "a"
set = { "progressive.method" = "scratsh", "train.lr" = -1.0 }
[[run]]
name = "b"
set = { model.heads = 7 }
""")
        _, stderr = self.run_apollo("suite", "bad.toml", expect=2)
        self.assertRegex(stderr, r"^bad.toml:5:32: error: run 'a': unknown method 'scratsh': .*"
                                 r"did you mean 'scratch'\?\n"
                                 r"bad.toml:5:56: error: run 'a': train.lr must be positive "
                                 r"\(got -1\)\n"
                                 r"bad.toml:8:23: error: run 'b': model.heads must divide "
                                 r"model.width \(got 7 heads, width 16\)\n$")


if __name__ == "__main__":
    main()
