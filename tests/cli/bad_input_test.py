"""Bad input: a clear error on stderr, exit code 2 (usage, config) or 1, and nothing lost."""

import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess

from harness import CONFIG, ApolloTest, main, wait_for

NOBODY = 65534


class BadConfig(ApolloTest):
    def errors(self, *overrides, expect=2):
        return self.train("out", *overrides, expect=expect)[1]

    def test_keys(self):
        self.write("run.toml", CONFIG.replace('width = 16', 'widht = 16')
                   .replace('lr = 1e-2', 'lr = "fast"'))
        self.assertEqual(
            self.errors(),
            "run.toml:10:1: error: unknown key 'widht' in [model]\n"
            "  hint: did you mean 'width'?\n"
            "run.toml:18:6: error: train.lr must be a number (got string 'fast')\n")

    def test_all_faults_at_once(self):
        stderr = self.errors("model.heads=3", "train.batch_size=0", "train.lr=-1", "no.such=1",
                             "progressive.depth_sampler=lpvs")
        self.assertEqual(stderr.count(": error: "), 5, stderr)
        for text in ("heads must divide model.width (got 3 heads, width 16)",
                     "train.batch_size must be at least 1 (got 0)",
                     "train.lr must be positive (got -1)", "no.such", "did you mean 'lvps'?"):
            self.assertIn(text, stderr)
        self.assertFalse((self.dir / "out").exists(), "nothing was made")

    def test_stages(self):
        for stages, text in (
                ('{layers=6,until="10%"},{layers=3,until="20%"},{layers=12}',
                 "stages cannot shrink: the stage before has 6 layers (got 3)"),
                ('{layers=24,until="10%"},{layers=12}',
                 "a stage cannot have more layers than the model, 12 (got 24)"),
                ('{layers=3,until="20 steps"},{layers=12}',
                 "ends with or after the run, which lasts '12 steps' (got '20 steps')"),
                ('{layers=3,until="1e18 flops"},{layers=12}', "after the run"),
                ('{layers=3,until="50%"},{layers=6}',
                 "the last stage must have all layers of the model, 12 (got 6)")):
            with self.subTest(stages):
                stderr = self.errors(f"progressive.stages=[{stages}]")
                self.assertIn(text, stderr)
                self.assertIn("progressive.stages[", stderr)

    def test_optimizers(self):
        self.assertEqual(
            self.errors("train.optimizer=sgd"),
            "--set: error: train.optimizer must be one of 'adamw', 'muon' (got string 'sgd')\n")
        self.assertIn("train.optimizer 'muon' needs a model.width of at least 2 (got 1)",
                      self.errors("train.optimizer=muon", "model.width=1", "model.heads=1"))
        self.train("out")
        stderr = self.errors("train.optimizer=muon")
        self.assertIn('train.optimizer: "adamw" -> "muon"\n', stderr)
        self.assertIn("hint: take them back to go on with it, or start another run with --out",
                      stderr)

    def test_revisions(self):
        self.assertIn("checkpoint.at[1]", self.errors('checkpoint.at=["0 steps", "1M words"]'))

    def test_no_such_device(self):
        stderr = self.errors("run.device=cuda:63")
        self.assertRegex(stderr, r"^apollo: error: .*cuda")
        stderr = self.errors("run.device=tpu")
        self.assertIn("run.device must be 'auto', 'cpu', 'cuda' or 'cuda:N' (got 'tpu')", stderr)

    def test_cuda_without_a_gpu(self):
        if shutil.which("nvidia-smi"):
            self.skipTest("this machine has a GPU")
        self.assertRegex(self.errors("run.device=cuda"), r"^apollo: error: .*'cuda'")

    def test_broken_toml(self):
        self.write("run.toml", "[run]\nname = \n")
        self.assertRegex(self.errors(), r"^run\.toml:2:\d+: error: ")

    def test_words(self):
        _, stderr = self.run_apollo("train", "run.toml", "--otu", "x", expect=2)
        self.assertEqual(stderr, "apollo: error: '--otu' is not known here; did you mean '--out'?\n"
                                 "  hint: apollo train --help\n")
        _, stderr = self.run_apollo("trian", expect=2)
        self.assertEqual(stderr, "apollo: error: 'trian' is not known here; did you mean 'train'?\n"
                                 "  hint: apollo --help\n")
        self.run_apollo(expect=2)
        self.run_apollo("train", "absent.toml", expect=2)

    def test_a_dash_is_never_the_name_of_a_file(self):
        self.write("-", CONFIG)
        for words in (["plan", "-"], ["train", "-"], ["train", "run.toml", "--from", "-"],
                      ["suite", "-"], ["finetune", "run", "-"], ["report", "-"], ["compare", "-"],
                      ["export", "-", "out"], ["grow", "-", "out", "--layers", 3],
                      ["generate", "-", "--prompt", "a"], ["score", "-", "train.txt"],
                      ["eval", "-"], ["prepare", "--tokenizer", "-", "--out", "o", "train.txt"]):
            _, stderr = self.run_apollo(*words, expect=2)
            self.assertIn(": '-' is stdin, and only text is read from there (hint: './-' is a file "
                          "of that name)\n", stderr)


class BadText(ApolloTest):
    def errors(self, *overrides, expect=1):
        return self.train("out", *overrides, expect=expect)[1]

    def test_missing_empty_and_short(self):
        self.assertIn("data.train: no file matches 'absent*.txt'",
                      self.errors("data.train=[\"absent*.txt\"]"))
        self.write("train.txt", "")
        self.assertIn(f"apollo: error: {self.dir}/train.txt: file is empty\n", self.errors())
        self.write("train.txt", "short text")
        self.assertIn("data.train: 11 tokens are less than one sequence: model.context = 16 needs "
                      "17", self.errors())

    def test_invalid_utf8_is_replaced_and_counted(self):
        self.write("bad.txt", b"good \xff\xfe bad \xe4\xb8 end " + b"x" * 50)
        stdout, stderr = self.run_apollo("prepare", "--tokenizer", "bytes", "--out", "data",
                                         "bad.txt", "--json")
        self.assertEqual(json.loads(stdout)["datasets"][0]["invalid_sequences"], 3)
        self.assertRegex(stderr, r"3 invalid UTF-8 sequences")

    def test_a_vocabulary_larger_than_the_text_allows(self):
        self.write("tiny.txt", "abababab " * 20)
        _, stderr = self.run_apollo("tokenizer", "train", "--vocab-size", "5000", "--out", "bpe",
                                    "tiny.txt", expect=1)
        self.assertEqual(stderr, "apollo: error: the text allows 261 tokens, but vocab_size is "
                                 "5000; hint: --vocab-size 261 or more text\n")
        self.assertFalse((self.dir / "bpe/tokenizer.json").exists())

    def test_a_dataset_of_another_tokenizer(self):
        self.run_apollo("tokenizer", "train", "--vocab-size", "300", "--out", "bpe", "train.txt")
        self.run_apollo("prepare", "--tokenizer", "bpe", "--out", "data", "train.txt")
        self.assertIn("was made by another tokenizer", self.errors("data.train=[\"data\"]"))
        self.train("run")
        _, stderr = self.run_apollo("eval", "run", "--data", "data", expect=1)
        self.assertIn("made by another tokenizer", stderr)

    def test_damaged_datasets(self):
        self.run_apollo("prepare", "--tokenizer", "bytes", "--out", "data", "train.txt")
        tokens, info = self.dir / "data/tokens.bin", self.dir / "data/dataset.json"
        whole, whole_info = tokens.read_bytes(), info.read_bytes()
        tokens.write_bytes(whole[:-100])
        self.assertIn("data/tokens.bin: expected 4001 tokens of 2 bytes, 8002 bytes in all, found "
                      "7902 (hint: prepare the dataset again)",
                      self.errors("data.train=[\"data\"]"))
        tokens.write_bytes(whole)
        info.write_bytes(whole_info[: len(whole_info) // 2])
        self.assertRegex(self.errors("data.train=[\"data\"]"), r"dataset\.json")
        info.write_bytes(whole_info)
        tokens.write_bytes(b"\xff\xff" + whole[2:])
        self.assertIn("data/tokens.bin: damaged: content hash", self.errors("data.train=[\"data\"]"))


class BadCheckpoints(ApolloTest):
    def damage(self, name, change):
        """Changes a file of the latest checkpoint for a while; gives a way back."""
        path = self.dir / "run/checkpoints/latest" / name
        whole = path.read_bytes()
        path.write_bytes(change(whole))
        return lambda: path.write_bytes(whole)

    def test_damaged_files(self):
        self.train("run", "checkpoint.every=6 steps")
        half = lambda content: content[: len(content) // 2]
        for name, change in (("model.safetensors", half), ("apollo/optimizer.safetensors", half),
                             ("apollo/state.json", half), ("config.json", half)):
            with self.subTest(name):
                restore = self.damage(name, change)
                _, stderr = self.train("run", "checkpoint.every=6 steps", expect=1)
                self.assertIn("checkpoint 'step-00000012' is damaged: ", stderr)
                self.assertIn(pathlib.Path(name).name, stderr)
                self.assertIn("goes on from the one before", stderr)
                restore()
        # The way that the message shows.
        restore = self.damage("model.safetensors", half)
        _, stderr = self.run_apollo("generate", "run", "--prompt", "a", expect=1)
        self.assertIn("model.safetensors", stderr)
        command = self.train("run", "checkpoint.every=6 steps", expect=1)[1].split("`")[1]
        subprocess.run(command, shell=True, check=True, cwd=self.dir)
        self.train("run", "checkpoint.every=6 steps")
        self.assertEqual(len(self.rows("run", "step")), 12)

    def test_another_architecture(self):
        self.train("run")
        self.damage("config.json", lambda text: text.replace(b'"gpt2"', b'"t5"')
                    .replace(b"GPT2LMHeadModel", b"T5Model"))
        _, stderr = self.run_apollo("eval", "run", "--data", "x", expect=1)
        self.assertIn("model_type is 't5': expected one of 'gpt2', 'bert'", stderr)

    def test_not_a_checkpoint(self):
        _, stderr = self.run_apollo("generate", ".", "--prompt", "a", expect=1)
        self.assertRegex(stderr, r"^apollo: error: .*config\.json")

    def test_a_changed_config(self):
        self.train("run")
        _, stderr = self.train("run", "train.lr=0.5", "run.seed=1", expect=2)
        self.assertEqual(stderr.splitlines()[-4:],
                         ["run: error: the run in this folder was started with other values:",
                          "    run.seed: 42 -> 1", "    train.lr: 0.01 -> 0.5",
                          "  hint: take them back to go on with it, or start another run with "
                          "--out"])


class BadPlaces(ApolloTest):
    def test_two_processes_in_one_folder(self):
        words = ["--set", "train.duration=5000 steps", "--set", "checkpoint.every=5 steps"]
        first = self.start("train", "run.toml", "--out", "run", *words)
        try:
            wait_for((self.dir / "run/checkpoints/latest").exists)
            _, stderr = self.run_apollo("train", "run.toml", "--out", "run", *words, expect=1)
            self.assertEqual(stderr, f"apollo: error: run: in use by another process (process id "
                                     f"{first.pid})\n")
            self.assertIsNone(first.poll(), "the first goes on")
        finally:
            first.kill()
            first.wait()

    def test_an_unwritable_folder(self):
        options = {"user": NOBODY, "group": NOBODY} if os.geteuid() == 0 else {}
        self.dir.chmod(0o755)
        (self.dir / "cache").mkdir(mode=0o777)
        (self.dir / "cache").chmod(0o777)
        (self.dir / "closed").mkdir(mode=0o555)
        try:
            _, stderr = self.run_apollo("train", "run.toml", "--out", "closed/run", expect=1,
                                        **options)
        except (PermissionError, subprocess.SubprocessError) as error:
            self.skipTest(f"cannot act as another user: {error}")
        self.assertIn("closed/run: cannot make the run folder: Permission denied", stderr)
        _, stderr = self.run_apollo("prepare", "--tokenizer", "bytes", "--out", "closed/data",
                                    "train.txt", expect=1, **options)
        self.assertIn("Permission denied", stderr)

    def test_a_checkpoint_that_may_not_be_written(self):
        """A run that is at step 3 and finds the folder of its checkpoints closed at step 6."""
        options = {"user": NOBODY, "group": NOBODY} if os.geteuid() == 0 else {}
        self.dir.chmod(0o777)
        words = ["train", "run.toml", "--out", "run"]
        try:
            self.run_apollo(*words, **options)
        except (PermissionError, subprocess.SubprocessError) as error:
            self.skipTest(f"cannot act as another user: {error}")
        shutil.copytree(self.dir / "run", self.dir / "whole", symlinks=True)
        checkpoints = self.dir / "run/checkpoints"
        (checkpoints / "latest").unlink()
        (checkpoints / "latest").symlink_to("step-00000003")
        for step in (6, 9, 12):
            shutil.rmtree(checkpoints / f"step-{step:08}")
        checkpoints.chmod(0o555)
        _, stderr = self.run_apollo(*words, expect=1, **options)
        self.assertEqual(stderr.splitlines()[-1],
                         "apollo: error: run/checkpoints/step-00000006: cannot make folder: "
                         "Permission denied")
        self.assertEqual(self.check_survivor(self.dir / "run", stderr), "step-00000003")
        checkpoints.chmod(0o755)
        self.run_apollo(*words, **options)
        self.assert_same_run("run", "whole")

    def check_survivor(self, folder, stderr):
        self.assertRegex(stderr, r"apollo: error: .*cannot (write|sync|make folder)")
        latest = os.readlink(folder / "checkpoints/latest")
        self.run_apollo("score", folder, "train.txt")
        left = sorted(path.name for path in (folder / "checkpoints").iterdir())
        self.assertEqual([name for name in left if name.startswith(".")], [])
        return latest

    def test_files_that_may_not_grow(self):
        """A limit on the size of a file that the checkpoint after growth exceeds."""
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
        words = ["train", "run.toml", "--out", "run"]
        _, stderr = self.run_apollo(*words, expect=1, preexec_fn=limit)
        latest = self.check_survivor(self.dir / "run", stderr)
        print(f"\nthe disk refused: {stderr.splitlines()[-1]}; {latest} survives")
        self.run_apollo(*words)
        self.train("whole")
        self.assert_same_run("run", "whole")

    def test_a_full_disk(self):
        disk = self.dir / "disk"
        disk.mkdir()
        if os.geteuid() != 0 or subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=320k", "none", disk],
                capture_output=True).returncode != 0:
            self.skipTest("cannot mount a small file system")
        self.addCleanup(subprocess.run, ["umount", disk])
        words = ["train", "run.toml", "--out", disk / "run"]
        _, stderr = self.run_apollo(*words, expect=1)
        self.assertIn("No space left on device", stderr)
        latest = self.check_survivor(disk / "run", stderr)
        print(f"\nthe disk was full: {stderr.splitlines()[-1]}; {latest} survives")
        self.train("whole")
        subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
        self.run_apollo(*words)
        self.assert_same_run("disk/run", "whole")


if __name__ == "__main__":
    main()
