"""Text that a user hands over."""

import os
from collections.abc import Callable, Iterable, Iterator

from .errors import UsageError


def documents(texts: Iterable[str]) -> Iterator[str]:
    """Each document, judged as it comes."""
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise UsageError(
                f"document {place} must be a str (got {type(text).__name__}); hint: of rows of a "
                "table give their text: (row['text'] for row in rows)"
            )
        yield text


def next_of(texts: Iterator[str]) -> Callable[[], str | None]:
    """Gives the next document, None at the end."""
    return lambda: next(texts, None)


def paths_of(source: object) -> list[str] | None:
    """The files that ``source`` names; None: it is documents."""
    if isinstance(source, (str, os.PathLike)):
        return [os.fspath(source)]
    if not isinstance(source, (list, tuple)) or not source:
        return None
    if all(isinstance(item, os.PathLike) for item in source):
        return [os.fspath(item) for item in source]
    if all(isinstance(item, str) and len(item) < 4096 and os.path.exists(item) for item in source):
        raise UsageError(
            f"a list of str is documents, and these are names of files: {source[0]!r}, ...; hint: "
            "[pathlib.Path(name) for name in names]"
        )
    return None
