"""SIGINT and SIGTERM: saved, exit code 130 or 143, and the same command goes on to the same bits;
during training, evaluation and preparation."""

import os
import random
import shutil
import signal

from harness import ApolloTest, made_up_text, main, wait_for

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Signals(ApolloTest):
    def stop(self, process, number):
        """Sends the signal and waits; gives stderr."""
        process.send_signal(number)
        code = process.wait(timeout=60)
        stderr = (self.dir / "stderr").read_text()
        self.assertEqual(code, CODES[number], stderr)
        self.assertTrue(stderr.endswith(f"apollo: stopped by {number.name}\n"), stderr)
        return stderr

    def test_during_training(self):
        sets = ["train.duration=400 steps", "checkpoint.every=10 steps", "eval.every=0 steps"]
        self.train("whole", *sets)
        words = [word for override in sets for word in ("--set", override)]
        for number in CODES:
            name = number.name
            process = self.start("train", "run.toml", "--out", name, *words)
            wait_for((self.dir / name / "checkpoints/step-00000010").exists)
            stderr = self.stop(process, number)
            self.assertIn("the same command goes on from here", stderr)
            end = self.rows(name, "end")[-1]
            self.assertEqual(end["reason"], "signal")
            latest = os.readlink(self.dir / name / "checkpoints/latest")
            self.assertEqual(latest, f"step-{end['step']:08}", "saved at the very step")
            self.assertLess(end["step"], 400)
            self.train(name, *sets)
            self.assert_same_run(name, "whole")
            print(f"\n{name} at step {end['step']}: exit {CODES[number]}, resumed to equal bits")

    def test_during_evaluation(self):
        self.write("valid.txt", made_up_text(100_000))
        sets = ["train.duration=4 steps", "eval.max_tokens=0", "eval.every=0 steps",
                "eval.depths=[\"full\"]"]
        self.train("whole", *sets)
        words = [word for override in sets for word in ("--set", override)]
        for number in CODES:
            name = number.name
            process = self.start("train", "run.toml", "--out", name, *words)
            log = self.dir / name / "log.txt"
            wait_for(lambda: log.exists() and "stage of 12 layers" in log.read_text())
            self.stop(process, number)
            self.assertEqual(self.rows(name, "eval", "step"), [], "it was during the first one")
            self.assertEqual(os.readlink(self.dir / name / "checkpoints/latest"), "step-00000000")
            self.train(name, *sets)
            self.assert_same_run(name, "whole")

    def test_during_preparation(self):
        block = made_up_text(200_000)
        with open(self.dir / "train.txt", "w") as file:
            for _ in range(300):
                file.write(block)
        fresh = lambda folder: list(folder.glob(".*.new"))
        for number in CODES:
            process = self.start("prepare", "--tokenizer", "bytes", "--out", "data", "train.txt")
            wait_for(lambda: fresh(self.dir))
            self.stop(process, number)
            self.assertFalse((self.dir / "data").exists())
            self.assertEqual(fresh(self.dir), [], "nothing half made stays")

            process = self.start("train", "run.toml", "--out", number.name)
            cache = self.dir / "cache/datasets"
            wait_for(lambda: cache.exists() and fresh(cache))
            self.stop(process, number)
            self.assertEqual(fresh(cache), [])
            self.assertFalse((self.dir / number.name / "metrics.jsonl").exists())
            self.train(number.name)
            self.assertEqual(len(self.rows(number.name, "step")), 12)
            shutil.rmtree(self.dir / "cache")

    def test_during_tokenizer_training(self):
        draw = random.Random(3)
        with open(self.dir / "many.txt", "w") as file:
            for _ in range(400_000):
                file.write("".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=9)) + " ")
        process = self.start("tokenizer", "train", "--vocab-size", "20000", "--out", "bpe",
                             "many.txt")
        wait_for(lambda: list(self.dir.glob(".bpe*")))  # the folder that is to become it
        self.stop(process, signal.SIGINT)
        self.assertEqual(list(self.dir.glob("*bpe*")) + list(self.dir.glob(".bpe*")), [])


if __name__ == "__main__":
    main()
