#!/usr/bin/env python3
"""Faults of the system under every command that writes, and what came of them.

    APOLLO_BIN=build/apollo fuzz/faults.py [--rounds N] [--seed K]

Each round draws a command and a fault: a file that may not grow beyond some size, a process that is
killed at some time, descriptors that are closed, few open files, few threads, little memory. The
command may fail, but must say why and end by itself (the kill apart); what was there before must
still be whole; and the same command without the fault must then give the same bytes as where there
never was one. Prints a line for each kind of fault.
"""

import argparse
import collections
import hashlib
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/cli"))
from harness import APOLLO, CONFIG, made_up_text  # noqa: E402

COMMANDS = {
    "prepare": (["prepare", "--tokenizer", "bytes", "--out", "OUT", "train.txt"], "OUT"),
    "tokenizer": (["tokenizer", "train", "--vocab-size", "300", "--out", "OUT", "train.txt"],
                  "OUT"),
    "train": (["train", "run.toml", "--out", "OUT"], "OUT/checkpoints/latest/model.safetensors"),
    "export": (["export", "source", "OUT"], "OUT"),
}
SECONDS = 120


def limit(kind, value):
    return lambda: resource.setrlimit(kind, (value, value))


def close(descriptors):
    def act():
        for descriptor in descriptors:
            os.close(descriptor)
    return act


def faults(draw):
    """Name of a kind, what the child does before it runs, seconds until it is killed (or None)."""
    kind = draw.choice(["file size", "kill", "descriptors", "open files", "threads", "memory"])
    if kind == "file size":
        return kind, limit(resource.RLIMIT_FSIZE, int(10 ** draw.uniform(2, 5.5))), None
    if kind == "kill":
        return kind, None, draw.uniform(0.01, 1.5)
    if kind == "descriptors":
        return kind, close(draw.sample([0, 1, 2], draw.randint(1, 3))), None
    if kind == "open files":
        return kind, limit(resource.RLIMIT_NOFILE, draw.randint(4, 24)), None
    if kind == "threads":
        return kind, limit(resource.RLIMIT_NPROC, draw.randint(1, 3)), None
    return kind, limit(resource.RLIMIT_AS, int(10 ** draw.uniform(7.5, 9.3))), None


def run(folder, words, before=None, kill_after=None):
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([APOLLO, *words], cwd=folder, env=environment, preexec_fn=before,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True, errors="replace")
    if kill_after is not None:
        time.sleep(kill_after)
        process.send_signal(signal.SIGKILL)
    try:
        stderr = process.communicate(timeout=SECONDS)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return "hangs", ""
    return process.returncode, stderr


def content(path):
    """Hash of a file, or of all files of a folder but its lock and log."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        if file.is_file() and not file.name.startswith("."):
            digest.update(str(file.relative_to(path)).encode() + file.read_bytes())
    return digest.hexdigest()


def judge(code, stderr, kind):
    """What is wrong with how the program ended, or None."""
    if code == "hangs":
        return f"hangs for {SECONDS} s"
    killed = kind == "kill" and code == -signal.SIGKILL
    # The loader and LibTorch's own libraries may give up before Apollo runs.
    loader = code == 127 or (kind == "memory" and "shared libraries" in stderr)
    if not killed and not loader and code not in (0, 1, 2):
        return f"ends with {code}: {stderr[-200:]!r}"
    if code in (1, 2) and "error" not in stderr and kind != "descriptors":
        return f"ends with {code} without a word"
    return None


class Bench:
    def __init__(self, folder, names):
        self.folder = folder
        (folder / "train.txt").write_text(made_up_text(4000))
        (folder / "valid.txt").write_text(made_up_text(800, 7))
        (folder / "run.toml").write_text(CONFIG)
        self.expected = {}
        if "export" in names:
            self.must("train", "run.toml", "--out", "source")
        for name in names:
            self.must(*self.words(name, "expected-" + name))
            self.expected[name] = content(self.result(name, "expected-" + name))

    def words(self, name, out):
        return [word.replace("OUT", out) for word in COMMANDS[name][0]]

    def result(self, name, out):
        return self.folder / COMMANDS[name][1].replace("OUT", out)

    def must(self, *words):
        code, stderr = run(self.folder, words)
        if code != 0:
            raise SystemExit(f"apollo {' '.join(words)}: {code}\n{stderr}")

    def round(self, name, kind, before, kill_after):
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        shutil.rmtree(self.folder / "cache", ignore_errors=True)
        words = self.words(name, "out")
        code, stderr = run(self.folder, words, before, kill_after)
        wrong = judge(code, stderr, kind)
        if wrong:
            return code, wrong
        if name != "train" and code == 0 and kind != "descriptors":
            return code, None  # a folder that is there already is refused
        if name == "export":
            shutil.rmtree(self.folder / "out", ignore_errors=True)
        again, stderr = run(self.folder, words)
        if again != 0:
            return code, f"afterwards {again}: {stderr[-200:]!r}"
        if content(self.result(name, "out")) != self.expected[name]:
            return code, "afterwards other bytes"
        left = [path.name for path in self.folder.glob(".out*.new")]
        return code, f"leaves {left}" if left else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", nargs="*", choices=COMMANDS, default=list(COMMANDS))
    options = parser.parse_args()
    draw = random.Random(options.seed)
    counts = collections.defaultdict(collections.Counter)
    wrongs = []
    with tempfile.TemporaryDirectory(prefix="apollo-faults-") as name:
        bench = Bench(pathlib.Path(name), options.commands)
        for number in range(options.rounds):
            command = draw.choice(options.commands)
            kind, before, kill_after = faults(draw)
            code, wrong = bench.round(command, kind, before, kill_after)
            counts[kind]["rounds"] += 1
            counts[kind]["done" if code == 0 else "refused or killed"] += 1
            counts[kind]["wrong"] += wrong is not None
            if wrong:
                wrongs.append(f"round {number}, {kind}, {command}: {wrong}")
                print(wrongs[-1], flush=True)
    for kind, count in sorted(counts.items()):
        print(f"{kind:<12} seed {options.seed}  {count['rounds']:>4} rounds  {count['done']:>4} done"
              f"  {count['refused or killed']:>4} refused or killed  {count['wrong']:>4} wrong")
    return 1 if wrongs else 0


if __name__ == "__main__":
    sys.exit(main())
