#!/usr/bin/env python3
"""Holds the #includes of src/ to the layering of the program, and files to their greatest length.

Modules are the folders of src/; the table below says which may include which.

    check_layers.py [ROOT]     prints file:line: error: ... for each violation; exit 1 if any
"""

import pathlib
import re
import sys

MAX_LINES = 500

# module -> what it may include beside itself, from the bottom of the program to its top. A line
# names what its module uses and no more.
USES = {
    "base": [],
    "text": ["base"],
    "arch": ["base", "text"],
    "config": ["base", "text", "arch"],
    "data": ["base", "text", "arch", "config"],
    "progressive": ["base", "arch", "config"],
    "runlog": ["base", "progressive"],
    "parallel": ["base"],
    "ops": ["base", "arch", "config"],
    "model": ["base", "text", "arch", "config", "data", "progressive", "ops"],
    "optim": ["base", "arch", "config", "progressive", "ops", "model"],
    # It knows nothing of training: a run lets its model write as any other.
    "infer": ["base", "text", "config", "data", "progressive", "parallel", "model"],
    "train": ["base", "text", "config", "data", "progressive", "runlog", "parallel", "ops",
              "model", "optim", "infer"],
    "finetune": ["base", "text", "arch", "config", "data", "progressive", "ops", "model", "optim",
                 "infer"],
    "report": ["base", "config", "runlog"],
    # Plans runs as `apollo plan` does, starts them as processes and compares them.
    "suite": ["base", "config", "data", "progressive", "report"],
}
USES["cli"] = list(USES)
USES["python"] = list(USES)

TORCH = re.compile(r"(torch|ATen|c10|caffe2)/")
TORCH_FREE = {"base", "text", "arch", "config", "data", "progressive", "runlog", "report", "suite"}
# Each of these pulls in most of LibTorch: 18 to 35 s for every file that includes it.
HUGE = {"torch/torch.h", "torch/all.h", "torch/extension.h", "torch/script.h", "ATen/ATen.h"}

INCLUDE = re.compile(r'\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")')


def check_include(module, header, quoted):
    """The complaint about one #include, or None."""
    if header in HUGE:
        return f"'{header}' takes too long to compile; include ATen/ops/*.h and the like instead"
    if TORCH.match(header):
        if module in TORCH_FREE:
            return f"'{module}' must compile without torch but includes '{header}'"
        return None
    if not quoted:
        return None
    target = header.split("/")[0] if "/" in header else None
    if target not in USES:
        return f"'{header}' names no module of src/; write \"module/file.h\""
    if target != module and target not in USES[module]:
        uses = ", ".join(USES[module]) or "no other module"
        return f"'{module}' must not include '{target}' ('{header}'); it may use {uses}"
    return None


def check_file(path, module):
    """Yields (line number, complaint); outside src/ module is None and only the length counts."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) > MAX_LINES:
        yield MAX_LINES + 1, f"{len(lines)} lines; split it by concern (at most {MAX_LINES})"
    if module is None:
        return
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if match:
            complaint = check_include(module, match[1] or match[2], quoted=bool(match[2]))
            if complaint:
                yield number, complaint


def check_tree(root):
    """All violations of the tree below root, as lines of text, and the number of files read."""
    violations, num_files = [], 0
    for folder in ("src", "tests", "bench"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".h", ".cpp", ".cu", ".cuh"):
                continue
            num_files += 1
            name = path.relative_to(root)
            module = name.parts[1] if folder == "src" else None
            if module is not None and module not in USES:
                violations.append(f"{name}:1: error: '{module}' is not in the table of modules")
                continue
            violations += [f"{name}:{n}: error: {text}" for n, text in check_file(path, module)]
    return violations, num_files


def main():
    default = pathlib.Path(__file__).resolve().parent.parent
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    violations, num_files = check_tree(root)
    for violation in violations:
        print(violation)
    if num_files == 0:
        print(f"error: no source file below '{root}'")
        return 1
    print(f"layers: {num_files} files, {len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
