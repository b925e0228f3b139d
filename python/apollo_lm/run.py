"""Runs: training them, and what they left in their folders."""

from __future__ import annotations

import html
import json
import os
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from . import _light
from ._config import Config, overrides_of, source_of
from ._engine_loader import engine
from .errors import CheckpointError, DataError

if TYPE_CHECKING:
    import pandas
    import torch
    import transformers

Row = dict[str, Any]
"""A row of metrics.jsonl (docs/formats.md): step, tokens, flops, wall_s, loss (nats), ..."""


class Page:
    """An HTML page, which a notebook shows inline."""

    def __init__(self, content: str) -> None:
        self.html = content

    def save(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Writes the page, which is whole in itself."""
        pathlib.Path(path).write_text(self.html, encoding="utf-8")
        return pathlib.Path(path)

    def _repr_html_(self) -> str:
        return (
            '<iframe style="width:100%;height:80vh;border:0" sandbox="allow-scripts" '
            f'srcdoc="{html.escape(self.html)}"></iframe>'
        )


class Comparison(Page):
    """What runs saved against a baseline; ``data`` has the numbers of ``apollo compare --json``."""

    def __init__(self, data: dict[str, Any], text: str, page: str) -> None:
        super().__init__(page)
        self.data = data
        self._text = text

    def __str__(self) -> str:
        return self._text


class Run:
    """A run's folder, finished or not.

    >>> Run("runs/demo").folder.name
    'demo'
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = pathlib.Path(folder)

    def rows(self, event: str = "step") -> pandas.DataFrame:
        """The rows of metrics.jsonl of one kind, as a table: "step", "eval", "grow", "start",
        "checkpoint", "resume" or "end".

        Raises DataError where the folder has no metrics.jsonl, ImportError without pandas.
        """
        import pandas

        return pandas.DataFrame(self.row_list(event))

    def row_list(self, event: str = "step") -> list[Row]:
        """The same as a list of dicts, without pandas."""
        path = self.folder / "metrics.jsonl"
        if not path.is_file():
            raise DataError(f"{path}: there is no such file; expected the folder of a run")
        # A kill can leave a last line without its end.
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        rows = [json.loads(line) for line in lines if line.endswith("\n")]
        return [row for row in rows if row["event"] == event]

    @property
    def finished(self) -> bool:
        """Whether it has come to its end; training it again goes on where it is not."""
        ends = self.row_list("end")
        return bool(ends) and ends[-1]["reason"] in ("finished", "early_stopping")

    @property
    def checkpoint(self) -> pathlib.Path:
        """The folder of the latest checkpoint, as ``transformers`` loads it.

        Raises CheckpointError where there is none yet.
        """
        path = self.folder / "checkpoints" / "latest"
        if not path.exists():
            raise CheckpointError(f"{self.folder}: holds no checkpoint yet")
        return path.resolve()

    @property
    def best(self) -> pathlib.Path:
        """The folder of the checkpoint with the lowest validation loss among those with all layers.

        Raises CheckpointError where there is none: no validation data, or ``checkpoint.best`` is
        false.
        """
        path = self.folder / "checkpoints" / "best"
        if not path.exists():
            raise CheckpointError(f"{self.folder}: holds no best checkpoint")
        return path.resolve()

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The weights of the latest checkpoint by Hugging Face's names, float32 on the CPU."""
        return engine().load_model(str(self.checkpoint), "cpu", 0).state_dict()

    def model(self) -> transformers.PreTrainedModel:
        """The latest checkpoint as a model of ``transformers``. Raises ImportError without it."""
        import transformers

        architecture = json.loads((self.checkpoint / "config.json").read_text())["architectures"][0]
        return getattr(transformers, architecture).from_pretrained(self.checkpoint)

    def compare(
        self,
        *others: Run | str | os.PathLike[str],
        baseline: Run | str | os.PathLike[str] | None = None,
        frontier: Sequence[str] = (),
        force: bool = False,
    ) -> Comparison:
        """What this run and others saved at equal loss and at equal FLOPs, as ``apollo compare``.

        The baseline is the run from scratch, else the first, unless it is named.

        Raises UsageError for runs that are not comparable, DataError for one that cannot be read.
        """
        return compare([self, *others], baseline=baseline, frontier=frontier, force=force)

    def report(self) -> Page:
        """The run's page of charts. Raises DataError where the run cannot be read."""
        return Page(_light.run_page(str(self.folder)))

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"


def compare(
    runs: Iterable[Run | str | os.PathLike[str]],
    *,
    baseline: Run | str | os.PathLike[str] | None = None,
    frontier: Sequence[str] = (),
    force: bool = False,
) -> Comparison:
    """As ``Run.compare``, of any runs."""
    folders = [os.fspath(run) for run in runs]
    data, text, page = _light.compare(folders, os.fspath(baseline or ""), list(frontier), force)
    return Comparison(json.loads(data), text, page)


def train(
    config: Config,
    out: str | os.PathLike[str] | None = None,
    on_step: Callable[[Row], bool | None] | None = None,
    on_eval: Callable[[Row], bool | None] | None = None,
    *,
    overrides: dict[str, Any] | None = None,
) -> Run:
    """Trains a run, or goes on with it: the same bits as ``apollo train`` of the same config.

    ``out`` is its folder, by default ``runs/NAME``. ``on_step`` is told every step and ``on_eval``
    every evaluation, as rows of metrics.jsonl; the run stands still meanwhile. One that returns
    False stops the run after a checkpoint; an exception of one comes out of here, after a
    checkpoint too. Ctrl-C saves and raises KeyboardInterrupt. The same call again goes on.
    ``overrides`` are keys by their paths: ``{"train.lr": 1e-3}``.

    One run at a time computes in a process; within torchrun the callbacks are called on rank 0.

    Raises ConfigError with all faults of the config, or where the folder holds another run;
    DataError, CheckpointError, DivergedError; UsageError where another thread computes.

    >>> import tempfile
    >>> config = {"run": {"threads": 1}, "data": {"train": [__file__], "tokenizer": "bytes"},
    ...           "model": {"layers": 2, "width": 8, "heads": 1, "context": 8},
    ...           "train": {"duration": "2 steps", "batch_size": 2},
    ...           "progressive": {"method": "scratch"}}
    >>> run = train(config, tempfile.mkdtemp(), on_step=lambda row: row["step"] < 1)
    >>> len(run.row_list("step")), run.finished
    (1, False)
    >>> train(config, run.folder).finished
    True
    """
    name, text = source_of(config)
    hooks = {"step": on_step, "eval": on_eval}

    def hook(text: str) -> bool | None:
        row = json.loads(text)
        told = hooks.get(row["event"])
        return told(row) if told is not None else None

    wanted = hook if on_step is not None or on_eval is not None else None
    folder, _ = engine().train(
        name, text, overrides_of(overrides or {}), os.fspath(out or ""), wanted
    )
    return Run(folder)


def finetune(
    checkpoint: Run | str | os.PathLike[str],
    task: Config,
    out: str | os.PathLike[str] | None = None,
    *,
    overrides: dict[str, Any] | None = None,
    random_weights: bool = False,
    device: str = "auto",
    threads: int = 0,
) -> dict[str, Any]:
    """Classification or regression learned from tables, as ``apollo finetune``.

    ``task``: as ``train``'s config, with the keys of ``apollo finetune --help-config``. ``out`` gets
    results.json, predictions and the best model, by default ``runs/finetune-NAME``. ``threads`` 0:
    physical cores. The same call again goes on where it was stopped.

    Returns the content of results.json, with the folder under "out".

    Raises ConfigError, DataError, CheckpointError, DivergedError, UsageError.

    >>> finetune("runs/bert", "[task]\\nkind = 'both'")
    Traceback (most recent call last):
    ...
    apollo_lm.errors.ConfigError: config:2:8: error: task.kind must be ...
    """
    name, text = source_of(task)
    results, folder = engine().finetune(
        os.fspath(checkpoint),
        name,
        text,
        overrides_of(overrides or {}),
        os.fspath(out or ""),
        random_weights,
        device,
        threads,
    )
    return {**json.loads(results), "out": folder}
