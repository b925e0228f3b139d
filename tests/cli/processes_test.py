"""A run shared by several processes: the bits of one, whatever their number and their launcher, also
where the number changes at a resume, with moments that are shared out (ZeRO-1) or not; a signal
stops all of them, a killed rank ends the others; scores and tasks are those of one."""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

from harness import APOLLO, CONFIG, ApolloTest, made_up_text, main, wait_for

# Eight micro-batches in a step, so that two, four and eight ranks divide them. All runs grow by
# shared depth (apollo+) and have dropout.
SHARED = ["train.batch_size=16", "train.duration=24 steps", "progressive.method=apollo+"]
SHARDED = "run.shard_optimizer=true"
KINDS = {"gpt2": [], "bert": ["model.architecture=bert", "data.tokenizer=train:wordpiece:100"],
         "llama": ["model.architecture=llama", "model.kv_heads=1"],
         "qwen3": ["model.architecture=qwen3", "model.kv_heads=1", "model.head_dim=6"],
         "muon": ["train.optimizer=muon", "train.lr=1e-3"],
         "bert-muon": ["model.architecture=bert", "data.tokenizer=train:wordpiece:100",
                       "train.optimizer=muon", "train.lr=1e-3"],
         "modernbert": ["model.architecture=modernbert", "model.local_attention=6",
                        "data.tokenizer=train:bpe:300"]}
TORCHRUN = pathlib.Path(sys.executable).parent / "torchrun"
PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/distributed.md"
PLAIN, ZERO = [], [SHARDED]
# launcher: kind, number of ranks, and whether they share the moments out. Each is held to the bits
# of one process; with one process the key does nothing.
TABLE = {
    "processes": [("gpt2", 1, ZERO), ("gpt2", 2, PLAIN), ("gpt2", 4, ZERO), ("gpt2", 8, ZERO),
                  ("bert", 2, ZERO), ("bert", 4, PLAIN), ("bert", 8, ZERO),
                  ("llama", 2, ZERO), ("llama", 4, PLAIN), ("qwen3", 2, PLAIN), ("qwen3", 4, ZERO),
                  ("muon", 2, PLAIN), ("muon", 4, ZERO), ("muon", 8, ZERO),
                  ("bert-muon", 2, ZERO), ("modernbert", 2, ZERO)],
    "torchrun": [("gpt2", 2, ZERO), ("muon", 8, ZERO)],
    "mpirun": [("gpt2", 2, ZERO), ("muon", 8, ZERO)],
}


def words_of(overrides):
    return [word for override in overrides for word in ("--set", override)]


class Ranks(ApolloTest):
    def train_with(self, count, name, overrides, **options):
        return self.run_apollo("train", "run.toml", "--out", name, "--processes", count,
                               *words_of(overrides), **options)

    def launched(self, launcher, count, *words):
        """The command line that runs `words` of apollo with `count` ranks; skips without launcher."""
        program = os.path.abspath(APOLLO)
        if launcher == "processes":
            return [program, *words, "--processes", str(count)]
        if launcher == "torchrun":
            if not TORCHRUN.exists():
                self.skipTest("no torchrun beside this Python")
            return [TORCHRUN, "--no-python", "--nproc-per-node", str(count), program, *words]
        if shutil.which("mpirun") is None:
            self.skipTest("no mpirun on this machine")
        return ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", str(count), program,
                *words]

    def run_launched(self, launcher, count, *words):
        done = subprocess.run(self.launched(launcher, count, *words), cwd=self.dir,
                              env=self.environment(), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout, done.stderr

    def last_step(self, name):
        latest = self.dir / name / "checkpoints/latest"
        return int(os.readlink(latest).removeprefix("step-")) if latest.is_symlink() else 0


class Table(Ranks):
    """The bits of one process, for every launcher, number of ranks, kind of model and resume."""
    NUM_STEPS = 250  # of the run that goes on with other numbers

    def hold_table_of(self, launcher):
        rows = TABLE[launcher]
        self.launched(launcher, 1)
        for kind in dict.fromkeys(kind for kind, _, _ in rows):
            self.train(kind, *SHARED, *KINDS[kind])
            self.assertTrue(self.rows(kind, "grow"), "growth is not tested")
        for kind, count, moments in rows:
            name = f"{kind}-{count}"
            with self.subTest(kind=kind, launcher=launcher, ranks=count, moments=moments):
                _, stderr = self.run_launched(launcher, count, "train", "run.toml", "--out", name,
                                              *words_of(SHARED + KINDS[kind] + moments))
                self.assert_same_run(name, kind)
                self.assertEqual(stderr.count("stage of 12 layers"), 1, "one rank tells of all")

    def test_processes_give_the_bits_of_one(self):
        self.hold_table_of("processes")

    def test_torchrun_gives_the_bits_of_one(self):
        self.hold_table_of("torchrun")

    def test_mpirun_gives_the_bits_of_one(self):
        self.hold_table_of("mpirun")

    def test_a_run_goes_on_with_another_number(self):
        """And with moments that are shared out or not."""
        overrides = SHARED + [f"train.duration={self.NUM_STEPS} steps", "checkpoint.every=10 steps",
                              "eval.every=100 steps"]
        self.train("whole", *overrides)
        self.stop_at(20, 2, overrides + [SHARDED])
        self.stop_at(90, 4, overrides)
        self.stop_at(160, 8, overrides + [SHARDED])
        self.train("moved", *overrides)
        self.assert_same_run("moved", "whole")

    def stop_at(self, step, count, overrides):
        """Trains `moved` on and stops it by a signal, once it has a checkpoint of that step."""
        process = self.start("train", "run.toml", "--out", "moved", "--processes", count,
                             *words_of(overrides))
        wait_for(lambda: self.last_step("moved") >= step)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 143, (self.dir / "stderr").read_text())
        end = self.rows("moved", "end")[-1]
        self.assertEqual(end["reason"], "signal")
        self.assertEqual(os.readlink(self.dir / "moved/checkpoints/latest"),
                         f"step-{end['step']:08}", "saved at the very step")
        self.assertLess(end["step"], self.NUM_STEPS)


class Processes(Ranks):
    def test_an_early_end_and_the_best_are_those_of_one_process(self):
        """On a text that is soon known by heart, with a sample that rank 0 alone writes."""
        self.write("train.txt", made_up_text(300))
        overrides = SHARED + ["progressive.method=scratch", "progressive.stages=[{layers=2}]",
                              "model.layers=2", "model.dropout=0", "train.duration=200 steps",
                              "train.lr=2e-2", "eval.every=5 steps", "train.early_stopping=2",
                              "eval.sample=the", "eval.sample_tokens=8", "checkpoint.keep=1"]
        self.train("whole", *overrides)
        (end,) = self.rows("whole", "end")
        self.assertEqual(end["reason"], "early_stopping")
        for count, moments in ((2, PLAIN), (4, ZERO)):
            name = f"best-{count}"
            self.train_with(count, name, overrides + moments)
            self.assert_same_run(name, "whole")
            self.assertEqual(self.rows(name, "end")[0]["step"], end["step"])
            self.assertEqual([row["text"] for row in self.rows(name, "sample")],
                             [row["text"] for row in self.rows("whole", "sample")])
            links = [os.readlink(self.dir / run / "checkpoints/best") for run in (name, "whole")]
            self.assertEqual(*links)
            self.assertEqual(links[0], f"step-{end['step'] - 10:08}")
        # And that is a checkpoint like any other: whole, and the better model.
        losses = [json.loads(self.run_apollo("eval", f"whole/checkpoints/{link}", "--data",
                                             "valid.txt", "--json")[0])["loss"]
                  for link in ("best", "latest")]
        self.assertLess(*losses)

    def test_numbers_that_do_not_divide_the_micro_batches_are_right_to_rounding(self):
        self.train("whole", *SHARED)
        self.train_with(3, "three", SHARED)
        for found, expected in zip(self.rows("three", "step"), self.rows("whole", "step")):
            self.assertAlmostEqual(found["loss"], expected["loss"], places=4)

    def test_commands_of_the_page(self):
        self.train("whole", *SHARED)
        lines = self.lines_of_page(r"(apollo train|torchrun .*--nproc-per-node 4|mpirun|srun -n) .*"
                                   r"my\.toml.*")
        self.assertEqual(len(lines), 4)
        for i, line in enumerate(lines):
            if shutil.which(line.split()[0], path=self.page_environment()["PATH"]) is None:
                continue
            with self.subTest(line=line):
                done = subprocess.run(["bash", "-c", line], cwd=self.page_folder(f"page-{i}"),
                                      env=self.page_environment(), capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assert_same_run(f"page-{i}/runs/run", "whole")

    def lines_of_page(self, pattern):
        return [line for line in PAGE.read_text().splitlines() if re.fullmatch(pattern, line)]

    def page_folder(self, name):
        """Where the commands of docs/distributed.md find build/apollo and my.toml."""
        folder = self.dir / name
        folder.mkdir()
        config = CONFIG.replace("batch_size = 4", "batch_size = 16")
        config = config.replace("12 steps", "24 steps")
        (folder / "my.toml").write_text(
            config.replace("[progressive]", '[progressive]\nmethod = "apollo+"'))
        for text in ("train.txt", "valid.txt"):
            (folder / text).symlink_to(self.dir / text)
        (folder / "build").symlink_to(pathlib.Path(APOLLO).resolve().parent)
        return folder

    def page_environment(self):
        path = f"{pathlib.Path(APOLLO).resolve().parent}:{TORCHRUN.parent}:{os.environ['PATH']}"
        return {**self.environment(), "PATH": path, "OMPI_ALLOW_RUN_AS_ROOT": "1",
                "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}

    def test_commands_of_the_page_on_two_machines(self):
        """Two network namespaces, each with a network card of its own, stand for the machines."""
        if not TORCHRUN.exists():
            self.skipTest("no torchrun beside this Python")
        self.train("whole", *SHARED)
        nodes = self.two_nodes()
        lines = self.lines_of_page(r"torchrun .*--nnodes 2 .*my\.toml")
        self.assertEqual(len(lines), 2)
        self.run_on(nodes, lines, "page", [{}, {}])
        # What srun says to its two tasks; its own command, but for the threads of the other run.
        (line,) = self.lines_of_page(r"srun --cpus-per-task.*")
        line = line[line.index("build/apollo"):].replace("run.threads=16", "run.threads=1")
        told = {"SLURM_NTASKS": "2", "SLURM_LOCALID": "0", "SLURM_NTASKS_PER_NODE": "1",
                "SLURM_STEP_ID": "0", "SLURM_JOB_ID": "77"}
        self.run_on(nodes, [line, line], "slurm",
                    [{**told, "SLURM_PROCID": str(i), "GLOO_SOCKET_IFNAME": f"apollo{i}"}
                     for i in range(2)])

    def run_on(self, nodes, lines, name, variables):
        folder = self.page_folder(name)
        started = [subprocess.Popen(["ip", "netns", "exec", node, "bash", "-c", line], cwd=folder,
                                    env={**self.page_environment(), **more},
                                    stderr=subprocess.PIPE, text=True)
                   for node, line, more in zip(nodes, lines, variables)]
        for process in started:
            _, stderr = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, stderr)
        self.assert_same_run(f"{name}/runs/run", "whole")

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
                              "eval.every=20 steps", SHARDED]
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

    def ranks_of(self, process, but_for=()):
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        ranks = [int(pid) for pid in children.read_text().split()]
        return [pid for pid in ranks if pid not in but_for and
                os.path.realpath(f"/proc/{pid}/exe").startswith(os.path.realpath(
                    os.path.dirname(APOLLO)))]

    def test_all_stop_where_the_run_diverges(self):
        for moments in (PLAIN, ZERO):
            _, stderr = self.train_with(2, f"diverged-{len(moments)}",
                                        SHARED + ["train.lr=1e30"] + moments, expect=3)
            messages = re.findall(r"error: (step .*nothing was updated)", stderr)
            self.assertEqual(len(messages), 2, stderr)
            self.assertEqual(len(set(messages)), 1, "all ranks say the same")

    def test_scores_and_tasks_are_those_of_one_process(self):
        self.write("pairs.jsonl", "".join(
            json.dumps({"sentence_good": line, "sentence_bad": line[::-1]}) + "\n"
            for line in made_up_text(2400, 3).splitlines()))
        self.write("passages.jsonl", "".join(
            json.dumps({"text": line}) + "\n" for line in made_up_text(1500, 4).splitlines()))
        for kind in ("gpt2", "bert"):
            self.train(kind, *SHARED, *KINDS[kind])
            for words in (["score", kind, "valid.txt", "--json"], ["score", kind, "valid.txt"],
                          ["eval", kind, "--json"], ["eval", kind, "--task", "blimp", "pairs.jsonl"],
                          ["eval", kind, "--task", "lambada", "passages.jsonl", "--json"]):
                # Few sequences in a pass, so that there are passes for all.
                words += ["--threads", "1", "--batch-size", "3"]
                alone, _ = self.run_apollo(*words)
                self.assertTrue(alone)
                self.assertEqual(self.run_launched("processes", 3, *words)[0], alone, words)
        if TORCHRUN.exists():
            self.assertEqual(self.run_launched("torchrun", 2, *words)[0], alone)

    def test_ranks_do_not_share_standard_input(self):
        self.train("model")
        for words in (["score", "model", "-"], ["eval", "model", "--data", "-"]):
            _, stderr = self.run_apollo(*words, "--processes", 2, expect=2)
            self.assertIn("several processes cannot share standard input", stderr)

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
