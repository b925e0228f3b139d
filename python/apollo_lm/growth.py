"""Growth of models in layers, inside of any trainer.

Layer maps and schedules are the program's (docs/how-a-run-works.md); here they are carried out on
models of ``transformers`` with torch. A pass runs ``depth`` blocks, of which one layer may be
several; growth makes layers of blocks. Where the old number of layers divides the new one, the
grown model computes at every depth from there on what the shared one did, to the bit.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _light
from ._config import Config, overrides_of, source_of
from .errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn


def growth_map(source: int, target: int, map: str = "interpolate") -> list[int]:
    """The layer of ``source`` that each layer of ``target`` is a copy of.

    Raises UsageError out of range and for an unknown map.

    >>> growth_map(3, 6), growth_map(3, 5, "stack")
    ([0, 0, 1, 1, 2, 2], [0, 1, 2, 1, 2])
    """
    return _light.growth_map(map, source, target)


def sharing_map(layers: int, depth: int, map: str = "interpolate") -> list[int]:
    """The layer whose weights each block of a pass of ``depth`` runs with.

    >>> sharing_map(2, 5)
    [0, 0, 0, 1, 1]
    """
    return _light.sharing_map(map, layers, depth)


@dataclass(frozen=True)
class Step:
    """What a run does in one optimizer step, and before it."""

    step: int
    """From 0."""
    stage: int
    layers: int
    """Unique ones, after growth."""
    blocks: tuple[int, ...]
    """The layer of each block of the pass (of the first micro-batch)."""
    passes: tuple[tuple[int, ...], ...]
    """The same of each micro-batch; they differ only by ``depth_draw = "micro_batch"``."""
    lr: float
    flops: float
    """Of all its passes."""
    grow: tuple[int, ...] | None
    """The growth map that is due before the step, if any."""

    @property
    def depth(self) -> int:
        return len(self.blocks)


class Schedule:
    """All decisions of a run, step by step, without training: those of ``apollo train``.

    >>> config = {"data": {"train": ["none.txt"]}, "model": {"layers": 4, "width": 16, "heads": 2},
    ...           "train": {"duration": "10 steps", "lr": 1e-3, "warmup": "0 steps"},
    ...           "progressive": {"method": "apollo", "stages": [{"layers": 2, "until": "5 steps"},
    ...                                                          {"layers": 4}]}}
    >>> schedule = Schedule(config, tokens=1e6, vocab_size=257)
    >>> len(schedule), schedule[4].layers, schedule[5].layers, schedule[5].grow
    (10, 2, 4, (0, 0, 1, 1))
    """

    def __init__(
        self,
        config: Config,
        *,
        tokens: float = 0,
        vocab_size: int = 0,
        overrides: dict[str, Any] | None = None,
    ) -> None:
        """``tokens`` and ``vocab_size`` stand for the training data, which is read otherwise.

        Raises ConfigError with all faults, UsageError for a run that is measured in hours.
        """
        name, text = source_of(config)
        self._core = _light.make_schedule(
            name, text, overrides_of(overrides or {}), int(tokens), vocab_size
        )

    def __len__(self) -> int:
        return len(self._core)

    def __getitem__(self, step: int) -> Step:
        """Quick from one step to the next; a step back walks through the run again."""
        found = self._core.at(step + len(self) if step < 0 else step)
        passes = tuple(tuple(blocks) for blocks in found.pop("passes"))
        grow = found.pop("grow")
        return Step(
            passes=passes, blocks=passes[0], grow=None if grow is None else tuple(grow), **found
        )

    def require_layers_alone(self) -> None:
        """Raises UsageError where the run asks for more than arranging and copying layers: fresh or
        frozen layers, moments that are dropped, a depth of its own for each micro-batch."""
        if fault := self._core.beyond_layers():
            raise UsageError(fault)


def _layer_list(model: nn.Module) -> tuple[nn.Module, str]:
    """The module that holds the model's layers as a ModuleList, and its name there."""
    from torch import nn

    found = [
        (parent, name)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.ModuleList) and len(child) and len({type(c) for c in child}) == 1
    ]
    # Layers may hold lists of their own, so the outermost counts.
    if not found:
        raise UsageError(f"{type(model).__name__} holds no list of layers (torch.nn.ModuleList)")
    return found[0]


def _require_alike(model: nn.Module) -> None:
    """Raises UsageError where what a layer is depends on its place."""
    if getattr(getattr(model, "config", None), "model_type", None) == "modernbert":
        raise UsageError(
            "a layer of a ModernBERT cannot stand in another place: the first has no norm before its "
            "attention, and every third sees all (hint: `apollo grow` grows a folder)"
        )


def layers_of(model: nn.Module) -> list[nn.Module]:
    """The blocks of a model of ``transformers`` (GPT-2, BERT, Llama, Qwen3 and their like), in the
    order in which a pass runs them. Raises UsageError where there is no list of layers."""
    parent, name = _layer_list(model)
    return list(getattr(parent, name))


def set_blocks_(model: nn.Module, blocks: Sequence[nn.Module]) -> None:
    """From here on a pass runs ``blocks`` in this order; one module may stand there several times,
    and then receives the sum of its gradients. Turns ``use_cache`` off, which numbers blocks.

    Raises UsageError for a ModernBERT, whose blocks are told by their place."""
    from torch import nn

    _require_alike(model)
    parent, name = _layer_list(model)
    before = len(getattr(parent, name))
    setattr(parent, name, nn.ModuleList(blocks))
    config = getattr(model, "config", None)
    if config is None:
        return
    config.num_hidden_layers = len(blocks)
    config.use_cache = False
    kinds = getattr(config, "layer_types", None)
    if kinds is not None and len(kinds) == before:
        if len(set(kinds)) > 1:
            raise UsageError("layers of several kinds (config.layer_types) cannot be shared")
        config.layer_types = [kinds[0]] * len(blocks)


def grow_(
    model: nn.Module,
    optimizer: torch.optim.Optimizer | None,
    map: Sequence[int],
    layers: Sequence[nn.Module] | None = None,
) -> list[nn.Module]:
    """Grows ``model`` in place to ``len(map)`` layers, each a copy of layer ``map[i]``, and with it
    the optimizer's groups and its state (AdamW's moments).

    ``layers``: the unique ones, by default those that the model's list holds, each once. The first
    copy of a layer is the layer itself. Returns the layers, which the model's list then holds.

    Raises UsageError for a map that names no such layer or leaves one out, and for a ModernBERT.

    >>> grow_(model, optimizer, growth_map(3, 6))  # doctest: +SKIP
    """
    _require_alike(model)
    if layers is None:
        layers = list(dict.fromkeys(layers_of(model)))
    if set(map) != set(range(len(layers))):
        raise UsageError(f"map must name every layer from 0 to {len(layers) - 1} (got {list(map)})")
    grown: list[nn.Module] = []
    seen: set[int] = set()
    for place, source in enumerate(map):
        layer = copy.deepcopy(layers[source]) if source in seen else layers[source]
        if source in seen and optimizer is not None:
            _add_to_optimizer(optimizer, layers[source], layer)
        seen.add(source)
        grown.append(layer)
    for place, layer in enumerate(grown):
        for module in layer.modules():
            if hasattr(module, "layer_idx"):
                module.layer_idx = place
    set_blocks_(model, grown)
    return grown


def _add_to_optimizer(optimizer: torch.optim.Optimizer, old: nn.Module, new: nn.Module) -> None:
    """Puts the parameters of ``new``, a copy of ``old``, into the groups of those, with their state."""
    groups = {id(p): group["params"] for group in optimizer.param_groups for p in group["params"]}
    for before, parameter in zip(old.parameters(), new.parameters(), strict=True):
        if id(before) not in groups:
            continue  # one that does not train
        groups[id(before)].append(parameter)
        if before in optimizer.state:
            optimizer.state[parameter] = copy.deepcopy(optimizer.state[before])


_LAYER_NAME = re.compile(r"^(|.*\.)(h|layer|layers)\.(\d+)\.")


def grow_state_dict(
    state: dict[str, torch.Tensor], map: Sequence[int]
) -> dict[str, torch.Tensor]:
    """The weights of a model with ``len(map)`` layers, by Hugging Face's names; copies share no
    memory. Raises UsageError where no names are those of layers, or the map does not fit them.

    >>> sorted(grow_state_dict({"h.0.w": torch.ones(1)}, [0, 0]))  # doctest: +SKIP
    ['h.0.w', 'h.1.w']
    """
    grown, parts = {}, {}
    for name, tensor in state.items():
        match = _LAYER_NAME.match(name)
        if match is None:
            grown[name] = tensor
        else:
            parts.setdefault(int(match[3]), []).append((match, name, tensor))
    if set(map) != set(parts):
        raise UsageError(
            f"the weights have layers {sorted(parts)}, and the map names {sorted(set(map))}"
        )
    endings = {place: {name[m.end() :] for m, name, _ in own} for place, own in parts.items()}
    for place, own in endings.items():
        if lacking := sorted(set().union(*endings.values()) - own):
            raise UsageError(f"layer {place} has no {', '.join(lacking)}, which other layers have")
    for place, source in enumerate(map):
        for match, name, tensor in parts[source]:
            grown[f"{match[1]}{match[2]}.{place}.{name[match.end():]}"] = tensor.clone()
    return grown
