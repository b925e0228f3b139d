"""The pages say what results/ holds, results.py notices where they do not, and their links lead
somewhere."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


class Results(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="apollo-results-"))
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        for name in ("docs", "results", "scripts"):
            shutil.copytree(ROOT / name, self.root / name)
        shutil.copy(ROOT / "README.md", self.root)

    def run_script(self, *arguments):
        done = subprocess.run([sys.executable, self.root / "scripts/results.py", *arguments],
                              capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def change(self, name, old, new):
        path = self.root / name
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new, 1))

    def test_the_pages_are_what_the_results_say(self):
        self.assertEqual(self.run_script("check"), (0, ""))

    def test_a_changed_page_is_noticed(self):
        self.change("README.md", "| apollo+ | 3 | 1.816 ± 0.004 |", "| apollo+ | 3 | 1.716 ± 0.004 |")
        code, text = self.run_script("check")
        self.assertEqual(code, 1)
        self.assertEqual(text.splitlines()[0], "README.md")
        self.assertEqual(self.run_script("write"), (0, "README.md\n"))
        self.assertEqual(self.run_script("check"), (0, ""))

    def test_changed_results_are_noticed(self):
        for name, old, new, stale in (
                ("results/demo/tuning.csv", "4.26", "4.16", "docs/results/demo.md"),
                ("results/methods/curves.csv", ",1.8", ",1.7", "docs/images/methods.svg")):
            with self.subTest(name):
                text = (self.root / name).read_text()
                self.change(name, old, new)
                code, said = self.run_script("check")
                self.assertEqual(code, 1)
                self.assertIn(stale, said)
                (self.root / name).write_text(text)

    def test_a_summary_that_its_curves_deny_is_noticed(self):
        for column, value, complaint in (
                ("final_loss_mean", "4", "final_loss_mean is '4', the curves say 1.81"),
                ("equal_loss_flops_saved_mean", "4", "flops_saved_mean is '4', the curves say 0.68"),
                ("equal_loss_flops_saved_for_good_min", "", "saved_for_good_min is '', the curves"),
                ("equal_budget_flops_saved_std", "4", "equal_budget_flops_saved_std is '4', the"),
                ("equal_budget_bound", "at least", "bound is 'at least', the curves say 'exact'")):
            with self.subTest(column):
                path = self.root / "results/methods/summary.csv"
                text = path.read_text()
                lines = [line.split(",") for line in text.splitlines()]
                (row,) = [line for line in lines if line[0] == "apollo+" and line[2] == "1e13 flops"]
                row[lines[0].index(column)] = value
                path.write_text("".join(",".join(line) + "\n" for line in lines))
                code, said = self.run_script("check")
                self.assertEqual(code, 1)
                self.assertIn("results/methods/summary.csv: apollo+, 1e13 flops: ", said)
                self.assertIn(complaint, said)
                path.write_text(text)

    def test_a_curve_that_was_changed_is_noticed(self):
        path = self.root / "results/width32/curves.csv"
        lines = path.read_text().splitlines()
        last = max(i for i, line in enumerate(lines) if line.startswith("apollo+,1e13-flops,2,"))
        lines[last] = lines[last].rpartition(",")[0] + ",1.70000"
        path.write_text("\n".join(lines) + "\n")
        code, said = self.run_script("check")
        self.assertEqual(code, 1)
        self.assertIn("results/width32/summary.csv: apollo+, 1e13 flops: final_loss_mean is ", said)

    def test_an_end_of_one_seed_that_its_curve_denies_is_noticed(self):
        self.change("results/frontier32/seeds.csv", "12-layers,2,0.008,4.36251,", "12-layers,2,0.008,4.3,")
        code, said = self.run_script("check")
        self.assertEqual(code, 1)
        self.assertIn("results/frontier32/seeds.csv: 12-layers, 2, 0.008: valid_loss is '4.3', the "
                      "curve ends with '4.36251'", said)

    def test_a_test_loss_that_was_changed_is_noticed(self):
        self.change("results/frontier32/seeds.csv", ",4.40398", ",4.30398")
        code, said = self.run_script("check")
        self.assertEqual((code, said.splitlines()[0]), (1, "docs/results/frontier.md"))

    def test_a_sentence_that_quotes_another_number_is_noticed(self):
        self.change("README.md", "saved 65.4 % of the FLOPs", "saved 75.4 % of the FLOPs")
        code, said = self.run_script("check")
        self.assertEqual(code, 1)
        self.assertIn("README.md does not say '65.4 %' behind 'GPT of 42 million parameters saved', "
                      "which is what gpu says", said)

    def test_prints_the_tables_of_a_suite(self):
        code, text = self.run_script("tables", "demo")
        self.assertEqual(code, 0)
        self.assertIn("| apollo+ | 3 | 4.254 ± 0.024 | 62.0 ± 6.6 % |", text)
        self.assertIn("| apollo+ | 1e13 flops | 2382 | 1 → 3 | 4.8066 ± 0.0496 |", text)
        self.assertEqual(text.split("### Each run")[1].count("\n| scratch |"), 3)
        code, text = self.run_script("tables", "demmo")
        self.assertEqual(code, 1)
        self.assertIn("results: there is no 'demmo'; there are ['advice', ", text)


class Links(unittest.TestCase):
    def test_every_link_of_the_pages_leads_to_a_file(self):
        pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        links = [(page, link) for page in pages for link in LINK.findall(page.read_text())
                 if not link.startswith(("http://", "https://"))]
        self.assertGreater(len(links), 30)
        for page, link in links:
            with self.subTest(page=page.name, link=link):
                self.assertTrue((page.parent / link).exists())


if __name__ == "__main__":
    unittest.main()
