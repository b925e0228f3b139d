"""Text to token datasets."""

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

from . import _light
from ._text import documents, next_of, paths_of
from .errors import UsageError
from .tokenizer import Tokenizer


def prepare(
    source: str | os.PathLike[str] | Sequence[os.PathLike[str]] | Iterable[str],
    tokenizer: Tokenizer | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    valid_fraction: float = 0.0,
    valid_out: str | os.PathLike[str] | None = None,
    text_field: str = "text",
    threads: int = 0,
    progress: bool = False,
) -> dict[str, Any]:
    """Writes a token dataset into the folder ``out``, which a config names as ``data.train``.

    ``source`` is a path or a list of ``pathlib.Path`` (txt or JSON lines, plain, .gz, .xz or .zst,
    or folders of them), or any iterable of documents, which is streamed: a generator over
    ``datasets``, parquet or a database. Each document ends with the tokenizer's end-of-text token.

    ``valid_fraction`` of the text goes into ``valid_out``, in blocks drawn from all of it.
    ``threads`` 0: all cores; the result is the same for any number.

    Returns what the command prints with ``--json``: path, tokens, documents, text_bytes,
    bytes_per_token and hashes; with ``valid_out`` under "valid" the same of that.

    Raises DataError where there is no text or it cannot be used, UsageError for a list of str that
    are names of files, and what the iterator raises; nothing is left behind then.

    >>> import tempfile
    >>> prepare(["one", "two"], "bytes", tempfile.mkdtemp())["tokens"]
    8
    """
    if (valid_fraction > 0) != (valid_out is not None):
        raise UsageError("valid_fraction and valid_out need each other")
    if not isinstance(tokenizer, Tokenizer):
        tokenizer = Tokenizer(tokenizer)
    core, folders = tokenizer._core, (os.fspath(out), valid_fraction, os.fspath(valid_out or ""))
    paths = paths_of(source)
    if paths is not None:
        text = _light.prepare_files(paths, core, *folders, text_field, threads, progress)
    else:
        text = _light.prepare_documents(
            next_of(documents(source)), core, *folders, threads, progress
        )
    infos = json.loads(text)
    return infos[0] if valid_out is None else {**infos[0], "valid": infos[1]}
