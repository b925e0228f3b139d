"""What the end-to-end tests share: the program (environment APOLLO_BIN), made-up text, tiny runs, a
folder that goes away. A test that cannot run here exits with 77, which ctest shows as skipped."""

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

APOLLO = os.environ.get("APOLLO_BIN", "build/apollo")
SKIPPED = 77

CONFIG = """
[run]
threads = 1
[data]
train = ["train.txt"]
valid = ["valid.txt"]
cache = "cache"
[model]
layers = 12
width = 16
heads = 2
context = 16
dropout = 0.1
[train]
duration = "12 steps"
batch_size = 4
micro_batch_size = 2
lr = 1e-2
[progressive]
stages = [{layers = 1, until = "25%"}, {layers = 3, until = "50%"},
          {layers = 6, until = "75%"}, {layers = 12}]
[eval]
every = "25%"
max_tokens = 160
max_cost = 0
[checkpoint]
every = "25%"
keep = 99
"""


def skip(reason):
    print("skipped:", reason)
    sys.exit(SKIPPED)


def made_up_text(size, seed=20261124):
    """Words and lines; the same text for the same seed."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 6))) for _ in range(300)]
    text = ""
    while len(text) < size:
        text += " ".join(draw.choices(words, k=9)).capitalize() + ".\n"
    return text[:size]


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain")
        time.sleep(0.005)


class ApolloTest(unittest.TestCase):
    """A folder of its own with train.txt, valid.txt and run.toml."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="apollo-e2e-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.write("train.txt", made_up_text(4000))
        self.write("valid.txt", made_up_text(800, 7))
        self.write("run.toml", CONFIG)

    def write(self, name, content):
        mode = "wb" if isinstance(content, bytes) else "w"
        with open(self.dir / name, mode) as file:
            file.write(content)
        return self.dir / name

    def environment(self):
        return {**os.environ, "XDG_CACHE_HOME": str(self.dir / "user-cache")}

    def start(self, *arguments, **options):
        """The running program; its stderr goes into the file `stderr`."""
        with open(self.dir / "stderr", "w") as stderr:
            return subprocess.Popen(
                [APOLLO, *map(str, arguments)],
                cwd=self.dir,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                **options,
            )

    def run_apollo(self, *arguments, expect=0, **options):
        """Runs the program to its end; the exit code must be `expect`. Gives stdout, stderr."""
        done = subprocess.run(
            [APOLLO, *map(str, arguments)],
            cwd=self.dir,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            **options,
        )
        self.assertEqual(
            done.returncode, expect, f"apollo {' '.join(map(str, arguments))}\n{done.stderr}"
        )
        return done.stdout, done.stderr

    def train(self, name, *overrides, expect=0):
        sets = [word for override in overrides for word in ("--set", override)]
        return self.run_apollo("train", "run.toml", "--out", name, *sets, expect=expect)

    def rows(self, name, *events):
        with open(self.dir / name / "metrics.jsonl") as file:
            rows = [json.loads(line) for line in file]
        return [row for row in rows if row["event"] in events]

    def checkpoint_bytes(self, name):
        """Weights and moments of the latest checkpoint, as they are on disk."""
        latest = self.dir / name / "checkpoints/latest"
        files = ["model.safetensors", "apollo/optimizer.safetensors", "apollo/parameters.safetensors"]
        return [(latest / file).read_bytes() for file in files if (latest / file).exists()]

    def assert_same_run(self, name, expected):
        """Weights, moments and logged numbers equal to the bit; times are not compared."""
        self.assertEqual(self.numbers(name), self.numbers(expected))
        self.assertTrue(self.checkpoint_bytes(name) == self.checkpoint_bytes(expected))

    def numbers(self, name):
        times = {"wall_s", "energy_j", "tokens_per_s", "model_flops_utilisation", "eval_s"}
        return [
            {key: value for key, value in row.items() if key not in times}
            for row in self.rows(name, "step", "eval", "grow")
        ]


def main():
    if not os.access(APOLLO, os.X_OK):
        skip(f"no program at '{APOLLO}' (APOLLO_BIN)")
    unittest.main(verbosity=2)

