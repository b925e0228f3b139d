"""Imports the extension module that computes with torch, when it is needed first."""

import contextlib
import functools
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import ModuleType

from . import _build
from .errors import TorchMismatchError

_log_level = "info"
_AGAIN = "build it again for this one: pip install --force-reinstall --no-deps apollo-lm"


def _minor(version: str) -> list[str]:
    return version.split("+")[0].split(".")[:2]


def check_torch_version(found: str) -> None:
    """Raises TorchMismatchError unless this package can run with torch ``found``."""
    if _minor(found) != _minor(_build.TORCH_VERSION):
        raise TorchMismatchError(
            f"apollo_lm was built for torch {_build.TORCH_VERSION}, found torch {found}\n  hint: {_AGAIN}"
        )


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Puts Ctrl-C off: a torch whose import was cut short crashes when it is imported again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: arrived.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)
        if arrived:
            signal.raise_signal(signal.SIGINT)


@functools.cache
def engine() -> ModuleType:
    """apollo_lm._engine.

    Raises TorchMismatchError where torch is missing, of another minor version, or lacks what this
    package was built with (CUDA).
    """
    if "torch" not in sys.modules and "OMP_WAIT_POLICY" not in os.environ:
        # As the command does it: threads that spin for long wait for each other's time slices.
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        with _uninterrupted():
            import torch
    except ImportError as error:
        raise TorchMismatchError(
            f"apollo_lm needs torch {'.'.join(_minor(_build.TORCH_VERSION))}, which cannot be "
            f"imported: {error}\n  hint: pip install torch"
        ) from error
    check_torch_version(torch.__version__)
    try:
        with _uninterrupted():
            from . import _engine
    except ImportError as error:
        raise TorchMismatchError(
            f"apollo_lm does not fit torch {torch.__version__}: {error}\n  hint: {_AGAIN}"
        ) from error
    _engine.set_log_level(_log_level)
    return _engine


def set_log_level(level: str) -> None:
    """Of the engine's log, which may not be loaded yet."""
    global _log_level
    _log_level = level
    if engine.cache_info().currsize > 0:
        engine().set_log_level(level)
