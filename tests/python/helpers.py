"""Runs that take milliseconds, for the tests of the Python module."""

import json
import pathlib
import random
import subprocess
import sys

import apollo_lm as apollo

COMMAND = pathlib.Path(apollo.__file__).parent / "bin" / "apollo"


def made_up_text(size: int, seed: int = 1) -> str:
    """Words of a few letters; the same text for the same seed."""
    draw = random.Random(seed)
    words = ("".join(draw.choices("etaoinsh", k=draw.randint(2, 5))) for _ in range(size))
    return "".join(word + draw.choice("      \n") for word in words)


def tiny_config(folder: pathlib.Path, **sections) -> dict:
    """A GPT of twelve layers over bytes that grows thrice in 24 steps, its text in ``folder``."""
    (folder / "train.txt").write_text(made_up_text(2000))
    (folder / "valid.txt").write_text(made_up_text(200, seed=2))
    config = {
        "run": {"name": "tiny", "threads": 1, "device": "cpu"},
        "data": {
            "base_dir": str(folder),
            "train": ["train.txt"],
            "valid": ["valid.txt"],
            "cache": str(folder / "cache"),
            "tokenizer": "bytes",
        },
        "model": {"layers": 12, "width": 16, "heads": 2, "context": 16, "dropout": 0.1},
        "train": {
            "duration": "24 steps",
            "batch_size": 4,
            "micro_batch_size": 2,
            "lr": 1e-2,
        },
        "progressive": {
            "stages": [
                {"layers": 1, "until": "6 steps"},
                {"layers": 3, "until": "12 steps"},
                {"layers": 6, "until": "18 steps"},
                {"layers": 12},
            ]
        },
        "eval": {"every": "8 steps", "max_tokens": 160, "max_cost": 0},
        "checkpoint": {"every": "10 steps"},
    }
    for section, keys in sections.items():
        config[section] = {**config.get(section, {}), **keys}
    return config


def run_command(*words, check: bool = True) -> subprocess.CompletedProcess:
    return subprocess.run(
        [COMMAND, *map(str, words)], capture_output=True, text=True, check=check, timeout=300
    )


def run_python(code: str, **kwargs) -> subprocess.CompletedProcess:
    """`code` in an interpreter of its own, which tells where it died."""
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code],
        capture_output=True, text=True, timeout=300, **kwargs,
    )


def weights(run) -> dict[str, bytes]:
    """Model and optimizer of the latest checkpoint, byte by byte."""
    folder = pathlib.Path(run) / "checkpoints" / "latest"
    names = ("model.safetensors", "apollo/optimizer.safetensors")
    return {name: (folder / name).read_bytes() for name in names}


def losses(run) -> list[float]:
    rows = (json.loads(line) for line in open(pathlib.Path(run) / "metrics.jsonl"))
    return [row["loss"] for row in rows if row["event"] == "step"]
