#!/usr/bin/env python3
"""Faults of the system under every command that writes, and what came of them.

    APOLLO_BIN=build/apollo fuzz/faults.py [--rounds N] [--seed K]

Each round draws a command and a fault: a full disk, a file that may not grow beyond some size, a
process that is killed at some time, descriptors that are closed, few open files, few threads, little
memory, a pipe in place of an input (and Ctrl-C), a folder that may not be written. The command may
fail, but must say why and end by itself (the kill apart); and the same command without the fault
must then give the same bytes as where there never was one. Prints a line for each kind of fault.

Root may do more than it should here: for it, the rounds of threads and of folders that may not be
written run as `nobody`. Only root can have a full disk, which is a small file system in memory.

Where memory is so little that LibTorch's libraries give up while they are loaded, before any line of
Apollo ran, nothing is asked of how the command ends. The last line counts such rounds.
"""

import argparse
import collections
import contextlib
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

# The words of each, its result, and a file that it reads.
COMMANDS = {
    "prepare": (["prepare", "--tokenizer", "bytes", "--out", "OUT", "train.txt"], "OUT",
                "train.txt"),
    "tokenizer": (["tokenizer", "train", "--vocab-size", "300", "--out", "OUT", "train.txt"],
                  "OUT", "train.txt"),
    "train": (["train", "run.toml", "--out", "OUT"], "OUT/checkpoints/latest/model.safetensors",
              "train.txt"),
    "export": (["export", "source", "OUT"], "OUT", "source/checkpoints/latest/model.safetensors"),
}
NEED_TORCH = {"train", "export"}
SECONDS = 120
NOBODY = 65534
AS_NOBODY = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def limit(kind, value):
    return lambda: resource.setrlimit(kind, (value, value))


def close(descriptors):
    def act():
        for descriptor in descriptors:
            os.close(descriptor)
    return act


class Fault:
    """One fault: what the child does before it runs, when it is killed, and what is changed around
    it meanwhile."""

    def __init__(self, kind, before=None, kill_after=None, options=None, disk_size=None, size=""):
        self.kind = kind
        self.size = size  # in words
        self.before = before
        self.kill_after = kill_after
        self.options = options or {}
        self.disk_size = disk_size


def draw_fault(draw, kinds):
    kind = draw.choice(kinds)
    if kind == "full disk":
        size = int(10 ** draw.uniform(4.2, 6))
        return Fault(kind, disk_size=size, size=f"{size} B")
    if kind == "file size":
        size = int(10 ** draw.uniform(2, 5.5))
        return Fault(kind, limit(resource.RLIMIT_FSIZE, size), size=f"{size} B")
    if kind == "kill":
        seconds = draw.uniform(0.01, 1.5)
        return Fault(kind, kill_after=seconds, size=f"after {seconds:.2f} s")
    if kind == "descriptors":
        closed = draw.sample([0, 1, 2], draw.randint(1, 3))
        return Fault(kind, close(closed), size=f"{sorted(closed)}")
    if kind == "open files":
        number = draw.randint(4, 24)
        return Fault(kind, limit(resource.RLIMIT_NOFILE, number), size=f"{number}")
    if kind == "threads":
        number = draw.randint(1, 3)
        return Fault(kind, limit(resource.RLIMIT_NPROC, number), options=AS_NOBODY,
                     size=f"{number}")
    if kind == "memory":
        size = int(10 ** draw.uniform(7.5, 9.3))
        return Fault(kind, limit(resource.RLIMIT_AS, size), size=f"{size} B")
    if kind == "read-only":
        return Fault(kind, options=AS_NOBODY)
    return Fault(kind, kill_after=draw.uniform(0.5, 3))  # a pipe, which text may come from


KINDS = ["full disk", "file size", "kill", "descriptors", "open files", "threads", "memory",
         "pipe", "read-only"]


def run(folder, words, fault=None, options=None):
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([APOLLO, *words], cwd=folder, env=environment,
                               preexec_fn=fault and fault.before, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               errors="replace", **(options or {}))
    if fault and fault.kill_after is not None:
        time.sleep(fault.kill_after)
        process.send_signal(signal.SIGINT if fault.kind == "pipe" else signal.SIGKILL)
    try:
        stderr = process.communicate(timeout=SECONDS)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return "hangs", ""
    return process.returncode, stderr


@contextlib.contextmanager
def pipe_in_place_of(file):
    """While it lasts, a pipe that nobody writes into."""
    aside = file.with_name(file.name + ".aside")
    file.rename(aside)
    os.mkfifo(file)
    try:
        yield
    finally:
        aside.replace(file)


@contextlib.contextmanager
def closed_folder(folder):
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o777)


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of `size` bytes; it yields what makes it large."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "none", folder]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=100m", folder], check=True)
    finally:
        subprocess.run(["umount", folder], check=True)


def can_mount(folder):
    try:
        with small_disk(folder, 4096):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


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
    loader = code == 127  # few open files or little memory: the program was not even loaded
    left = kind == "pipe" and code in (130, -signal.SIGINT)
    if not killed and not loader and not left and code not in (0, 1, 2):
        return f"ends with {code}: {stderr[-200:]!r}"
    if code in (1, 2) and "error" not in stderr and kind != "descriptors":
        return f"ends with {code} without a word"
    return None


class Bench:
    def __init__(self, folder, names):
        self.folder = folder
        folder.chmod(0o777)
        (folder / "train.txt").write_text(made_up_text(4000))
        (folder / "valid.txt").write_text(made_up_text(800, 7))
        (folder / "run.toml").write_text(CONFIG)
        self.expected = {}
        self.not_loaded = 0  # rounds of little memory that ended before Apollo began
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

    def loads_torch(self, fault):
        """Whether the engine comes as far as its own first line under the fault."""
        return run(self.folder, ["eval", "--help"], fault, fault.options)[0] == 0

    def round(self, name, fault):
        """How the command ended, and what is wrong with that or with what follows, or None."""
        for left in ("out", "cache"):
            shutil.rmtree(self.folder / left, ignore_errors=True)
        if fault.options:  # one's own, which is the only one that is trusted
            (self.folder / "cache").mkdir(mode=0o700)
            os.chown(self.folder / "cache", NOBODY, NOBODY)
        if fault.kind == "pipe":
            with pipe_in_place_of((self.folder / COMMANDS[name][2]).resolve()):
                code, stderr = run(self.folder, self.words(name, "out"), fault)
        elif fault.kind == "read-only":
            with closed_folder(self.folder):
                code, stderr = run(self.folder, self.words(name, "out"), options=fault.options)
        elif fault.kind == "full disk":
            with small_disk(self.folder / "disk", fault.disk_size) as make_large:
                code, stderr = run(self.folder, self.words(name, "disk/out"))
                make_large()
                return code, self.check(name, "disk/out", fault, code, stderr)
        else:
            code, stderr = run(self.folder, self.words(name, "out"), fault, fault.options)
        return code, self.check(name, "out", fault, code, stderr)

    def check(self, name, out, fault, code, stderr):
        is_loaded = fault.kind != "memory" or name not in NEED_TORCH or self.loads_torch(fault)
        self.not_loaded += not is_loaded
        wrong = judge(code, stderr, fault.kind) if is_loaded else None
        if wrong:
            return wrong
        if fault.kind in ("pipe", "read-only") and code == 0:
            return "goes on as if nothing were wrong"
        if name != "train" and (self.folder / out).exists():
            if content(self.result(name, out)) != self.expected[name]:
                return "leaves a folder that is not whole"
            shutil.rmtree(self.folder / out)  # one that is there already is refused
        again, stderr = run(self.folder, self.words(name, out), options=fault.options)
        if again != 0:
            return f"afterwards {again}: {stderr[-200:]!r}"
        if content(self.result(name, out)) != self.expected[name]:
            return "afterwards other bytes"
        left = [path.name for path in (self.folder / out).parent.glob(".out*.new")]
        return f"leaves {left}" if left and fault.kind != "kill" else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", nargs="*", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=KINDS)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    counts = collections.defaultdict(collections.Counter)
    wrongs = []
    with tempfile.TemporaryDirectory(prefix="apollo-faults-") as name:
        bench = Bench(pathlib.Path(name), options.commands)
        kinds = options.kinds
        if "full disk" in kinds and not can_mount(bench.folder / "disk"):
            print("no full disk: that takes root, who may mount a file system")
            kinds = [kind for kind in kinds if kind != "full disk"]
        for number in range(options.rounds):
            command = draw.choice(options.commands)
            fault = draw_fault(draw, kinds)
            code, wrong = bench.round(command, fault)
            counts[fault.kind]["rounds"] += 1
            counts[fault.kind]["done" if code == 0 else "refused or killed"] += 1
            counts[fault.kind]["wrong"] += wrong is not None
            if wrong:
                wrongs.append(f"round {number}, {fault.kind} {fault.size}, {command}: {wrong}")
                print(wrongs[-1], flush=True)
    for kind, count in sorted(counts.items()):
        print(f"{kind:<12} seed {options.seed}  {count['rounds']:>4} rounds  {count['done']:>4} done"
              f"  {count['refused or killed']:>4} refused or killed  {count['wrong']:>4} wrong")
    if bench.not_loaded:
        print(f"LibTorch was not loaded for want of memory in {bench.not_loaded} rounds")
    return 1 if wrongs else 0


if __name__ == "__main__":
    sys.exit(main())
