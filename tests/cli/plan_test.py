"""`apollo plan` predicts times with the rate of this machine: measured, given, or kept from before."""

import json
import unittest

from harness import ApolloTest, main


class PlanRate(ApolloTest):
    def plan(self, *words):
        return json.loads(self.run_apollo("plan", "run.toml", "--json", *words)[0])

    def kept(self):
        return self.dir / "user-cache/apollo/rate.json"

    def test_a_measured_rate_is_kept_for_the_next_plan(self):
        self.assertIsNone(self.plan()["seconds"])
        measured = self.plan("--measure")
        self.assertGreater(measured["flops_per_second"], 0)
        self.assertEqual(measured["seconds"], measured["flops"] / measured["flops_per_second"])
        self.assertEqual(self.plan(), measured)
        text, _ = self.run_apollo("plan", "run.toml")
        self.assertRegex(text, r"time: .* at .*FLOP/s, as measured on this machine last \(cpu, 1 "
                               r"threads\)\n")
        text, _ = self.run_apollo("plan", "run.toml", "--measure")
        self.assertRegex(text, r"time: .*, as measured now \(cpu, 1 threads\)\n")
        self.assertFalse((self.dir / "runs").exists(), "nothing was trained for good")

    def test_the_users_rate_comes_first(self):
        self.plan("--measure")
        self.assertEqual(self.plan("--flops-per-second", "123")["flops_per_second"], 123)
        self.run_apollo("plan", "run.toml", "--flops-per-second", "123", "--measure", expect=2)

    def test_a_run_leaves_its_rate(self):
        self.train("short")
        self.assertFalse(self.kept().exists(), "too short to say anything")
        self.train("long", "train.duration=2000 steps", "eval.every=0 steps",
                   "checkpoint.every=0 steps")
        rate = self.plan()["flops_per_second"]
        (end,) = self.rows("long", "end")
        self.assertAlmostEqual(rate, end["flops"] / end["wall_s"], delta=0.05 * rate)

    def test_numbers_are_read_as_they_are_written(self):
        words = ("plan", "run.toml", "--vocab-size", 300, "--json", "--tokens")
        self.assertEqual(self.run_apollo(*words, "10M")[0], self.run_apollo(*words, "1e7")[0])
        self.run_apollo(*words, "15e12")  # what large models are trained on
        for tokens in ("-3", "many", "0", "inf"):
            _, stderr = self.run_apollo(*words, tokens, expect=2)
            self.assertIn(f"expected a number from 1 to 1e18, for example 9e9 or 10M, found '{tokens}'",
                          stderr)
        _, stderr = self.run_apollo("plan", "run.toml", "--flops-per-second=-1", expect=2)
        self.assertIn("expected a number above 0, found '-1'", stderr)

    def test_a_damaged_cache_is_none(self):
        self.plan("--measure")
        self.kept().write_text("{")
        self.assertIsNone(self.plan()["seconds"])
        self.plan("--measure")
        self.assertIsNotNone(self.plan()["seconds"])

    def test_there_is_nothing_to_measure_without_data(self):
        _, stderr = self.run_apollo("plan", "run.toml", "--measure", "--tokens", "1e6",
                                    "--vocab-size", "257", expect=2)
        self.assertIn("--measure needs the data, which --tokens leaves out", stderr)


if __name__ == "__main__":
    main()
