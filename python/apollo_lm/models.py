"""Trained models: what can be asked of them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._engine_loader import engine
from .errors import UsageError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Score:
    """The log-probabilities of one text."""

    tokens: list[str]
    logprobs: list[float | None]
    """Of each token, in nats; None where it is conditioned on nothing."""

    @property
    def total(self) -> float:
        """The sum of those that have a value."""
        return sum(value for value in self.logprobs if value is not None)


class Model:
    """A model with its tokenizer, loaded once and asked many times."""

    def __init__(
        self, folder: str | os.PathLike[str], *, device: str = "auto", threads: int = 0
    ) -> None:
        """Loads a checkpoint, a run or a Hugging Face folder.

        ``device``: auto, cpu, cuda or cuda:N. ``threads`` of its calls, 0: physical cores.

        Raises CheckpointError where it is damaged or not supported, UsageError for the device.
        """
        self._core = engine().load_model(os.fspath(folder), device, threads)

    @property
    def shape(self) -> dict[str, Any]:
        """folder, architecture, layers (unique ones), depth, width, heads, context, vocab_size, device."""
        return self._core.describe()

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The weights by Hugging Face's names: views of the model's own memory."""
        return self._core.state_dict()

    def score(self, texts: Sequence[str], *, depth: int = 0, batch_size: int = 16) -> list[Score]:
        """The log-probability of every token of each text, as ``apollo score``.

        A GPT conditions each token on those before it, a BERT masks each in turn. ``depth``: blocks
        of the pass, 0: of the final model. ``batch_size``: sequences of the context's length a pass.

        Raises UsageError for the depth, DataError without a tokenizer.
        """
        if isinstance(texts, str):
            raise UsageError("texts must be a list of str (got one str); hint: [text]")
        return [Score(*found) for found in self._core.score(list(texts), depth, batch_size)]

    def generate(
        self,
        prompt: str = "",
        *,
        max_tokens: int = 200,
        temperature: float = 1.0,
        top_k: int = 0,
        seed: int = 0,
        depth: int = 0,
    ) -> str:
        """What follows ``prompt``, as ``apollo generate`` writes it behind the prompt.

        ``temperature`` 0: the likeliest token; ``top_k`` 0: drawn from all. The same seed gives the
        same text.

        Raises CheckpointError for a masked model, UsageError for an option out of range.
        """
        return self._core.generate(prompt, max_tokens, temperature, top_k, seed, depth)

    def evaluate(
        self,
        data: str | os.PathLike[str] | None = None,
        *,
        depth: int = 0,
        batch_size: int = 16,
        max_tokens: int = 0,
        masked_fraction: float | None = None,
        whole_words: bool = False,
        separate_documents: bool = False,
        progress: bool = False,
    ) -> dict[str, Any]:
        """The loss on a token dataset or text, by default the validation data of the run that the
        model was loaded from, as ``apollo eval --json``: depth, loss (nats a token), ppl and bpb (of
        a BERT accuracy), tokens, flops.

        ``max_tokens`` 0: all. The last three choices are a BERT's.

        Raises DataError for a dataset of another tokenizer, UsageError for what does not go together.
        """
        return json.loads(
            self._core.evaluate(
                os.fspath(data or ""),
                depth,
                batch_size,
                max_tokens,
                masked_fraction,
                whole_words,
                separate_documents,
                progress,
            )
        )

    def __repr__(self) -> str:
        shape = self.shape
        return f"Model({shape['folder']!r}, {shape['architecture']}, {shape['layers']} layers)"


def _loaded(model: Model | str | os.PathLike[str]) -> Model:
    return model if isinstance(model, Model) else Model(model)


def score(model: Model | str | os.PathLike[str], texts: Sequence[str], **options: Any) -> list[Score]:
    """``Model.score`` of a model or folder.

    >>> score("runs/demo", ["The kernel"])[0].total  # doctest: +SKIP
    -21.3
    """
    return _loaded(model).score(texts, **options)


def generate(model: Model | str | os.PathLike[str], prompt: str = "", **options: Any) -> str:
    """``Model.generate`` of a model or folder.

    >>> generate("runs/demo", "The kernel", max_tokens=3)  # doctest: +SKIP
    ' is built with'
    """
    return _loaded(model).generate(prompt, **options)


def evaluate(
    model: Model | str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """``Model.evaluate`` of a model or folder.

    >>> evaluate("runs/demo", "data/valid")["bpb"]  # doctest: +SKIP
    1.71
    """
    return _loaded(model).evaluate(data, **options)


def export(
    model: str | os.PathLike[str], out: str | os.PathLike[str], *, depth: int = 0
) -> None:
    """Writes a plain Hugging Face folder with a layer of its own for every block of the pass.

    Raises UsageError where ``out`` is there and not empty.

    >>> export("runs/demo", "demo-12", depth=12)  # doctest: +SKIP
    """
    engine().export_folder(os.fspath(model), os.fspath(out), depth)
