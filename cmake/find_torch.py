"""Prints the folder of the torch package that the running Python's environment holds, or where pip
would install one. pip builds in an environment of its own, from whose sys.path that one is hidden;
its folders are still the interpreter's."""

import pathlib
import site
import sys
import sysconfig


def folders():
    """Where packages are installed, nearest first."""
    yield from (sysconfig.get_path("platlib"), sysconfig.get_path("purelib"))
    yield from site.getsitepackages()
    yield site.getusersitepackages()
    # Those of the Python beneath, which a virtual environment may see.
    base = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    yield from (sysconfig.get_path("platlib", vars=base), sysconfig.get_path("purelib", vars=base))


if __name__ == "__main__":
    looked = list(dict.fromkeys(folders()))
    found = [folder for folder in looked if pathlib.Path(folder, "torch/include").is_dir()]
    print(pathlib.Path(found[0], "torch") if found else looked[0])
    sys.exit(not found)
