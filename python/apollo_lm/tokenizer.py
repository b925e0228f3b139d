"""Text to ids and back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from . import _light
from ._text import documents, next_of
from .errors import DataError


class Tokenizer:
    """A byte-level BPE or WordPiece tokenizer.

    >>> Tokenizer("bytes").encode("Hi").tolist()
    [72, 105]
    """

    def __init__(self, source: str | os.PathLike[str]) -> None:
        """Loads what the command takes: a folder with ``tokenizer.json`` (or ``vocab.json`` and
        ``merges.txt``, or ``vocab.txt``), such a file, or ``"bytes"``, which is built in.

        Raises DataError where it is missing, damaged or of a kind that Apollo does not read.
        """
        self._core = _light.load_tokenizer(os.fspath(source))

    @classmethod
    def _of(cls, core: _light.Tokenizer) -> Tokenizer:
        tokenizer = cls.__new__(cls)
        tokenizer._core = core
        return tokenizer

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocab_size: int,
        kind: Literal["bpe", "wordpiece"] = "bpe",
        *,
        min_frequency: int = 2,
        lowercase: bool = True,
        threads: int = 0,
        progress: bool = False,
    ) -> Tokenizer:
        """A tokenizer of ``vocab_size`` tokens (special ones and bpe's 256 bytes included).

        ``texts`` is streamed, each item a document. ``lowercase`` is wordpiece's. ``threads`` 0:
        all cores; the result is the same for any number.

        Raises DataError where the text allows fewer tokens, and what the iterator raises.

        >>> Tokenizer.train(["ab ab ab"] * 9, 258).vocab_size
        258
        """
        return cls._of(
            _light.train_tokenizer(
                kind, next_of(documents(texts)), vocab_size, min_frequency, lowercase, threads, progress
            )
        )

    def encode(self, text: str, *, special_tokens: bool = True) -> NDArray[np.int32]:
        """The ids of ``text``, int32 of shape (tokens,).

        Nothing is put around it. ``special_tokens``: those spelled out in the text become their
        ids; else they are ordinary text.

        >>> Tokenizer("bytes").encode("<|endoftext|>").tolist()
        [256]
        """
        return self._core.encode(text, special_tokens)

    def encode_batch(
        self, texts: Sequence[str], *, special_tokens: bool = True, threads: int = 0
    ) -> list[NDArray[np.int32]]:
        """As ``encode`` of each of ``texts``, on ``threads`` threads (0: all cores).

        The arrays are views into one.

        >>> [ids.tolist() for ids in Tokenizer("bytes").encode_batch(["a", "", "bc"])]
        [[97], [], [98, 99]]
        """
        ids, ends = self._core.encode_batch(tuple(texts), special_tokens, threads)
        begin, rows = 0, []
        for end in ends.tolist():
            rows.append(ids[begin:end])
            begin = end
        return rows

    def encode_flat(
        self, texts: Sequence[str], *, special_tokens: bool = True, threads: int = 0
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The same in one row: ids of shape (tokens,), and where each text's end in it, (texts,).

        >>> [part.tolist() for part in Tokenizer("bytes").encode_flat(["a", "", "bc"])]
        [[97, 98, 99], [1, 1, 3]]
        """
        return self._core.encode_batch(tuple(texts), special_tokens, threads)

    def decode(self, ids: Sequence[int] | NDArray[np.integer], *, special_tokens: bool = False) -> str:
        """The text of ``ids``; bytes that are no whole character become U+FFFD.

        Raises DataError for an id that no token has.

        >>> Tokenizer("bytes").decode([72, 105, 256])
        'Hi'
        """
        row = np.asarray(ids).reshape(-1)
        if row.size == 0:
            return ""
        if not np.issubdtype(row.dtype, np.integer):
            raise TypeError(f"ids must be integers (got {row.dtype})")
        if int(row.max()) > np.iinfo(np.int32).max or int(row.min()) < 0:
            raise DataError(f"ids must be from 0 to {self.vocab_size - 1} (got {int(row.max())})")
        return self._core.decode(np.ascontiguousarray(row, np.int32), special_tokens)

    def token_bytes(self, id: int) -> bytes:
        """The bytes that one id stands for, not necessarily whole characters.

        >>> Tokenizer("bytes").token_bytes(72)
        b'H'
        """
        return self._core.token_bytes(id)

    @property
    def special_tokens(self) -> dict[str, int]:
        """The ids of the special tokens that it has, by ``transformers``' names.

        >>> Tokenizer("bytes").special_tokens["eos_token"]
        256
        """
        return self._core.special_tokens()

    @property
    def vocab_size(self) -> int:
        """One more than the largest id."""
        return self._core.vocab_size()

    @property
    def hash(self) -> str:
        """Equal for tokenizers that give equal ids."""
        return self._core.hash()

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes ``tokenizer.json`` and the other files that ``transformers`` reads."""
        self._core.save(os.fspath(folder))

    def __len__(self) -> int:
        return self.vocab_size

    def __repr__(self) -> str:
        return f"Tokenizer(vocab_size={self.vocab_size}, hash={self.hash[:8]!r})"
