"""`apollo train TEXT`: from a text to a sample without a config."""

import os
import tomllib
import unittest

from harness import ApolloTest, made_up_text, main


class TextRun(ApolloTest):
    def setUp(self):
        super().setUp()
        self.write("train.txt", made_up_text(200000))

    def test_from_a_text_to_a_sample(self):
        _, stderr = self.run_apollo("train", "train.txt", "--minutes", 0.03)
        with (self.dir / "runs/train.toml").open("rb") as file:
            config = tomllib.load(file)
        self.assertEqual(config["data"]["train"], [os.path.realpath(self.dir / "train.txt")])
        self.assertIn("measuring how fast this machine trains", stderr)
        self.assertEqual([name for name in os.listdir(self.dir / "runs") if name[0] == "."], [])
        steps = self.rows("runs/train", "step")
        self.assertEqual(f"{steps[-1]['step']} steps", config["train"]["duration"])
        self.assertLess(steps[-1]["loss"], steps[0]["loss"])
        text, _ = self.run_apollo("generate", "runs/train", "--prompt", "", "--max-tokens", 20)
        self.assertTrue(text.strip())
        samples = self.rows("runs/train", "sample")
        self.assertEqual(len(samples), len(self.rows("runs/train", "eval")))
        self.assertIn(f"step {samples[-1]['step']:>6}  writes: ", stderr)

    def test_the_same_command_goes_on(self):
        self.run_apollo("train", "train.txt", "--minutes", 0.03, "--out", "mine")
        before = (self.dir / "mine.toml").read_text()
        _, stderr = self.run_apollo("train", "train.txt", "--minutes", 1, "--out", "mine")
        self.assertIn("finished already", stderr)
        self.assertEqual((self.dir / "mine.toml").read_text(), before)

    def test_another_text_of_the_name_is_refused(self):
        (self.dir / "mine.toml").write_text('[data]\ntrain = ["valid.txt"]\n')
        _, stderr = self.run_apollo("train", "train.txt", "--out", "mine", expect=2)
        self.assertIn("mine.toml: this config is for another text than train.txt", stderr)

    def test_a_run_folder_is_no_text(self):
        self.train("whole", "train.duration=24 steps")
        _, stderr = self.run_apollo("train", "whole", expect=2)
        self.assertIn("whole: this is a run folder, not a text", stderr)

    def test_a_name_cannot_add_keys(self):
        name = "a\n[train]\nlr = 9\n#.txt"
        (self.dir / "train.txt").rename(self.dir / name)
        self.run_apollo("train", name, "--minutes", 0.02, "--out", "odd")
        with (self.dir / "odd.toml").open("rb") as file:
            config = tomllib.load(file)
        self.assertNotEqual(config["train"]["lr"], 9)
        self.assertEqual(config["data"]["train"], [os.path.realpath(self.dir / name)])

    def test_a_text_that_is_not_there(self):
        _, stderr = self.run_apollo("train", "no-such.txt", expect=2)
        self.assertIn("no-such.txt", stderr)


if __name__ == "__main__":
    main()
