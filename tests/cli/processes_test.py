"""A run shared by several processes: the bits of one, whatever their number and their launcher, also
where the number changes at a resume; a signal stops all of them, a killed rank ends the others."""

import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
import unittest

from harness import APOLLO, ApolloTest, main, wait_for

# Eight micro-batches in a step, so that two, four and eight ranks divide them.
SHARED = ["train.batch_size=16", "train.duration=24 steps", "progressive.method=apollo+"]
KINDS = {"gpt2": [], "bert": ["model.architecture=bert", "data.tokenizer=train:wordpiece:100"],
         "muon": ["train.optimizer=muon", "train.lr=1e-3"],
         "llama": ["model.architecture=llama", "model.kv_heads=1"],
         "qwen3": ["model.architecture=qwen3", "model.kv_heads=1", "model.head_dim=6"]}
# The others with 2, 4 and 8 processes.
COUNTS = {"llama": (2,), "qwen3": (2,)}
TORCHRUN = pathlib.Path(sys.executable).parent / "torchrun"


def words_of(overrides):
    return [word for override in overrides for word in ("--set", override)]


class Processes(ApolloTest):
    def train_with(self, count, name, overrides, **options):
        return self.run_apollo("train", "run.toml", "--out", name, "--processes", count,
                               *words_of(overrides), **options)

    def test_any_number_gives_the_bits_of_one(self):
        for kind, keys in KINDS.items():
            overrides = SHARED + keys
            self.train(kind, *overrides)
            self.assertTrue(self.rows(kind, "grow"), "growth is not tested")
            for count in COUNTS.get(kind, (2, 4, 8)):
                name = f"{kind}-{count}"
                _, stderr = self.train_with(count, name, overrides)
                self.assert_same_run(name, kind)
                self.assertEqual(stderr.count("stage of 12 layers"), 1, "one rank tells of all")

    def test_numbers_that_do_not_divide_the_micro_batches_are_right_to_rounding(self):
        self.train("whole", *SHARED)
        self.train_with(3, "three", SHARED)
        for found, expected in zip(self.rows("three", "step"), self.rows("whole", "step")):
            self.assertAlmostEqual(found["loss"], expected["loss"], places=4)

    def test_torchrun_starts_ranks_too(self):
        if not TORCHRUN.exists():
            self.skipTest("no torchrun beside this Python")
        self.train("whole", *SHARED)
        done = subprocess.run(
            [TORCHRUN, "--no-python", "--nproc-per-node", "2", os.path.abspath(APOLLO), "train",
             "run.toml", "--out", "shared", *words_of(SHARED)],
            cwd=self.dir, env=self.environment(), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_run("shared", "whole")

    def test_torchrun_on_two_machines(self):
        """Two network namespaces, each with a network card of its own, stand for the machines."""
        if not TORCHRUN.exists():
            self.skipTest("no torchrun beside this Python")
        self.train("whole", *SHARED)
        nodes = self.two_nodes()
        started = [subprocess.Popen(
            ["ip", "netns", "exec", node, TORCHRUN, "--no-python", "--nnodes", "2", "--node-rank",
             str(i), "--nproc-per-node", "2", "--master-addr", "10.77.0.1", "--master-port",
             "29517", os.path.abspath(APOLLO), "train", "run.toml", "--out", "shared",
             *words_of(SHARED)],
            cwd=self.dir, env=self.environment(), stderr=subprocess.PIPE, text=True)
            for i, node in enumerate(nodes)]
        for process in started:
            _, stderr = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, stderr)
        self.assert_same_run("shared", "whole")

    def two_nodes(self):
        if shutil.which("ip") is None or os.geteuid() != 0:
            self.skipTest("network namespaces need root and the program `ip`")
        nodes = [f"apollo-{os.getpid()}-{i}" for i in range(2)]
        for node in nodes:
            if subprocess.run(["ip", "netns", "add", node], capture_output=True).returncode != 0:
                self.skipTest("this machine makes no network namespaces")
            self.addCleanup(subprocess.run, ["ip", "netns", "delete", node])
        cards = [f"apollo{i}" for i in range(2)]
        subprocess.run(["ip", "link", "add", cards[0], "netns", nodes[0], "type", "veth", "peer",
                        "name", cards[1], "netns", nodes[1]], check=True)
        for i, (node, card) in enumerate(zip(nodes, cards)):
            for words in (["addr", "add", f"10.77.0.{i + 1}/24", "dev", card],
                          ["link", "set", card, "up"], ["link", "set", "lo", "up"]):
                subprocess.run(["ip", "-n", node, *words], check=True)
        return nodes

    def test_mpirun_starts_ranks_too(self):
        if shutil.which("mpirun") is None:
            self.skipTest("no mpirun on this machine")
        self.train("whole", *SHARED)
        done = subprocess.run(
            ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2",
             os.path.abspath(APOLLO), "train", "run.toml", "--out", "shared", *words_of(SHARED)],
            cwd=self.dir, env=self.environment(), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_run("shared", "whole")

    def test_a_run_goes_on_with_another_number(self):
        overrides = SHARED + ["train.duration=400 steps", "checkpoint.every=10 steps",
                              "eval.every=100 steps"]
        self.train("whole", *overrides)
        process = self.start("train", "run.toml", "--out", "moved", "--processes", 2,
                             *words_of(overrides))
        wait_for((self.dir / "moved/checkpoints/step-00000010").exists)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 143, (self.dir / "stderr").read_text())
        end = self.rows("moved", "end")[-1]
        self.assertEqual(end["reason"], "signal")
        self.assertEqual(os.readlink(self.dir / "moved/checkpoints/latest"),
                         f"step-{end['step']:08}", "saved at the very step")
        self.assertLess(end["step"], 400)
        self.train_with(4, "moved", overrides)
        self.assert_same_run("moved", "whole")

    def test_a_killed_rank_ends_the_others_with_its_name(self):
        overrides = SHARED + ["train.duration=4000 steps", "checkpoint.every=10 steps",
                              "eval.every=0 steps"]
        process = self.start("train", "run.toml", "--out", "killed", "--processes", 2,
                             *words_of(overrides))
        wait_for((self.dir / "killed/checkpoints/step-00000010").exists)
        ranks = self.ranks_of(process)
        began = time.monotonic()
        os.kill(ranks[1], signal.SIGKILL)
        self.assertNotEqual(process.wait(timeout=60), 0)
        self.assertLess(time.monotonic() - began, 60)
        stderr = (self.dir / "stderr").read_text()
        self.assertRegex(stderr, r"apollo: error: rank \d of 2 failed; the others were ended")
        for rank in ranks:
            self.assertFalse(pathlib.Path(f"/proc/{rank}").exists(), "nothing is left behind")

    def test_a_signal_to_one_rank_saves_and_stops_all(self):
        overrides = SHARED + ["train.duration=400 steps", "checkpoint.every=10 steps",
                              "eval.every=100 steps"]
        self.train("whole", *overrides)
        process = self.start("train", "run.toml", "--out", "told", "--processes", 2,
                             *words_of(overrides))
        wait_for((self.dir / "told/checkpoints/step-00000010").exists)
        os.kill(self.ranks_of(process)[1], signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 143, (self.dir / "stderr").read_text())
        end = self.rows("told", "end")[-1]
        self.assertEqual(end["reason"], "signal")
        self.assertEqual(os.readlink(self.dir / "told/checkpoints/latest"),
                         f"step-{end['step']:08}", "saved at the very step")
        self.train("told", *overrides)
        self.assert_same_run("told", "whole")

    def test_a_rank_that_hangs_ends_the_others_with_its_name(self):
        overrides = SHARED + ["train.duration=4000 steps", "checkpoint.every=10 steps",
                              "eval.every=0 steps", "run.rank_timeout=2 seconds"]
        process = self.start("train", "run.toml", "--out", "hanging", "--processes", 2,
                             *words_of(overrides))
        wait_for((self.dir / "hanging/checkpoints/step-00000010").exists)
        os.kill(self.ranks_of(process)[1], signal.SIGSTOP)
        self.assertNotEqual(process.wait(timeout=60), 0)
        self.assertIn("rank 1 of 2 was not heard of", (self.dir / "stderr").read_text())

    def test_torchrun_restarts_ranks_that_were_killed(self):
        if not TORCHRUN.exists():
            self.skipTest("no torchrun beside this Python")
        overrides = SHARED + ["train.duration=160 steps", "checkpoint.every=2 steps",
                              "eval.every=20 steps"]
        self.train("whole", *overrides)
        num_kills = int(os.environ.get("APOLLO_TEST_KILLS", 2))
        process = subprocess.Popen(
            [TORCHRUN, "--no-python", "--nproc-per-node", "2", "--max-restarts", str(num_kills),
             "--monitor-interval", "0.1", os.path.abspath(APOLLO), "train", "run.toml", "--out",
             "killed", *words_of(overrides)],
            cwd=self.dir, env=self.environment(), stdout=subprocess.DEVNULL,
            stderr=(self.dir / "stderr").open("w"))
        draw = random.Random(11)
        seen = set()
        for kill in range(num_kills):
            # Ranks that were not there before, once they have trained on a little.
            wait_for(lambda: len(self.ranks_of(process, but_for=seen)) == 2)
            ranks = self.ranks_of(process, but_for=seen)
            seen.update(ranks)
            before = self.last_step("killed")
            goal = before + draw.randint(1, max(1, (150 - before) // (num_kills - kill)))
            wait_for(lambda: self.last_step("killed") >= goal)
            os.kill(draw.choice(ranks), signal.SIGKILL)
        self.assertEqual(process.wait(timeout=120), 0, (self.dir / "stderr").read_text())
        self.assert_same_run("killed", "whole")

    def last_step(self, name):
        latest = self.dir / name / "checkpoints/latest"
        return int(os.readlink(latest).removeprefix("step-")) if latest.is_symlink() else 0

    def ranks_of(self, process, but_for=()):
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        ranks = [int(pid) for pid in children.read_text().split()]
        return [pid for pid in ranks if pid not in but_for and
                os.path.realpath(f"/proc/{pid}/exe").startswith(os.path.realpath(
                    os.path.dirname(APOLLO)))]

    def test_all_stop_where_the_run_diverges(self):
        _, stderr = self.train_with(2, "diverged", SHARED + ["train.lr=1e30"], expect=3)
        self.assertIn("nothing was updated", stderr)

    def test_other_data_on_a_rank_is_refused(self):
        # A wrapper that gives rank 1 another text.
        (self.dir / "other.txt").write_text((self.dir / "train.txt").read_text()[::-1])
        wrapper = self.dir / "rank.sh"
        wrapper.write_text(
            "#!/bin/sh\n"
            f"text=train.txt; [ $APOLLO_RANK = 0 ] || text=other.txt\n"
            f"exec {os.path.abspath(APOLLO)} train run.toml --out x --set data.train=$text\n")
        wrapper.chmod(0o755)
        ranks = [subprocess.Popen([wrapper], cwd=self.dir, stderr=subprocess.PIPE, text=True,
                                  env={**self.environment(), "APOLLO_RANK": str(rank),
                                       "APOLLO_RANKS": "2", "APOLLO_JOB": "by-hand"})
                 for rank in range(2)]
        for rank in ranks:
            _, stderr = rank.communicate(timeout=60)
            self.assertEqual(rank.returncode, 1, stderr)
            self.assertIn("rank 1 has another config than rank 0", stderr)


if __name__ == "__main__":
    main()
