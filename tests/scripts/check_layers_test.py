"""check_layers.py accepts what the layering allows and names file and line of what it forbids."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "check_layers.py"


class CheckLayers(unittest.TestCase):
    def check(self, files):
        """Runs the script on a tree of {name: text}; returns (exit code, violations)."""
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = pathlib.Path(root) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            run = subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True)
            return run.returncode, run.stdout.splitlines()[:-1]

    def test_accepts_every_direction_of_the_table(self):
        files = {
            "src/data/a.cpp": '#include "config/a.h"\n#include "text/a.h"\n#include "base/a.h"\n',
            "src/ops/a.cpp": '#include <ATen/ops/add.h>\n#include "config/a.h"\n',
            "src/cli/a.cpp": '#include "report/a.h"\n#include "train/a.h"\n#include <vector>\n',
        }
        self.assertEqual(self.check(files), (0, []))

    def test_rejects_what_the_table_forbids(self):
        for name, header in [
            ("base", "config/x.h"),
            ("text", "config/x.h"),
            ("config", "progressive/x.h"),
            ("progressive", "data/x.h"),
            ("progressive", "text/x.h"),
            ("ops", "progressive/x.h"),
            ("runlog", "config/x.h"),
            ("model", "optim/x.h"),
            ("infer", "train/x.h"),
            ("report", "train/x.h"),
            ("model", "report/x.h"),
            ("train", "cli/x.h"),
        ]:
            code, violations = self.check({f"src/{name}/a.h": f'\n#include "{header}"\n'})
            self.assertEqual(code, 1, (name, header))
            start = f"src/{name}/a.h:2: error: '{name}' must not include '{header.split('/')[0]}'"
            self.assertTrue(violations[0].startswith(start), violations)

    def test_says_what_may_be_used(self):
        _, violations = self.check({"src/progressive/a.h": '#include "data/x.h"\n'})
        self.assertEqual(
            violations,
            [
                "src/progressive/a.h:1: error: 'progressive' must not include 'data' ('data/x.h');"
                " it may use base, arch, config"
            ],
        )

    def test_keeps_torch_out_of_the_modules_without_tensors(self):
        for name in ("base", "config", "text", "data", "progressive", "report"):
            for header in ("ATen/core/Tensor.h", "c10/util/Half.h", "torch/library.h"):
                code, violations = self.check({f"src/{name}/a.cpp": f"# include <{header}>\n"})
                self.assertEqual(code, 1)
                self.assertIn(f"'{name}' must compile without torch", violations[0])

    def test_rejects_the_huge_headers_everywhere(self):
        for header in ("torch/torch.h", "ATen/ATen.h"):
            for include in (f"<{header}>", f'"{header}"'):
                code, violations = self.check({"src/model/a.cpp": f"#include {include}\n"})
                self.assertEqual(code, 1)
                self.assertIn("takes too long to compile", violations[0])

    def test_rejects_unknown_modules_and_bare_names(self):
        self.assertEqual(self.check({"src/model/a.cpp": '#include "layer.h"\n'})[0], 1)
        self.assertEqual(self.check({"src/modle/a.cpp": "\n"})[0], 1)

    def test_rejects_long_files_in_src_and_tests(self):
        for folder in ("src/base", "tests/base", "bench"):
            self.assertEqual(self.check({f"{folder}/a.cpp": "\n" * 500})[0], 0)
            code, violations = self.check({f"{folder}/a.cpp": "\n" * 501})
            self.assertEqual(code, 1)
            self.assertTrue(violations[0].startswith(f"{folder}/a.cpp:501: error: 501 lines"))

    def test_an_empty_tree_is_a_failure(self):
        self.assertEqual(self.check({})[0], 1)


if __name__ == "__main__":
    unittest.main()
