"""Configs as users have them: a dict, a file, or TOML text. The program judges them."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import UsageError

Config = Mapping[str, Any] | str | os.PathLike[str]
"""A dict of sections (``{"model": {"layers": 12}, ...}``), the path of a TOML file, or TOML text,
which is told from a path by its line ends or brackets. Keys are those of ``apollo train
--help-config``."""


def _value(value: Any, where: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (str, os.PathLike)):
        # JSON's escapes are TOML's, but for DEL.
        return json.dumps(os.fspath(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        cells = (f"{json.dumps(str(key))} = {_value(item, where)}" for key, item in value.items())
        return "{" + ", ".join(cells) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(_value(item, where) for item in value) + "]"
    if hasattr(value, "item"):  # a number of numpy
        return _value(value.item(), where)
    raise UsageError(f"{where} must be text, a number, a list or a dict (got {value!r})")


def to_toml(config: Mapping[str, Any]) -> str:
    """A dict of sections as TOML text.

    >>> print(to_toml({"model": {"layers": 3}}), end="")
    [model]
    layers = 3
    """
    lines = []
    for section, keys in config.items():
        if not isinstance(keys, Mapping):
            raise UsageError(f"{section!r} must be a section, that is a dict (got {keys!r})")
        lines.append(f"[{section}]")
        for key, value in keys.items():
            if value is not None:
                lines.append(f"{key} = {_value(value, f'{section}.{key}')}")
    return "".join(line + "\n" for line in lines)


def source_of(config: Config) -> tuple[str, str | None]:
    """The name by which messages call a config, and its text; None: it is in the file of that name."""
    if isinstance(config, Mapping):
        return "config", to_toml(config)
    if isinstance(config, str) and ("\n" in config or "[" in config):
        return "config", config
    if isinstance(config, (str, os.PathLike)):
        return os.fspath(config), None
    raise UsageError(f"config must be a dict, a path or TOML text (got {config!r})")


def overrides_of(overrides: Mapping[str, Any]) -> list[str]:
    """``{"train.lr": 1e-3}`` as the command's ``--set``."""
    return [f"{key}={_value(value, key)}" for key, value in overrides.items()]
