#!/usr/bin/env python3
"""The Python module against what it stands beside: encoding against `tokenizers`, training against the
command. Prints one JSON object.

    PYTHONPATH=build/python .venv/bin/python bench/python_speed.py TEXT [--threads 2] [--rounds 5]

TEXT is a file of some megabytes, one document a line. Rounds take turns, so that a machine that does
other work slows both; what is printed is the median of the rounds.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time


def seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median_ratio(theirs, ours, rounds: int) -> dict:
    """Seconds of both, round by round in turn."""
    pairs = [(seconds(theirs), seconds(ours)) for _ in range(rounds)]
    return {
        "theirs_s": statistics.median(a for a, _ in pairs),
        "ours_s": statistics.median(b for _, b in pairs),
        "ratio": statistics.median(a / b for a, b in pairs),
    }


def encoding(texts: list[str], folder: pathlib.Path, threads: int, rounds: int) -> dict:
    import numpy as np
    import tokenizers

    import apollo_lm as apollo

    ours = apollo.Tokenizer.train(texts, 8192)
    ours.save(folder / "tokenizer")
    theirs = tokenizers.Tokenizer.from_file(str(folder / "tokenizer/tokenizer.json"))

    def encode_theirs():
        return [np.array(e.ids, np.int32) for e in theirs.encode_batch(texts, add_special_tokens=False)]

    def encode_ours():
        return ours.encode_batch(texts, threads=threads)

    assert all((a == b).all() for a, b in zip(encode_theirs(), encode_ours(), strict=True))
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    return {"megabytes": megabytes, **median_ratio(encode_theirs, encode_ours, rounds)}


def training(text: pathlib.Path, folder: pathlib.Path, threads: int, rounds: int) -> dict:
    import apollo_lm as apollo

    config = {
        "run": {"threads": threads, "device": "cpu"},
        "data": {"train": [str(text.resolve())], "tokenizer": "bytes", "cache": str(folder / "cache")},
        "model": {"layers": 4, "width": 128, "heads": 4, "context": 128},
        "train": {"duration": "30 steps", "batch_size": 16, "micro_batch_size": 8},
        "progressive": {"method": "scratch"},
    }
    (folder / "run.toml").write_text(apollo._config.to_toml(config))
    command = pathlib.Path(apollo.__file__).parent / "bin/apollo"
    rates = {"command": [], "module": []}
    for number in range(rounds):
        out = folder / f"command-{number}"
        subprocess.run([command, "train", folder / "run.toml", "--out", out], check=True,
                       capture_output=True)
        rates["command"].append(rate(apollo.Run(out)))
        rates["module"].append(rate(apollo.train(config, folder / f"module-{number}", lambda row: None)))
    pairs = zip(rates["module"], rates["command"], strict=True)
    return {
        **{f"{name}_tokens_per_s": statistics.median(found) for name, found in rates.items()},
        "ratio": statistics.median(a / b for a, b in pairs),
    }


def rate(run) -> float:
    """Tokens a second of the median step, the first five apart."""
    return statistics.median(row["tokens_per_s"] for row in run.row_list("step")[5:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = str(arguments.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    import apollo_lm as apollo

    apollo.set_log_level("quiet")
    texts = [line for line in arguments.text.read_text().splitlines() if line]
    with tempfile.TemporaryDirectory() as folder:
        options = (pathlib.Path(folder), arguments.threads, arguments.rounds)
        found = {"threads": arguments.threads, "encoding": encoding(texts, *options)}
        found["training"] = training(arguments.text, *options)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
