"""What a run will do and cost, before it starts."""

import json
from typing import Any

from . import _light
from ._config import Config, overrides_of, source_of


def plan(
    config: Config,
    *,
    tokens: float = 0,
    vocab_size: int = 0,
    flops_per_second: float = 0.0,
    processes: int = 1,
    overrides: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Stages, depths, parameters, memory in bytes and FLOPs of a run, without training.

    ``tokens`` and ``vocab_size`` stand for the training data, which is read otherwise.
    ``flops_per_second`` predicts the time ("seconds"); by default it is the rate at which this
    machine trained last. Nothing is measured. "shared" says what each of ``processes`` keeps and
    sends. ``overrides`` are keys by their paths: ``{"train.lr": 1e-3}``.

    Raises ConfigError with all faults of the config, DataError for data that cannot be used.

    >>> config = {"data": {"train": ["none.txt"]}, "model": {"layers": 3, "width": 16, "heads": 2},
    ...           "train": {"duration": "100 steps"}, "progressive": {"method": "scratch"}}
    >>> plan(config, tokens=1e6, vocab_size=257)["steps"]
    100
    """
    name, text = source_of(config)
    return json.loads(
        _light.plan(
            name,
            text,
            overrides_of(overrides or {}),
            int(tokens),
            vocab_size,
            flops_per_second,
            processes,
        )
    )


def resolve(config: Config, *, overrides: dict[str, Any] | None = None) -> str:
    """The config as TOML with every key, and where each value came from, as in a run's ``run.toml``.

    Raises ConfigError with all faults.

    >>> "weight_decay" in resolve({"data": {"train": ["none.txt"]}, "progressive": {"method": "scratch"}})
    True
    """
    name, text = source_of(config)
    return _light.resolve(name, text, overrides_of(overrides or {}))
