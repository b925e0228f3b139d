"""The command `apollo`: becomes the program that the package apollo_lm ships.

A package of its own, so that nothing else is imported: a command starts in the time of an empty
Python script. The program itself takes LibTorch from the torch package.
"""

import importlib.util
import os
import pathlib
import re
import sys


def _folders(package: str) -> list[pathlib.Path]:
    """The folders of a top-level package, which is not imported; empty: it is not installed."""
    spec = importlib.util.find_spec(package)
    return [pathlib.Path(place) for place in (spec and spec.submodule_search_locations) or []]


def _fault(folders: list[pathlib.Path]) -> str:
    """Why the program cannot run with the torch that is installed, or an empty text."""
    namespace: dict[str, str] = {}
    exec(next(f / "_build.py" for f in folders if (f / "_build.py").is_file()).read_text(), namespace)
    built_for = namespace["TORCH_VERSION"]
    for folder in _folders("torch"):
        found = re.search(r"__version__ = '([^']*)'", (folder / "version.py").read_text())
        if found is None or found[1].split(".")[:2] == built_for.split(".")[:2]:
            return ""
        return (
            f"apollo-lm was built for torch {built_for}, found torch {found[1]}\n"
            "  hint: build it again for this one: pip install --force-reinstall --no-deps apollo-lm"
        )
    return f"torch is not installed, and apollo-lm was built for torch {built_for}\n  hint: pip install torch"


def main() -> None:
    """Runs the program with the arguments of this process, in its place."""
    folders = _folders("apollo_lm")
    program = next((f / "bin/apollo" for f in folders if (f / "bin/apollo").is_file()), None)
    if program is None:
        sys.exit("apollo: error: the package apollo_lm is not installed\n  hint: pip install apollo-lm")
    if fault := _fault(folders):
        sys.exit(f"apollo: error: {fault}")
    os.execv(program, ["apollo", *sys.argv[1:]])
