"""Apollo: language models that grow in depth while they train.

``import apollo_lm`` loads no torch: tokenizers, data, plans and reports do without; what computes
loads it when it is called first. All of it is the program `apollo`, and gives the same bits.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, overload

from . import _engine_loader, _light, errors, growth
from ._build import VERSION as __version__
from .data import prepare
from .errors import (
    ApolloError,
    CheckpointError,
    ConfigError,
    DataError,
    DivergedError,
    TorchMismatchError,
    UsageError,
)
from .models import Model, Score, evaluate, export, generate, score
from .planning import plan, resolve
from .run import Comparison, Page, Run, compare, finetune, train
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    import torch

__all__ = [
    "ApolloError",
    "CheckpointError",
    "Comparison",
    "ConfigError",
    "DataError",
    "DivergedError",
    "Model",
    "Page",
    "Run",
    "Score",
    "Tokenizer",
    "TorchMismatchError",
    "UsageError",
    "__version__",
    "compare",
    "config_reference",
    "errors",
    "evaluate",
    "export",
    "finetune",
    "generate",
    "grow",
    "growth",
    "plan",
    "prepare",
    "resolve",
    "score",
    "set_log_level",
    "train",
]


@overload
def grow(
    model: dict[str, torch.Tensor], layers: int, map: str = ..., out: None = None
) -> dict[str, torch.Tensor]: ...
@overload
def grow(
    model: str | os.PathLike[str], layers: int, map: str = ..., out: str | os.PathLike[str] = ...
) -> None: ...
def grow(model, layers, map="interpolate", out=None):
    """Grows a trained model to ``layers`` layers.

    ``model`` is a state dict with Hugging Face's names, of which the grown one is returned; or a
    checkpoint, run or Hugging Face folder, of which the grown one is written to ``out``, with its
    tokenizer, as ``apollo grow``. ``map``: interpolate (0 0 1 1 2 2), stack (0 1 2 0 1 2),
    middle_block or middle.

    Raises UsageError for fewer layers than there are, an unknown map, or an ``out`` that is not
    empty; CheckpointError for a folder that is damaged or not supported.

    >>> grow(run.state_dict(), 12)  # doctest: +SKIP
    """
    if isinstance(model, dict):
        numbers = {int(m[3]) for m in (growth._LAYER_NAME.match(name) for name in model) if m}
        return growth.grow_state_dict(model, growth.growth_map(len(numbers), layers, map))
    if out is None:
        raise UsageError("out, the folder of the grown model, is missing")
    _engine_loader.engine().grow_folder(os.fspath(model), os.fspath(out), layers, map)
    return None


def set_log_level(level: Literal["detail", "info", "warning", "quiet"]) -> None:
    """What goes to stderr: lines and warnings (the default), warnings alone, or nothing.

    >>> set_log_level("warning")
    """
    _light.set_log_level(level)
    _engine_loader.set_log_level(level)


def config_reference() -> str:
    """Every key of a run's config with its default, choices and help, as TOML.

    >>> "[progressive]" in config_reference()
    True
    """
    return _light.config_reference()
