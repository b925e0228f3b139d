"""`model.size`: one number in place of sizes, batch and learning rate."""

import tomllib
import unittest

from harness import CONFIG, ApolloTest, main

SIZED = CONFIG.replace("layers = 12\nwidth = 16\nheads = 2\n", 'size = "100k"\n').replace(
    CONFIG[CONFIG.index("stages") : CONFIG.index("[eval]")], 'method = "scratch"\n'
).replace("batch_size = 4\nmicro_batch_size = 2\nlr = 1e-2\n", "micro_batch_size = 2\n")


class Size(ApolloTest):
    def setUp(self):
        super().setUp()
        self.write("run.toml", SIZED)

    def resolved(self, name):
        with (self.dir / name / "run.toml").open("rb") as file:
            return tomllib.load(file)

    def test_plan_shows_what_the_size_came_to(self):
        stdout, _ = self.run_apollo("plan", "run.toml")
        self.assertRegex(stdout, r"size 100k: (9\d\.\d|10\d)k parameters, learning rate 0\.0")

    def test_what_runs_is_what_stands_in_the_folder(self):
        self.train("run", "train.batch_size=4")
        resolved = self.resolved("run")
        self.assertEqual(resolved["model"]["size"], "100k")
        self.assertEqual(resolved["train"]["lr"], 0.256 / resolved["model"]["width"])
        text = (self.dir / "run/run.toml").read_text()
        for key in ("layers", "width", "heads", "lr"):
            self.assertRegex(text, rf"(?m)^{key} = .* # model\.size$")
        # As a config of its own it means the same model.
        self.run_apollo("train", "run/run.toml", "--out", "again")
        self.assert_same_run("again", "run")

    def test_a_run_goes_on_with_the_sizes_it_began_with(self):
        # As if the rules had chosen otherwise when the run began.
        sized = ["train.batch_size=4", "model.size=125k"]
        self.train("run", *sized, "model.layers=4", "model.width=48", "model.heads=2")
        begun = self.resolved("run")
        plan, _ = self.run_apollo("plan", "run.toml", "--set", "model.size=125k")
        self.assertNotIn("4 layers, width 48", plan)
        _, stderr = self.train("run", *sized)
        self.assertIn("finished already", stderr)
        self.assertEqual(self.resolved("run")["model"], begun["model"])
        self.assertEqual(self.resolved("run")["train"], begun["train"])

    def test_another_size_is_another_run(self):
        self.train("run", "train.batch_size=4")
        _, stderr = self.train("run", "train.batch_size=4", "model.size=300k", expect=2)
        self.assertIn("the run in this folder was started with other values", stderr)
        self.assertIn("model.width", stderr)


if __name__ == "__main__":
    main()
