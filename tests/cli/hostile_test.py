"""Hostile surroundings: outputs that take nothing, closed descriptors, pipes in place of files,
names with control characters, limits. A clear error and an exit status, and nothing hangs."""

import os
import resource
import signal
import subprocess
import time

from harness import APOLLO, ApolloTest, main

DEEP = "[" * 30_000 + "]" * 30_000


class Outputs(ApolloTest):
    COMMANDS = (
        ["--help"],
        ["--version"],
        ["tokenizer", "--help"],
        ["plan", "run.toml"],
        ["prepare", "--tokenizer", "bytes", "--out", "data", "train.txt"],
        ["tokenizer", "encode", "--tokenizer", "bytes", "train.txt"],
    )

    def status(self, words, **options):
        done = subprocess.run([APOLLO, *words], cwd=self.dir, env=self.environment(),
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              timeout=60, **options)
        return done.returncode, done.stderr

    def test_a_full_output(self):
        for words in self.COMMANDS:
            with self.subTest(words), open("/dev/full", "w") as full:
                code, stderr = self.status(words, stdout=full)
                self.assertEqual(code, 1)
                self.assertIn("apollo: error: stdout: cannot write", stderr)

    def test_a_closed_output(self):
        for words in self.COMMANDS:
            with self.subTest(words):
                code, stderr = self.status(words, preexec_fn=lambda: os.close(1))
                self.assertEqual(code, 1)
                self.assertIn("apollo: error: stdout: cannot write", stderr)

    def test_closed_descriptors(self):
        """The log must not go into the first file that is opened."""
        def close():
            for descriptor in (0, 1, 2):
                os.close(descriptor)
        done = subprocess.run([APOLLO, "train", "run.toml", "--out", "run"], cwd=self.dir,
                              env=self.environment(), preexec_fn=close, timeout=300)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(len(self.rows("run", "step")), 12)  # every line is JSON


class Inputs(ApolloTest):
    def test_a_pipe_in_place_of_a_file(self):
        os.makedirs(self.dir / "model")
        for name in ("tokenizer.json", "run2.toml", "model/config.json"):
            os.mkfifo(self.dir / name)
        for words, code in ((["tokenizer", "encode", "--tokenizer", "tokenizer.json", "train.txt"],
                             1),
                            (["plan", "run2.toml"], 2),
                            (["generate", "model", "--prompt", "a"], 1)):
            with self.subTest(words):
                _, stderr = self.run_apollo(*words, expect=code, timeout=30)
                self.assertIn("expected a file, found ", stderr)

    def interrupt(self, words, after):
        """One Ctrl-C, `after` seconds, ends a command that waits for its input."""
        waiting = subprocess.Popen([APOLLO, *words], cwd=self.dir, env=self.environment(),
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(after)
        waiting.send_signal(signal.SIGINT)
        self.assertEqual(waiting.wait(timeout=30), 130)
        waiting.stdin.close()

    def test_a_signal_while_input_is_awaited(self):
        for words in (["tokenizer", "encode", "--tokenizer", "bytes", "-"],
                      ["prepare", "--tokenizer", "bytes", "--out", "data", "/dev/stdin"]):
            with self.subTest(words):
                self.interrupt(words, after=0.5)
                self.assertFalse((self.dir / "data").exists())
        self.train("run")
        os.mkfifo(self.dir / "pipe.txt")
        for words in (["score", "run", "-"], ["score", "run", "pipe.txt"],
                      ["tokenizer", "encode", "--tokenizer", "bytes", "pipe.txt"],
                      ["prepare", "--tokenizer", "bytes", "--out", "data", "pipe.txt"]):
            with self.subTest(words):
                self.interrupt(words, after=2)

    def test_deep_json(self):
        self.write("deep.jsonl", '{"text": "a", "x": %s}\n' % DEEP)
        os.makedirs(self.dir / "folder")
        self.write("folder/tokenizer.json", '{"model": {"dropout": %s}}' % DEEP)
        self.write("folder/config.json", '{"model_type": %s}' % DEEP)
        for words in (["prepare", "--tokenizer", "bytes", "--out", "data", "deep.jsonl"],
                      ["tokenizer", "encode", "--tokenizer", "folder", "train.txt"],
                      ["generate", "folder", "--prompt", "a"]):
            with self.subTest(words):
                _, stderr = self.run_apollo(*words, expect=1)
                self.assertIn("nested deeper than 100", stderr)
                self.assertLess(len(stderr), 300)

    def test_deep_toml(self):
        self.write("deep.toml", "a" + ".a" * 50_000 + " = 1\n")
        for command in ("plan", "train", "suite"):
            _, stderr = self.run_apollo(command, "deep.toml", expect=2)
            self.assertEqual(stderr, "deep.toml:1:40: error: a key of more than 20 parts\n")


class Names(ApolloTest):
    def test_a_path_with_a_line_end(self):
        folder = self.dir / "a\n[run]\nseed = 7"
        folder.mkdir()
        for name in ("run.toml", "train.txt", "valid.txt"):
            (folder / name).write_bytes((self.dir / name).read_bytes())
        words = ["train", folder / "run.toml", "--out", "run"]
        self.run_apollo(*words)
        self.run_apollo(*words)  # reads the run.toml that it wrote
        self.assertEqual(self.rows("run", "start")[0]["seed"], 42)

    def test_control_characters_are_not_printed(self):
        _, stderr = self.run_apollo("plan", "a\x1b[31m\x07.toml", expect=2)
        self.assertEqual(stderr, "a\\x1b[31m\\x07.toml: error: there is no such file\n")

    def test_a_suite_stays_in_its_folder(self):
        self.write("suite.toml", '[suite]\nname = "../../x"\nbase = "run.toml"\n'
                                 '[[run]]\nname = "a"\n')
        _, stderr = self.run_apollo("suite", "suite.toml", "--dry-run", expect=2)
        self.assertIn("suite.toml:2:8: error: suite.name must be the name of a folder (got "
                      "'../../x')", stderr)


class Limits(ApolloTest):
    def test_a_file_that_may_not_grow(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        _, stderr = self.run_apollo("prepare", "--tokenizer", "bytes", "--out", "data",
                                    "train.txt", expect=1, preexec_fn=limit)
        self.assertIn("File too large", stderr)
        self.assertEqual([path.name for path in self.dir.glob(".data*")], [])

    def test_sizes_have_an_end(self):
        for key in ("model.layers", "model.width", "model.context", "train.batch_size"):
            _, stderr = self.run_apollo("plan", "run.toml", "--set", f"{key}={2**63 - 1}",
                                        expect=2, timeout=30)
            self.assertIn(f"{key} must be at most ", stderr)

    def test_several_processes_prepare_one_folder(self):
        words = ["prepare", "--tokenizer", "bytes", "--out", "data", "train.txt"]
        started = [self.start(*words) for _ in range(4)]
        self.assertEqual([process.wait(timeout=60) for process in started], [0] * 4)
        self.run_apollo("prepare", "--verify", "data")
        self.assertEqual([path.name for path in self.dir.glob(".data*")], [])

    def test_a_dataset_that_names_a_smaller_vocabulary(self):
        self.run_apollo("prepare", "--tokenizer", "bytes", "--out", "data", "train.txt")
        self.train("run")
        tokens = self.dir / "data/tokens.bin"
        tokens.write_bytes(b"\xff\xff" + tokens.read_bytes()[2:])
        _, stderr = self.run_apollo("eval", "run", "--data", "data", expect=1)
        self.assertIn("holds token 65535, outside of the model's vocabulary of 257", stderr)


if __name__ == "__main__":
    main()
