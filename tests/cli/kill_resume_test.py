"""SIGKILL at random moments: what the reruns end with equals an undisturbed run to the bit."""

import os
import random
import subprocess
import time

from harness import ApolloTest, main

LONG = ["train.duration=160 steps", "checkpoint.every=2 steps", "checkpoint.keep=2",
        "eval.every=20 steps"]


class KillResume(ApolloTest):
    def test_twenty_kills(self):
        self.kill_and_resume(20, LONG)

    def test_ten_kills_of_a_bert(self):
        self.kill_and_resume(10, LONG + ["model.architecture=bert",
                                         "data.tokenizer=train:wordpiece:100"])

    def test_ten_kills_of_a_modernbert(self):
        self.kill_and_resume(10, LONG + ["model.architecture=modernbert", "model.local_attention=6",
                                         "data.tokenizer=train:bpe:300"])

    def test_kills_while_a_checkpoint_is_written(self):
        overrides = ["train.duration=120 steps", "checkpoint.every=5 steps", "model.width=64",
                     "eval.every=0 steps"]
        self.train("whole", *overrides)
        sets = [word for override in overrides for word in ("--set", override)]
        checkpoints = self.dir / "killed/checkpoints"
        torn, names = [], []
        while len(torn) < 4:
            process = self.start("train", "run.toml", "--out", "killed", *sets)
            while process.poll() is None and not (checkpoints.is_dir() and any(
                    name not in names and name.startswith(".step-")
                    for name in os.listdir(checkpoints))):
                pass
            process.kill()
            self.assertNotEqual(process.wait(), 0, "the run ended before its kill")
            names = os.listdir(checkpoints)
            torn += [name for name in names if name.startswith(".step-")]
        self.train("killed", *overrides)
        print(f"\nkilled while these were written: {' '.join(torn)}")
        self.assert_same_run("killed", "whole")
        self.assertEqual([name for name in os.listdir(checkpoints) if name.startswith(".")], [])

    def kill_and_resume(self, num_kills, overrides):
        began = time.monotonic()
        self.train("whole", *overrides)
        seconds = time.monotonic() - began
        began = time.monotonic()
        self.train("whole", *overrides)  # finished: nothing but starting up
        start_up = time.monotonic() - began
        # On average a run survives its start and its share of the work.
        longest = 2 * (start_up + (seconds - start_up) / num_kills)

        draw = random.Random(5)
        sets = [word for override in overrides for word in ("--set", override)]
        kills, attempt, resumed_at = 0, 0, []
        while kills < num_kills:
            name = f"killed{attempt}"
            process = self.start("train", "run.toml", "--out", name, *sets)
            try:
                code = process.wait(timeout=draw.uniform(0, longest))
                self.assertEqual(code, 0, (self.dir / "stderr").read_text())
                self.assert_same_run(name, "whole")  # finished before its kill: another one
                attempt += 1
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
                latest = self.dir / name / "checkpoints/latest"
                resumed_at.append(os.readlink(latest)[5:] if latest.is_symlink() else "start")
        self.train(name, *overrides)
        print(f"\n{kills} kills; the checkpoints they left: {' '.join(resumed_at)}")
        if name == f"killed{attempt}":
            self.assert_same_run(name, "whole")
        self.assertGreater(len(set(resumed_at)), num_kills / 4, "the kills hit different moments")
        checkpoints = self.dir / name / "checkpoints"
        best = os.readlink(checkpoints / "best")
        self.assertEqual(best, os.readlink(self.dir / "whole/checkpoints/best"))
        left = {path.name for path in checkpoints.iterdir()}
        self.assertEqual(left, {"best", "latest", best, "step-00000158", "step-00000160"})
        steps = self.rows("whole", "step")
        print(f"{len(steps)} step rows and {len(self.rows('whole', 'eval'))} eval rows equal; "
              f"final training loss {steps[-1]['loss']!r}; weights and moments equal")


if __name__ == "__main__":
    main()
